"""Where slices are edited for the learned statistic, and the windows that edits see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from dfd.records import BoolImage, FloatImage

EDITS, GENUINE = 4, 6
"""Places of each kind in a slice, at most."""
CROP_PX = 160
"""Side of the window that an edit sees."""
APART_RADII = 5.0
"""Between the middles of edits: more of them would stand in each other's reference windows."""
CLEAR_RADII = 2.0
"""Between a genuine place and the rim of an edit."""
FAR_SOURCE_RADII = 4.0
"""How far from its copy a source lies at least."""
TRIED = 400
"""Places that are looked at, at most."""


def paste(image: FloatImage, window: tuple[slice, slice], new: FloatImage, old: FloatImage) -> None:
    """Puts ``new`` where it differs from ``old``, both of a window of ``image``."""
    rows, columns = window
    part = image[rows, columns]
    height, width = part.shape
    new, old = new[:height, :width], old[:height, :width]
    part[new != old] = new[new != old]


def window_of(middle: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The crop around a place, moved into the image where it can be."""
    rows, columns = (
        max(0, min(place - CROP_PX // 2, size - CROP_PX))
        for place, size in zip(middle, shape, strict=True)
    )
    return slice(rows, rows + CROP_PX), slice(columns, columns + CROP_PX)


def cut(image: FloatImage, window: tuple[slice, slice]) -> FloatImage:
    """``[CROP_PX, CROP_PX]``; what lies beyond the image is continued from its border."""
    part = image[window]
    short = [(0, CROP_PX - side) for side in part.shape]
    return np.pad(part, short, mode="edge") if any(after for _, after in short) else part.copy()


def sites(body: BoolImage, radius: float, rng: Generator) -> list[tuple[int, int]]:
    """(row, column) of places in the body for edits, apart from each other."""
    rows, columns = np.nonzero(body)
    chosen: list[tuple[int, int]] = []
    for number in rng.permutation(len(rows))[:TRIED]:
        place = int(rows[number]), int(columns[number])
        if all(np.hypot(place[0] - r, place[1] - c) > APART_RADII * radius for r, c in chosen):
            chosen.append(place)
        if len(chosen) == EDITS:
            break
    return chosen


def clear(
    body: BoolImage,
    rims: Sequence[tuple[float, float, float]],
    radius: float,
    rng: Generator,
) -> list[tuple[int, int]]:
    """(row, column) of places in the body that no edit reaches."""
    rows, columns = np.nonzero(body)
    chosen: list[tuple[int, int]] = []
    for number in rng.permutation(len(rows))[:TRIED]:
        row, column = int(rows[number]), int(columns[number])
        if all(np.hypot(row - r, column - c) > size + CLEAR_RADII * radius for r, c, size in rims):
            chosen.append((row, column))
        if len(chosen) == GENUINE:
            break
    return chosen


def source_of(
    middle: tuple[int, int], shape: tuple[int, ...], size: float, rng: Generator
) -> tuple[int, int]:
    """A place some way off, of which the slice holds something all around."""
    margin = int(min(size, min(shape) / 4))
    for _ in range(20):
        place = tuple(int(rng.integers(margin, side - margin)) for side in shape)
        if np.hypot(place[0] - middle[0], place[1] - middle[1]) > FAR_SOURCE_RADII * size:
            break
    return place[0], place[1]
