"""Keys of the dictionaries that pass through the bundles' transforms, engines and handlers.

The names that MONAI has a word for are MONAI's (``monai.utils.enums.CommonKeys``).
"""

from __future__ import annotations

from enum import StrEnum


class Keys(StrEnum):
    """One member per key; each equals its text."""

    IMAGE = "image"
    """Path of a file; from the reader on its pixels, ``[1, H, W]``."""
    LABEL = "label"
    PRED = "pred"
    """What the network or the inferer gives."""

    FRAME = "frame"
    """Of a file with several; absent where it has one."""
    PATIENT = "patient"
    SERIES = "series"
    """Number of the series within the folder."""
    STACK = "stack"
    """Number of the stack within the series: slices of one lie beside each other, in order."""
    GROUP = "group"
    """Scanner, kernel and the like: what is drawn in balance."""
    SPACING_MM = "spacing_mm"
    SCAN = "scan"
    """``Slice``; absent where the file could not be read."""
    ERROR = "error"
    """Why the file could not be read."""

    POINTS = "points"
    """``Point`` of each row that asks about the slice."""
    CONTEXT = "context"
    """``Context``: the slices above and below."""
    CONTEXT_NOTE = "context_note"
    """Sentences about the slices above and below."""
    RECONSTRUCTIONS = "reconstructions"
    """Other reconstructions of the same acquisition."""

    FINDINGS = "findings"
    """``Finding`` of each point, in order."""
    REGIONS = "regions"
    """``Region`` of each point, or None."""
    PREDICTION = "prediction"
    SCREENINGS = "screenings"
    """Row -> ``Screening``, of points that ask about the slice as a whole."""
    SOURCES = "sources"
    """Name -> pixels of slices that were copied from."""

    PIXELS = "pixels"
    """Of a training slice: normalised, ``[H, W]``."""
    MEASURED = "measured"
    """Of a training slice: where a pixel holds a measurement."""
    SCALE = "scale"
    """Of a training slice: its noise scale."""
    DRAW = "draw"
    """Seed of one draw of a crop."""
