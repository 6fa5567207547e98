"""Slice + point -> region."""

from __future__ import annotations

import math

from dfd.errors import PointsError
from dfd.modalities import Modality
from dfd.records import Point, Region, Slice, is_square
from dfd.sentences import quoted

SMALLEST_PX = 6.0
"""Radius in pixels below which a region holds too little noise to say anything (about a hundred
pixels)."""


def radius_in_words(
    radius_px: float, radius_mm: float | None, spacing_mm: tuple[float, float] | None
) -> str:
    """How large a region is.

    It is a disk of pixels: where those are not square it is wider one way, and ``radius_mm`` is a
    mean.
    """
    if radius_mm is None or spacing_mm is None:
        return f"radius {radius_px:.1f} px"
    if is_square(spacing_mm):
        return f"radius {radius_mm:.1f} mm"
    down, across = (radius_px * side for side in spacing_mm)
    return f"radius {across:.1f} mm across, {down:.1f} mm down"


def shape_note(spacing_mm: tuple[float, float] | None) -> tuple[str, ...]:
    """A sentence where a region is no disk in mm."""
    if spacing_mm is None or is_square(spacing_mm):
        return ()
    row, column = spacing_mm
    return (
        (
            f"the region is a disk of pixels, which are {column:.3g} mm wide and {row:.3g} mm "
            "high, so its radius in mm is a mean"
        ),
    )


def region_of(point: Point, scan: Slice, modality: Modality) -> Region:
    """The disk that ``point`` asks about in ``scan``.

    Without a radius of its own a point gets the modality's, in mm where the slice has a spacing and
    in pixels where it has none.

    Raises:
        PointsError: the point lies outside the slice, or asks for millimetres where the slice has
            none.
    """
    _check_inside(point, scan)
    spacing = scan.facts.spacing_mm
    if spacing is None:
        if point.radius_mm is not None:
            name = quoted(point.filename)
            raise PointsError(
                f"row {point.row}: {name} has no pixel spacing, so a radius in mm has no "
                "meaning; leave the radius empty."
            )
        return Region(point.x, point.y, modality.radius_px)
    radius_mm = modality.radius_mm if point.radius_mm is None else point.radius_mm
    # A disk of pixels, also where they are not square: the geometric mean keeps its area in mm.
    # What that costs is measured
    # (benchmarks.studies.oblong_pixels), and every output says how far the region reaches each way.
    radius_px = radius_mm / math.sqrt(spacing[0] * spacing[1])
    return Region(point.x, point.y, max(radius_px, SMALLEST_PX), radius_mm)


def _check_inside(point: Point, scan: Slice) -> None:
    height, width = scan.pixels.shape
    for name, value, size in (("X", point.x, width), ("Y", point.y, height)):
        if -0.5 <= value <= size - 0.5:
            continue
        reach = f"whose {name} runs from 0 to {size - 1}"
        if point.patient_mm:
            place = ", ".join(f"{mm:g}" for mm in point.patient_mm)
            raise PointsError(
                f"row {point.row}: the place ({place}) mm is {name} = {value:.1f} in the plane of "
                f"{quoted(point.filename)}, {reach}; correct the place (LPS, as in DICOM)."
            )
        raise PointsError(
            f"row {point.row}: {name} = {value:g} lies outside {quoted(point.filename)}, {reach}; "
            "correct the point, or name the columns x_mm, y_mm, z_mm if these are millimetres."
        )
