"""Feeds damaged and hostile files to everything that reads files of a user."""
