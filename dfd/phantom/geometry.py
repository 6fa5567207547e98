"""Ellipsoids and their plane cuts.

The only shapes a phantom is made of, because lines through them are known exactly.

Positions are (x, y, z) in mm in patient axes LPS with the origin at the isocentre: x to the
patient's left, y to the back, z to the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Solids:
    """Ellipsoids: all points p with ``(p - centre)^T shape^-1 (p - centre) <= 1``."""

    centres: Floats
    """``[E, 3]`` in mm."""
    shapes: Floats
    """``[E, 3, 3]`` in mm^2, symmetric and positive definite."""


@dataclass(frozen=True, slots=True)
class Discs:
    """Ellipses in one axial plane, in the order of the solids they were cut from."""

    centres: Floats
    """``[E, 2]`` in mm."""
    shapes: Floats
    """``[E, 2, 2]`` in mm^2; meaningless where not ``present``."""
    present: NDArray[np.bool_]
    """``[E]``, whether the plane meets the solid."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of one tissue: inside all of ``include``, outside all of ``exclude``.

    It replaces ``host``, which must fill that place already.
    """

    include: tuple[int, ...]
    exclude: tuple[int, ...]
    tissue: str
    host: str


@dataclass(frozen=True, slots=True)
class Section:
    """What one axial plane meets."""

    discs: Discs
    parts: tuple[Part, ...]


def cut(solids: Solids, position_mm: float) -> Discs:
    """Cut ellipsoids with the plane z = ``position_mm``.

    The cut of an ellipsoid is an ellipse whose shape is the Schur complement of the z axis, shrunk
    by the distance to the centre.
    """
    distance = position_mm - solids.centres[:, 2]
    depth = solids.shapes[:, 2, 2]
    lean = solids.shapes[:, :2, 2]
    level = 1.0 - distance**2 / depth
    centres = solids.centres[:, :2] + lean * (distance / depth)[:, None]
    shapes = (
        solids.shapes[:, :2, :2] - lean[:, :, None] * lean[:, None, :] / depth[:, None, None]
    ) * level[:, None, None]
    return Discs(centres, shapes, level > 0.0)


def spindle_shapes(directions: Floats, half_lengths: Floats, radii: Floats) -> Floats:
    """Shapes ``[E, 3, 3]`` of ellipsoids of revolution along unit ``directions`` ``[E, 3]``.

    Lengths and radii ``[E]`` in mm.
    """
    along = directions[:, :, None] * directions[:, None, :]
    return (
        along * (half_lengths**2)[:, None, None] + (np.eye(3) - along) * (radii**2)[:, None, None]
    )


def turned_shape(semi_axes: Vector, turn_deg: float = 0.0) -> Floats:
    """Shape ``[3, 3]`` of an ellipsoid with semi-axes in mm along x, y, z.

    Turned about z by ``turn_deg`` from x towards y.
    """
    angle = np.deg2rad(turn_deg)
    rotation = np.array(
        [[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]]
    )
    shape: Floats = rotation @ np.diag(np.square(semi_axes)) @ rotation.T
    return shape


def frame_shape(axes: Floats, semi_axes: Vector) -> Floats:
    """Shape ``[3, 3]`` of an ellipsoid with semi-axes in mm along the rows of ``axes``.

    ``axes`` ``[3, 3]`` is orthonormal.
    """
    shape: Floats = axes.T @ np.diag(np.square(semi_axes)) @ axes
    return shape


def inside(discs: Discs, index: int, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Which of the points (``x``, ``y``), in mm and broadcast together, lie in one ellipse."""
    if not discs.present[index]:
        return np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=bool)
    (a, b), (_, d) = discs.shapes[index]
    dx, dy = x - discs.centres[index, 0], y - discs.centres[index, 1]
    result: NDArray[np.bool_] = d * dx**2 - 2.0 * b * dx * dy + a * dy**2 <= a * d - b * b
    return result


def in_part(section: Section, part: Part, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Which of the points (``x``, ``y``), in mm and broadcast together, lie in a part."""
    result = inside(section.discs, part.include[0], x, y)
    for index in part.include[1:]:
        result = result & inside(section.discs, index, x, y)
    for index in part.exclude:
        if section.discs.present[index]:
            result = result & ~inside(section.discs, index, x, y)
    return result


def paint(section: Section, value: dict[str, float], x: Floats, y: Floats) -> Floats:
    """Sample a section on a grid.

    Args:
        section: The cut.
        value: Number of each tissue; what no part covers stays 0.
        x: ``[W]`` ascending, mm.
        y: ``[H]`` ascending, mm.

    Returns:
        ``[H, W]``.
    """
    image = np.zeros((y.size, x.size))
    for part in section.parts:
        step = value[part.tissue] - value[part.host]
        centre = section.discs.centres[part.include[0]]
        reach = np.sqrt(np.diagonal(section.discs.shapes[part.include[0]]))
        left, right = np.searchsorted(x, [centre[0] - reach[0], centre[0] + reach[0]])
        top, bottom = np.searchsorted(y, [centre[1] - reach[1], centre[1] + reach[1]])
        if step != 0.0 and right > left and bottom > top:
            image[top:bottom, left:right] += step * in_part(
                section, part, x[None, left:right], y[top:bottom, None]
            )
    return image
