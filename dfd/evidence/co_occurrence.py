"""How quantised high-pass residuals of neighbouring pixels occur together: one code for each pixel.

Cozzolino, Poggi, Verdoliva 2015, Splicebuster, WIFS, section II. Ours differs: the quantum follows
the residual of the slice where theirs is 2 grey levels of an 8-bit picture.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

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


def folded() -> NDArray[np.int64]:
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
    return np.asarray(classes, dtype=np.int64)


FOLDED = folded()
CLASSES = int(FOLDED.max()) + 1


def codes(pixels: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``[4, H, W]``: classes along and across the derivative.

    For both of its directions (the first two and the last two are pooled).
    """
    planes: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for turned in (False, True):
        image, inside = (pixels.T, valid.T) if turned else (pixels, valid)
        residual = _along(image, DERIVATIVE)
        scale = MAD_TO_SD * float(np.median(np.abs(residual[inside]))) if inside.any() else 1.0
        quantised = np.clip(np.rint(residual / (QUANTUM * max(scale, 1e-6))), -LARGEST, LARGEST)
        along, across = _codes(quantised), _codes(quantised.T).T
        for kept, plane in zip(planes, (along, across), strict=True):
            kept.append(plane.T if turned else plane)
    return np.stack([*planes[0], *planes[1]])


def _along(image: NDArray[np.float64], weights: tuple[float, ...]) -> NDArray[np.float64]:
    """``[H, W]``: sum of ``weights`` times the pixel and those to its right.

    What lies beyond the border is the border's.
    """
    padded = np.pad(image, ((0, 0), (1, len(weights) - 2)), mode="edge")
    return np.asarray(
        sum(
            weight * padded[:, place : place + image.shape[1]]
            for place, weight in enumerate(weights)
        )
    )


def _codes(quantised: NDArray[np.float64]) -> NDArray[np.int64]:
    """``[H, W]``: class of ``TOGETHER`` values in a row."""
    base = 2 * LARGEST + 1
    digits = tuple(float(base**place) for place in reversed(range(TOGETHER)))
    return FOLDED[_along(quantised + LARGEST, digits).astype(np.int64)]
