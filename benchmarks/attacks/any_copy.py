"""Copies within a slice under any transform, and where each was taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.attacks.canvas import Canvas, blended
from benchmarks.attacks.copy_move import ROOM_PX, source_shift
from dfd.prediction.masks import disk
from dfd.records import BoolImage, FloatImage

SIZES = (0.8, 1.25)
BRIGHTNESS = (0.5, 1.5)
"""Steps added to a copy, in standard deviations of what it covers."""
LOBES = 0.25
"""Standard deviation of an irregular outline, in radii."""


@dataclass(frozen=True)
class Kind:
    """What is done to a copy."""

    turned: bool = False
    """By any angle."""
    resized: bool = False
    """Within ``SIZES``, evenly in their logarithm."""
    mirrored: bool = False
    irregular: bool = False
    """Its outline is lobed and not a disk."""
    brighter: bool = False
    """Brighter or darker than its source."""
    feather_px: float = 1.0


KINDS: Mapping[str, Kind] = {
    "as it is": Kind(),
    "turned": Kind(turned=True),
    "resized": Kind(resized=True),
    "turned and resized": Kind(turned=True, resized=True),
    "turned, resized, mirrored, soft edge": Kind(True, True, True, feather_px=4.0),
    "turned, resized, mirrored, irregular, brighter": Kind(True, True, True, True, True, 2.0),
}


@dataclass(frozen=True)
class Copied:
    """A slice with a copy in it."""

    pixels: FloatImage
    source: NDArray[np.float64]
    """(row, column) of what the middle of the copy shows."""
    matrix: NDArray[np.float64]
    """``[2, 2]``: leads from (row, column) steps in the copy to steps in its source."""

    def source_of(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """(row, column) of what stands ``steps`` from the middle of the copy."""
        return self.source + self.matrix @ steps


def matrix_of(kind: Kind, rng: np.random.Generator) -> NDArray[np.float64]:
    """``[2, 2]`` of one copy of a kind."""
    matrix = np.eye(2)
    if kind.turned:
        angle = rng.uniform(-np.pi, np.pi)
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.array([[cosine, -sine], [sine, cosine]])
    if kind.resized:
        matrix = matrix / np.exp(rng.uniform(*np.log(SIZES)))
    return matrix @ np.diag([1.0, -1.0]) if kind.mirrored else matrix


def pasted(
    canvas: Canvas, middle: tuple[int, int], radius: float, kind: Kind, rng: np.random.Generator
) -> Copied | None:
    """A copy of ``radius`` pixels at ``middle`` (row, column).

    Its source looks alike and does not overlap it. None where there is no such place.
    """
    pixels, shape = canvas.pixels, canvas.pixels.shape
    centre = (float(middle[1]), float(middle[0]))
    matrix = matrix_of(kind, rng)
    reach = radius * float(np.abs(np.linalg.svd(matrix)[1]).max()) + ROOM_PX
    shift = source_shift(pixels, disk(shape[0], shape[1], centre, max(reach, radius)), rng)
    if shift is None:
        return None
    mask = _outline(disk(shape[0], shape[1], centre, radius), middle, radius, kind, rng)
    rows, columns = np.nonzero(mask)
    steps = np.stack([rows, columns]) - np.array(middle)[:, None]
    source = np.array(middle, dtype=np.float64) + shift
    filled = np.where(np.isfinite(pixels), pixels, np.nanmean(pixels))
    exact = np.array_equal(matrix, np.rint(matrix))
    order = 0 if exact else 3
    changed = pixels.copy()
    copy = map_coordinates(filled, source[:, None] + matrix @ steps, order=order, mode="nearest")
    if kind.brighter:
        step = rng.choice([-1.0, 1.0]) * rng.uniform(*BRIGHTNESS)
        copy = copy + step * float(np.nanstd(pixels[mask]))
    changed[mask] = copy
    return Copied(blended(pixels, changed, mask, kind.feather_px), source, matrix)


def _outline(
    mask: BoolImage, middle: tuple[int, int], radius: float, kind: Kind, rng: np.random.Generator
) -> BoolImage:
    if not kind.irregular:
        return mask
    rows, columns = np.indices(mask.shape)
    angle = np.arctan2(rows - middle[0], columns - middle[1])
    around = gaussian_filter(rng.normal(size=64), 4.0, mode="wrap")
    lobes = LOBES * radius * around / max(float(around.std()), 1e-9)
    turns = ((angle + np.pi) / (2 * np.pi) * 64).astype(int) % 64
    away = np.hypot(rows - middle[0], columns - middle[1])
    # As large in area as the disk, about.
    outline: BoolImage = (away <= radius + lobes[turns]) & np.isfinite(away)
    return outline
