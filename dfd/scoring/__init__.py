"""Scores the points of a run: read a slice, predict it, assess it, write what was found.

Needs neither MONAI nor Ignite; the bundles' engine passes its slices through the same functions.
"""
