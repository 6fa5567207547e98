"""Trains the networks of the attacks."""
