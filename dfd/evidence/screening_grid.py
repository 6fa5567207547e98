"""A whole slice without a point.

The places that are measured, and the map of their values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.running_sums import FloatArray
from dfd.records import BoolImage, FloatImage

SCREEN_STEP_PX = 16
"""Distance of the places along rows and columns: a slice of 512 x 512 has about 450 of them."""
STEP_RADII = 1.2
"""The same in radii, where that is less: no edit lies farther than 0.85 radii from the nearest
place."""
FINEST_PX = 8


def step_of(radius: float) -> int:
    """Distance of the places in pixels for regions of ``radius``."""
    return max(FINEST_PX, min(SCREEN_STEP_PX, round(STEP_RADII * radius)))


def centres(shape: tuple[int, ...], radius: float) -> NDArray[np.int64]:
    """``[n, 2]`` (x, y).

    The places of a slice of ``shape`` (rows, columns) for regions of ``radius``, whether or not
    anything is measured there.
    """
    step = step_of(radius)
    rows, columns = np.mgrid[step // 2 : shape[0] : step, step // 2 : shape[1] : step]
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.int64)


def painted(
    places: NDArray[np.int64], values: FloatArray, valid: BoolImage, step: int
) -> FloatImage:
    """``[H, W]``: ``values`` ``[n]`` at ``places`` ``[n, 2]`` (x, y).

    In straight lines between them, NaN where not ``valid`` or too far from any.

    At a place stands its own value. What is NaN among ``values`` is left out, as if that place had
    not been measured.
    """
    height, width = valid.shape
    total, weight = np.zeros((2, height + 2 * step, width + 2 * step))
    slope = 1.0 - np.abs(np.arange(1 - step, step)) / step
    tent = slope[:, None] * slope
    for (x, y), value in zip(places, values, strict=True):
        if np.isfinite(value):
            around = (slice(y + 1, y + 2 * step), slice(x + 1, x + 2 * step))
            total[around] += value * tent
            weight[around] += tent
    inner = (slice(step, step + height), slice(step, step + width))
    result = np.full(valid.shape, np.nan, dtype=np.float32)
    reached = valid & (weight[inner] > 0)
    result[reached] = total[inner][reached] / weight[inner][reached]
    return result
