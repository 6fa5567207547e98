"""From a place in the patient (LPS, mm) to slice and pixel, by the geometry of a series."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dfd.records import Series, SliceRef
from dfd.sentences import quoted

SAME_PLACE_MM = 0.01
"""Slices nearer than this lie at one place; positions are written with about this precision."""
GAP_FACTOR = 1.5
"""A distance of more than this many usual distances is a gap: slices are missing there."""

Millimetres: TypeAlias = tuple[float, float, float]


class NoSliceError(Exception):
    """No slice of a series holds the place; the message is the end of the row's sentence."""


def nearest_slices(series: Series, point: Millimetres) -> tuple[SliceRef, ...]:
    """The slices of ``series`` in whose thickness ``point`` lies.

    A slice reaches half a slice distance to either side, and no farther than its thickness: between
    slices that lie far apart, and where some are missing, there is tissue that no slice shows.

    Args:
        series: Slices with positions.
        point: (x, y, z) in LPS, mm.

    Returns:
        Those at the nearest position: one, or one per phase.

    Raises:
        NoSliceError: the series does not say where it lies or how thick it is, or no slice is near.
    """
    places = _positions(series)
    if not places:
        raise NoSliceError("has no position in the patient in its header, so X and Y are needed")
    along = float(_normal(series.orientation) @ np.asarray(point))
    index = min(range(len(places)), key=lambda number: abs(along - places[number]))
    distance = abs(along - places[index])
    reach = _reach(places, index, along, series.facts.thickness_mm)
    at_place = tuple(ref for ref in series.slices if _lies_at(ref, places[index]))
    if reach is None:
        raise NoSliceError(
            "has too few slices and no slice thickness in its header to tell whether they hold "
            "the place, so X and Y are needed"
        )
    if distance > reach + SAME_PLACE_MM:
        raise NoSliceError(
            f"has no slice at {_written(point)} mm: the nearest, "
            f"{quoted(at_place[0].path.name)}, is "
            f"{distance:.1f} mm away, more than the {reach:.2f} mm that it reaches; correct the "
            "place (LPS, as in DICOM)"
        )
    return at_place


def pixel_in(
    series: Series, ref: SliceRef, point: Millimetres, spacing: tuple[float, float]
) -> tuple[float, float]:
    """Column and row of ``point`` in the plane of a slice, zero-based pixels, as ``X`` and ``Y``.

    Args:
        series: Gives the directions of rows and columns, also where they are not at right angles.
        ref: The slice; ``corner_mm`` is the centre of its first pixel.
        point: (x, y, z) in LPS, mm.
        spacing: (row, column) distance of pixel centres in mm.
    """
    along_row, along_column = np.asarray(series.orientation, dtype=float).reshape(2, 3)
    axes = np.column_stack(
        [
            spacing[1] * along_row / np.linalg.norm(along_row),
            spacing[0] * along_column / np.linalg.norm(along_column),
            _normal(series.orientation),
        ]
    )
    column, row, _ = np.linalg.solve(axes, np.subtract(point, ref.corner_mm))
    # A millionth of a pixel is finer than any header; 0.0 is added so that nothing is "-0.0".
    return round(float(column), 6) + 0.0, round(float(row), 6) + 0.0


def _positions(series: Series) -> list[float]:
    """Positions along the normal in mm, ascending, those of phases once."""
    positions: list[float] = []
    placed = [ref.position_mm for ref in series.slices if ref.corner_mm]
    for position in sorted(mm for mm in placed if mm is not None):
        if not positions or position - positions[-1] > SAME_PLACE_MM:
            positions.append(position)
    return positions if series.orientation else []


def _lies_at(ref: SliceRef, position: float) -> bool:
    return ref.position_mm is not None and abs(ref.position_mm - position) <= SAME_PLACE_MM


def _reach(
    places: Sequence[float], index: int, along: float, thickness: float | None
) -> float | None:
    """How far a slice reaches towards ``along``, in mm; None where nothing tells."""
    steps = [after - before for before, after in itertools.pairwise(places)]
    if len(steps) < 2 and thickness is None:
        return None
    if not steps:
        return None if thickness is None else thickness / 2
    usual = statistics.median_low(steps)
    side = index if along >= places[index] else index - 1
    step = steps[side] if 0 <= side < len(steps) else usual
    half = (step if step <= GAP_FACTOR * usual else usual) / 2
    return half if thickness is None else min(half, thickness)


def _normal(orientation: tuple[float, ...]) -> NDArray[np.float64]:
    """Unit normal of a plane that is given by six direction cosines."""
    cosines = np.asarray(orientation, dtype=float).reshape(2, 3)
    normal = np.cross(cosines[0], cosines[1])
    return np.asarray(normal / np.linalg.norm(normal), dtype=float)


def _written(point: Millimetres) -> str:
    return f"({', '.join(f'{mm:g}' for mm in point)})"
