"""Which pixels are hidden.

Random masks in training, a lattice of single pixels and region-sized holes in use.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from dfd.records import BoolImage

LATTICE_PASSES = 5
"""Passes that hide every pixel once."""
LATTICE_STEP = 2
"""Column shift per row: (x + 2 y) mod 5 is the knight's-move colouring, in which the nearest hidden
pixel is sqrt(5) pixels away, so that all twelve pixels within a distance of 2 are seen. A
square lattice needs nine passes for the same."""


def lattice(height: int, width: int, phase: int) -> BoolImage:
    """``[H, W]`` mask of one pass.

    The masks of phases 0 to ``LATTICE_PASSES - 1`` are disjoint and cover the slice.

    Raises:
        ValueError: ``phase`` is not one of the passes.
    """
    if not 0 <= phase < LATTICE_PASSES:
        raise ValueError(f"phase must be in [0, {LATTICE_PASSES - 1}], got {phase}")
    rows, columns = np.ogrid[:height, :width]
    mask: BoolImage = (columns + LATTICE_STEP * rows) % LATTICE_PASSES == phase
    return mask


def disk(height: int, width: int, centre: tuple[float, float], radius: float) -> BoolImage:
    """``[H, W]`` mask of the pixels whose centres lie within ``radius`` pixels of ``centre`` = (x.

    Y).
    """
    mask = np.zeros((height, width), dtype=bool)
    window, inside = disk_within(height, width, centre, radius)
    mask[window] = inside
    return mask


def disk_within(
    height: int, width: int, centre: tuple[float, float], radius: float
) -> tuple[tuple[slice, slice], BoolImage]:
    """The (rows, columns) of a slice that hold the disk, and its mask in them.

    For many disks in one slice. Empty where the disk lies outside.
    """
    low = [
        min(max(math.floor(middle - radius), 0), size)
        for middle, size in ((centre[1], height), (centre[0], width))
    ]
    high = [
        min(max(math.ceil(middle + radius) + 1, 0), size)
        for middle, size in ((centre[1], height), (centre[0], width))
    ]
    rows, columns = np.ogrid[low[0] : high[0], low[1] : high[1]]
    mask: BoolImage = (columns - centre[0]) ** 2 + (rows - centre[1]) ** 2 <= radius**2
    return (slice(low[0], high[0]), slice(low[1], high[1])), mask


def scattered(size: int, rng: np.random.Generator) -> BoolImage:
    """``[size, size]`` mask of single pixels drawn independently, 2 to 30 % of them."""
    mask: BoolImage = rng.random((size, size)) < rng.uniform(0.02, 0.3)
    return mask


def holes(size: int, rng: np.random.Generator) -> BoolImage:
    """``[size, size]`` mask of one to three disks with radii of 2 to 14 pixels."""
    mask = np.zeros((size, size), dtype=bool)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, size, 2)
        mask |= disk(size, size, (float(x), float(y)), float(rng.uniform(2.0, 14.0)))
    return mask


@lru_cache(maxsize=2 * LATTICE_PASSES)
def _kept_lattice(size: int, phase: int) -> BoolImage:
    """``lattice``, made once: training asks for the same five again and again. Read-only."""
    mask = lattice(size, size, phase)
    mask.setflags(write=False)
    return mask


def random_mask(size: int, rng: np.random.Generator) -> BoolImage:
    """A mask for training.

    70 % lattice (what scoring uses), 10 % scattered pixels, 20 % region-sized holes. May be
    read-only.
    """
    draw = rng.random()
    if draw < 0.7:
        mask = _kept_lattice(size, int(rng.integers(LATTICE_PASSES)))
    elif draw < 0.8:
        mask = scattered(size, rng)
    else:
        mask = holes(size, rng)
    # A mask that hides nothing teaches nothing and would divide by zero.
    return mask if mask.any() else lattice(size, size, 0)
