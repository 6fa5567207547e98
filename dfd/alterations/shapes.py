"""Where a crop is edited, and how softly."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dfd.alterations.material import between
from dfd.records import FloatImage

RADIUS_PX = (3.5, 30.0)
"""Half the width of an edit."""
SOFTEST_PX = 6.0
"""Widest transition at its edge."""


def draw_share(size: int, rng: Generator) -> FloatImage:
    """``[size, size]`` share of the edit, 0 to 1.

    Anywhere: a head that could tell the middle of a crop by its border would take it for the edit.
    """
    row, column = rng.uniform(0.0, size, 2)
    return share_at(size, (float(row), float(column)), between(rng, *RADIUS_PX), rng)


def share_at(size: int, middle: tuple[float, float], radius: float, rng: Generator) -> FloatImage:
    """``[size, size]`` share of an edit around ``middle`` (row, column), 0 to 1.

    An ellipse, a square or a lobed blob, hard-edged or soft.
    """
    rows, columns = np.indices((size, size))
    (row, column), kind = middle, rng.random()
    if kind < 0.4:
        stretch = rng.uniform(0.7, 1.4)
        outside = np.hypot((rows - row) * stretch, (columns - column) / stretch) - radius
    elif kind < 0.6:
        outside = np.maximum(np.abs(rows - row), np.abs(columns - column)) - radius
    else:
        lobes = 0.6 * radius**2 * gaussian_filter(rng.normal(size=(size, size)), radius / 3.0)
        outside = np.hypot(rows - row, columns - column) - radius + lobes
    soft = float(rng.choice([0.01, rng.uniform(0.5, SOFTEST_PX)]))
    share: FloatImage = np.clip(0.5 - outside / soft, 0.0, 1.0).astype(np.float32)
    return share
