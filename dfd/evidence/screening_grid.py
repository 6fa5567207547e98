"""A whole slice without a point.

The places that are measured, and the map of their values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.running_sums import FloatArray
from dfd.records import BoolImage, FloatImage, Region

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


def on_grid(
    places: NDArray[np.int64], values: FloatArray, shape: tuple[int, ...], radius: float
) -> FloatArray:
    """``[R, C]``: ``values`` ``[n]`` at their ``places`` ``[n, 2]`` (x, y), some of ``centres``.

    Rows and columns of the places of a slice of ``shape``; NaN where nothing was measured.
    """
    step = step_of(radius)
    rows, columns = (len(range(step // 2, size, step)) for size in shape)
    result = np.full((rows, columns), np.nan)
    result[(places[:, 1] - step // 2) // step, (places[:, 0] - step // 2) // step] = values
    return result


def centre_of(row: int, column: int, radius: float) -> tuple[int, int]:
    """(x, y) of a place of the grid."""
    step = step_of(radius)
    return step // 2 + column * step, step // 2 + row * step


def averaged_region(row: int, column: int, reach: int, like: Region) -> Region:
    """What is looked at where places up to ``reach`` steps from one of the grid are averaged.

    A disk as large as ``like`` and wider by the steps.
    """
    x, y = centre_of(row, column, like.radius_px)
    wider = like.radius_px + reach * step_of(like.radius_px)
    mm = None if like.radius_mm is None else like.radius_mm * wider / like.radius_px
    return Region(float(x), float(y), wider, mm)


def painted(
    places: NDArray[np.int64], values: FloatArray, valid: BoolImage, step: int
) -> FloatImage:
    """``[H, W]``: ``values`` ``[n]`` at ``places`` ``[n, 2]`` (x, y).

    In straight lines between them, NaN where not ``valid`` or too far from any.

    At a place stands its own value. What is NaN among ``values`` is left out, as if that place had
    not been measured.
    """
    used = np.isfinite(values)
    columns, rows = (np.unique(each, return_inverse=True) for each in places[used].T)
    total, weight = np.zeros((2, len(rows[0]), len(columns[0])))
    np.add.at(total, (rows[1], columns[1]), values[used])
    np.add.at(weight, (rows[1], columns[1]), 1.0)
    down, across = (
        np.maximum(1.0 - np.abs(np.arange(size)[:, None] - each) / step, 0.0)
        for size, (each, _) in zip(valid.shape, (rows, columns), strict=True)
    )
    total, weight = (down @ each @ across.T for each in (total, weight))
    result = np.full(valid.shape, np.nan, dtype=np.float32)
    reached = valid & (weight > 0)
    result[reached] = total[reached] / weight[reached]
    return result
