"""Where a crop is edited, and how softly."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dfd.alterations.material import between, normal
from dfd.alterations.windows import near, places_in
from dfd.records import FloatImage

RADIUS_PX = (3.5, 30.0)
"""Half the width of an edit."""
SOFTEST_PX = 6.0
"""Widest transition at its edge."""
REACH = 4.0
"""No part of a lobed edit lies farther from its middle, in radii: that would be six standard
deviations of its lobes."""


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
    window = near(middle, REACH * radius + SOFTEST_PX, (size, size))
    rows, columns = places_in(window)
    (row, column), kind = middle, rng.random()
    if kind < 0.4:
        stretch = rng.uniform(0.7, 1.4)
        outside = np.hypot((rows - row) * stretch, (columns - column) / stretch) - radius
    elif kind < 0.6:
        outside = np.maximum(np.abs(rows - row), np.abs(columns - column)) - radius
    else:
        distance = np.hypot(rows - row, columns - column)
        lobes = 0.6 * radius**2 * gaussian_filter(normal(distance.shape, rng), radius / 3.0)
        outside = distance - radius + lobes
    soft = float(rng.choice([0.01, rng.uniform(0.5, SOFTEST_PX)]))
    share: FloatImage = np.zeros((size, size), dtype=np.float32)
    share[window] = np.clip(0.5 - outside / soft, 0.0, 1.0)
    return share
