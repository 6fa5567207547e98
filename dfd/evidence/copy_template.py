"""A template, the disk of a residual that is searched for elsewhere, and what resembles it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from dfd.evidence.copy_transforms import FloatArray, Transform
from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.search_plane import (
    LEAST_ENERGY,
    REACH_PX,
    Offsets,
    ResidualPlanes,
    template_radius,
)

ROOM_PX = 20
"""Half side of the square that turned and resized templates are sampled from: the largest reach,
and what cubic splines need around it."""


@dataclass(frozen=True)
class Template:
    """A disk cut out of residual planes."""

    coefficients: FloatArray
    """``[2, S, S]`` cubic splines of the planes around the middle."""
    middle: tuple[float, float]
    """(row, column) of the disk's centre in the square."""
    offsets: Offsets
    """``[n, 2]`` (row, column) steps of the disk's pixels."""
    place: tuple[float, float]
    """(row, column) in the slice."""
    radius: float


@dataclass(frozen=True, slots=True)
class Match:
    """A place that resembles a template."""

    transform: Transform
    row: float
    column: float
    """In the slice that was searched."""
    correlations: tuple[float, float]
    """Of both planes."""
    spreads: tuple[float, float]
    """Robust deviation of the correlations over places and transforms."""
    slice_number: int = 0
    """Of the slices searched."""

    @property
    def score(self) -> float:
        """Geometric mean of both correlations in units of their spread, 0 where one is negative.

        Both planes must agree.
        """
        first, second = (
            max(value, 0.0) / spread
            for value, spread in zip(self.correlations, self.spreads, strict=True)
        )
        return float(np.sqrt(first * second))


def cut_template(
    residual: ResidualPlanes, place: tuple[float, float], region_radius: float
) -> Template:
    """The disk around ``place`` = (row, column) of the slice, for a region of ``region_radius``.

    Zero outside the window of ``residual``.
    """
    inner = [value - start for value, start in zip(place, residual.origin, strict=True)]
    corner = [round(value) - ROOM_PX for value in inner]
    side = 2 * ROOM_PX + 1
    square = np.zeros((2, side, side))
    low = [min(max(0, -start), side) for start in corner]
    high = [
        max(min(side, length - start), first)
        for start, length, first in zip(corner, residual.valid.shape, low, strict=True)
    ]
    rows, columns = (
        slice(start + first + REACH_PX, start + last + REACH_PX)
        for start, first, last in zip(corner, low, high, strict=True)
    )
    if high[0] > low[0] and high[1] > low[1]:
        square[:, low[0] : high[0], low[1] : high[1]] = residual.planes[:, rows, columns]
    coefficients = np.stack([spline_filter(plane, order=3, mode="mirror") for plane in square])
    radius = template_radius(region_radius)
    return Template(
        coefficients,
        (inner[0] - corner[0], inner[1] - corner[1]),
        disk_offsets(radius),
        place,
        radius,
    )


def transformed_templates(
    template: Template, transforms: Sequence[Transform], shifts: FloatArray | None = None
) -> FloatArray:
    """``[t, 2, n]``: the values that a copy under each transform would hold.

    At the template's offsets; every row of norm 1, or 0.

    ``shifts`` ``[t, 2]`` are (row, column) steps by which the copy lies off the whole pixel.
    """
    steps = np.broadcast_to(
        template.offsets.T.astype(np.float64), (len(transforms), 2, len(template.offsets))
    )
    if shifts is not None:
        steps = steps + shifts[:, :, None]
    back = np.stack([transform.back for transform in transforms])
    places = (back @ steps + np.asarray(template.middle)[:, None]).swapaxes(0, 1)
    values = np.stack(
        [
            map_coordinates(plane, places, order=3, mode="mirror", prefilter=False)
            for plane in template.coefficients
        ],
        axis=1,
    )
    norms = np.sqrt((values**2).sum(axis=2, keepdims=True))
    return np.asarray(np.divide(values, norms, out=np.zeros_like(values), where=norms > 1e-6))


def correlations_at(
    matches: Sequence[Match], values: FloatArray, template: Template, residual: ResidualPlanes
) -> list[tuple[float, float]]:
    """Correlations of both planes at the whole pixels nearest to ``matches``.

    ``values``: what copies there would hold, see ``transformed_templates``.
    """
    height, width = residual.valid.shape
    rows = np.clip(np.rint([match.row - residual.origin[0] for match in matches]), 0, height - 1)
    columns = np.clip(
        np.rint([match.column - residual.origin[1] for match in matches]), 0, width - 1
    )
    index = (
        np.stack([rows, columns], axis=1).astype(np.int64)[:, :, None]
        + template.offsets.T[None]
        + REACH_PX
    )
    there = residual.planes[:, index[:, 0], index[:, 1]].swapaxes(0, 1)
    norms = np.sqrt(np.maximum((there**2).sum(axis=2), LEAST_ENERGY * len(template.offsets)))
    return [(float(first), float(second)) for first, second in (values * there).sum(axis=2) / norms]
