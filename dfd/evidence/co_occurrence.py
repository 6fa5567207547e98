"""How quantised high-pass residuals of neighbouring pixels occur together: one code for each pixel.

Cozzolino, Poggi, Verdoliva 2015, Splicebuster, WIFS, section II. Ours differs: the quantum follows
the residual of the slice where theirs is 2 grey levels of an 8-bit picture.
"""

from __future__ import annotations

from itertools import product

import torch

from dfd.evidence.medians import median
from dfd.intensity import MAD_TO_SD

DERIVATIVE = (1.0, -3.0, 3.0, -1.0)
"""Third order, along rows and along columns."""
LARGEST = 1
"""Quantised residuals are cut here (T in the paper), so each has three values."""
TOGETHER = 4
"""Adjacent pixels in a row whose values make one code."""
QUANTUM = 1.0
"""Step of quantisation in robust standard deviations of the slice's residual: then no value is
rare."""
REACH_PX = 4
"""How far beside itself a code looks, at most: two pixels for the last of its pixels, and two
more for the derivative there."""


def folded() -> torch.Tensor:
    """``[81]``: class of each code.

    A code, its mirror image and their negatives are one (25 classes).
    """
    values = range(-LARGEST, LARGEST + 1)
    names: dict[tuple[int, ...], int] = {}
    classes = []
    for code in product(values, repeat=TOGETHER):
        negative = tuple(-value for value in code)
        least = min(code, code[::-1], negative, negative[::-1])
        classes.append(names.setdefault(least, len(names)))
    return torch.tensor(classes)


FOLDED = folded()
CLASSES = int(FOLDED.max()) + 1


def codes(pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """``[4, H, W]``: classes along and across the derivative of ``pixels`` ``[H, W]``.

    For both of its directions (the first two and the last two are pooled).
    """
    along, across = [], []
    for axis in (1, 0):
        residual = _along(pixels, DERIVATIVE, axis)
        inside = residual[valid].abs()
        scale = MAD_TO_SD * float(median(inside)) if len(inside) else 1.0
        quantised = (residual / (QUANTUM * max(scale, 1e-6))).round().clamp(-LARGEST, LARGEST)
        along.append(_codes(quantised, axis))
        across.append(_codes(quantised, 1 - axis))
    return torch.stack([*along, *across])


def _along(image: torch.Tensor, weights: tuple[float, ...], axis: int) -> torch.Tensor:
    """``[H, W]``: sum of ``weights`` times the pixel before, the pixel, and those after it.

    Along ``axis``. What lies beyond the border is the border's.
    """
    size = image.shape[axis]
    places = torch.arange(-1, size + len(weights) - 2, device=image.device).clamp(0, size - 1)
    padded = image.index_select(axis, places)
    result = padded.narrow(axis, 0, size) * weights[0]
    for place, weight in enumerate(weights[1:], start=1):
        result.add_(padded.narrow(axis, place, size), alpha=weight)
    return result


def _codes(quantised: torch.Tensor, axis: int) -> torch.Tensor:
    """``[H, W]``: class of ``TOGETHER`` values in a row along ``axis``."""
    base = 2 * LARGEST + 1
    digits = tuple(float(base**place) for place in reversed(range(TOGETHER)))
    return FOLDED.to(quantised.device)[_along(quantised + LARGEST, digits, axis).long()]
