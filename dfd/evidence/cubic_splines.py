"""Values of planes between pixels by cubic B-splines, for many planes at once.

Source: Unser, Splines: a perfect fit for signal and image processing (IEEE Signal Processing
Magazine 1999).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from scipy.ndimage import spline_filter1d
from torch.nn.functional import grid_sample


@cache
def _prefilter(side: int) -> torch.Tensor:
    """``[side, side]`` float64: samples -> coefficients, mirrored at the ends."""
    return torch.from_numpy(spline_filter1d(np.eye(side), order=3, axis=0, mode="mirror"))


def coefficients_of(squares: torch.Tensor) -> torch.Tensor:
    """``[..., S, S]`` float32: the splines through ``squares`` ``[..., S, S]``."""
    matrix = _prefilter(squares.shape[-1]).to(squares.device)
    return (matrix @ squares.double() @ matrix.T).float()


def values_at(coefficients: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """``[n, p, t, k]``: the values of splines at ``places``.

    A value takes four coefficients along each axis. Two at a time make one linear interpolation
    between them (Sigg and Hadwiger, Fast third-order texture filtering, GPU Gems 2, chapter 20).

    Args:
        coefficients: ``[n, p, S, S]``.
        places: ``[n, t, k, 2]`` float64 (row, column), at least two pixels from the border; ``n``
            may be 1 where the places are the same for all.
    """
    first = torch.floor(places)
    fraction = (places - first).float()
    rest = 1.0 - fraction
    outer, outermost = rest**3 / 6.0, fraction**3 / 6.0
    lower = outer + 2.0 / 3.0 - fraction**2 * (2.0 - fraction) / 2.0
    upper = 1.0 - lower
    # In units of half the square from its middle, as the linear interpolation asks.
    half = (coefficients.shape[-1] - 1) / 2.0
    middle = (first - half).float()
    pairs = (middle - outer / lower) / half, (middle + 1.0 + outermost / upper) / half
    weights = lower, upper
    total = coefficients.new_zeros(())
    for row in (0, 1):
        for column in (0, 1):
            grid = torch.stack([pairs[column][..., 1], pairs[row][..., 0]], -1)
            taken = grid_sample(
                coefficients,
                grid.expand(len(coefficients), -1, -1, -1),
                mode="bilinear",
                padding_mode="border",
                align_corners=True,
            )
            total = total + taken * (weights[row][..., 0] * weights[column][..., 1])[:, None]
    return total
