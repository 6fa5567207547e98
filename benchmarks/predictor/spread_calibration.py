"""The factor by which a scan corrects the spread that a network predicted for it.

One per tissue class, fitted on the scan itself.

Pure functions of arrays. What is fitted on half of the windows is tested on the other half, so that
the numbers are not circular.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfd.records import BoolImage, FloatImage

LARGEST_Z = 6.0
"""Residuals are cut here, as the evidence cuts them: one pixel on a metal edge must not outweigh a
tissue."""
PRIOR_PIXELS = 20.0
"""A class with few pixels leans on the whole scan as if that many of its pixels had the scan's mean
energy."""
BLOCK_PX = 32
"""Side of the blocks of ``halves``: many times the reach of noise correlation."""

Labels = NDArray[np.int8]
FloatArray = NDArray[np.float64]


def energy(z: FloatImage) -> FloatArray:
    """Squared residuals, cut at ``LARGEST_Z``."""
    return np.asarray(np.clip(z, -LARGEST_Z, LARGEST_Z), dtype=np.float64) ** 2


def tissue_factors(z: FloatImage, labels: Labels, classes: int) -> FloatArray:
    """``[classes]``: root mean energy of z per tissue class.

    The predicted spread is to be multiplied by it; 1 = the spread is accurate.

    Args:
        z: standardised residuals, any shape.
        labels: class of each, the same shape; negative where it has none and does not count.
        classes: how many there are.
    """
    counted = labels >= 0
    values = energy(z)
    overall = float(values[counted].mean()) if counted.any() else 1.0
    sums = np.bincount(labels[counted], weights=values[counted], minlength=classes)
    counts = np.bincount(labels[counted], minlength=classes)
    factors: FloatArray = np.sqrt((sums + PRIOR_PIXELS * overall) / (counts + PRIOR_PIXELS))
    return np.maximum(factors, 1e-3)


def halves(shape: tuple[int, int]) -> BoolImage:
    """``[H, W]`` checkerboard of blocks."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    board: BoolImage = (rows // BLOCK_PX + columns // BLOCK_PX) % 2 == 0
    return board


def corrected(z: FloatImage, labels: Labels, classes: int) -> FloatImage:
    """``[H, W]`` z with each half of the slice divided by the factors of the other half.

    Where a pixel has no class it stays as it is.
    """
    board = halves((z.shape[0], z.shape[1]))
    result = z.astype(np.float32)
    for half in (board, ~board):
        factors = tissue_factors(z[~half], labels[~half], classes)
        here = half & (labels >= 0)
        result[here] = z[here] / factors[labels[here]]
    return result
