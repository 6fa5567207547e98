"""Slice + point -> region."""

from __future__ import annotations

import math

from dfd.errors import PointsError
from dfd.modalities import Modality
from dfd.records import Point, Region, Slice
from dfd.sentences import quoted

SMALLEST_PX = 6.0
"""Radius in pixels below which a region holds too little noise to say anything (about a hundred pixels)."""


def region_of(point: Point, scan: Slice, modality: Modality) -> Region:
    """The disk that ``point`` asks about in ``scan``.

    Without a radius of its own a point gets the modality's, in mm where the slice has a spacing and in pixels where it has none.

    Raises:
        PointsError: the point lies outside the slice, or asks for millimetres where the slice has none.
    """
    height, width = scan.pixels.shape
    for name, value, size in (("X", point.x, width), ("Y", point.y, height)):
        if not -0.5 <= value <= size - 0.5:
            reach = f"whose {name} runs from 0 to {size - 1}"
            raise PointsError(f"row {point.row}: {name} = {value:g} lies outside {quoted(point.filename)}, {reach}; correct the point.")
    spacing = scan.facts.spacing_mm
    if spacing is None:
        if point.radius_mm is not None:
            name = quoted(point.filename)
            raise PointsError(f"row {point.row}: {name} has no pixel spacing, so a radius in mm has no meaning; leave the radius empty.")
        return Region(point.x, point.y, modality.radius_px)
    radius_mm = modality.radius_mm if point.radius_mm is None else point.radius_mm
    # Pixels of chest CT and MR are square but for a rare stretch, which the geometric mean splits.
    radius_px = radius_mm / math.sqrt(spacing[0] * spacing[1])
    return Region(point.x, point.y, max(radius_px, SMALLEST_PX), radius_mm)
