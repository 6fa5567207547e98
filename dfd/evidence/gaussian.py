"""Gaussian filters of a part of a slice, as those of ``scipy.ndimage``.

Same kernels (cut at four sigma) and same border (mirrored, the outermost pixel twice).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.evidence.running_sums import Bounds

TRUNCATE = 4.0


def kernel(sigma: float, order: int = 0) -> NDArray[np.float64]:
    """``[2 * reach + 1]``: a Gaussian, or its derivative for ``order`` 1."""
    reach = reach_of(sigma)
    places = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (places / sigma) ** 2)
    bell /= bell.sum()
    return np.asarray(bell * (-places / sigma**2) ** order)


def reach_of(sigma: float) -> int:
    """Pixels that a filter looks beside its own, to each side."""
    return int(TRUNCATE * sigma + 0.5)


def with_margin(image: torch.Tensor, part: Bounds, margin: int) -> torch.Tensor:
    """``part`` of ``image`` ``[H, W]`` with ``margin`` pixels around it, mirrored at the border."""
    for axis, (bounds, size) in enumerate(zip(part, image.shape, strict=True)):
        places = torch.arange(bounds.start - margin, bounds.stop + margin, device=image.device)
        places = places % (2 * size)
        image = image.index_select(axis, torch.minimum(places, 2 * size - 1 - places))
    return image


def along(image: torch.Tensor, weights: NDArray[np.float64], axis: int) -> torch.Tensor:
    """``image`` ``[H, W]`` filtered along ``axis``, shorter by what ``weights`` reach beyond it."""
    length = image.shape[axis] - len(weights) + 1
    result = image.narrow(axis, 0, length) * float(weights[0])
    for place, weight in enumerate(weights[1:], start=1):
        result.add_(image.narrow(axis, place, length), alpha=float(weight))
    return result


def blurred(image: torch.Tensor, part: Bounds, sigma: float) -> torch.Tensor:
    """``part`` of the smoothed ``image`` ``[H, W]``.

    Sums are taken in double precision, and stored as what ``image`` is in between.
    """
    around = with_margin(image, part, reach_of(sigma))
    for axis in (0, 1):
        around = along(around.double(), kernel(sigma), axis).to(image.dtype)
    return around


def gradient_magnitude(image: torch.Tensor, part: Bounds, sigma: float) -> torch.Tensor:
    """Length of the gradient of the smoothed ``image`` ``[H, W]`` in ``part`` of it."""
    around = with_margin(image, part, reach_of(sigma))
    smooth, slope = kernel(sigma), kernel(sigma, order=1)
    down = along(along(around, slope, 0), smooth, 1)
    across = along(along(around, smooth, 0), slope, 1)
    return (down.square() + across.square()).sqrt()
