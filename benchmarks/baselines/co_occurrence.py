"""The scheme of Splicebuster: how quantised high-pass residuals of neighbours occur together, against the rest of the same slice.

Cozzolino, Poggi, Verdoliva 2015, Splicebuster, WIFS, sections II and III. Ours differs: one Gaussian instead of a mixture (the first of their two
models), windows are disks, and the quantum follows the residual of the slice where theirs is 2 grey levels of an 8-bit picture.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from benchmarks.baselines.base import Centre, SliceView
from benchmarks.baselines.windows import Windows

SOURCE = "after Cozzolino, Poggi, Verdoliva 2015, Splicebuster, WIFS"
DERIVATIVE = (1.0, -3.0, 3.0, -1.0)
"""Third order, along rows and along columns."""
LARGEST = 1
"""Quantised residuals are cut here (T in the paper), so each has three values."""
TOGETHER = 4
"""Neighbours in a row whose values make one code."""
QUANTUM = 1.0
"""Step of quantisation in robust standard deviations of the slice's residual: then no value is rare."""
DIMENSIONS = 25
"""Principal components that are kept (section III)."""
RIDGE = 1e-3
"""Share of the mean variance that is added to each component."""
FEWEST_WINDOWS = 50
"""Below this many no covariance is told."""
REACH_PX = 4
"""How far beside itself a code looks, at most: two pixels for the last of its neighbours, and two more for the derivative there."""


def folded() -> NDArray[np.int64]:
    """``[81]``: class of each code; a code, its mirror image and their negatives are one (25 classes)."""
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


def _along(image: NDArray[np.float64], weights: tuple[float, ...]) -> NDArray[np.float64]:
    """``[H, W]``: sum of ``weights`` times the pixel and those to its right; what lies beyond the border is the border's."""
    padded = np.pad(image, ((0, 0), (1, len(weights) - 2)), mode="edge")
    return np.asarray(sum(weight * padded[:, place : place + image.shape[1]] for place, weight in enumerate(weights)))


def _codes(quantised: NDArray[np.float64]) -> NDArray[np.int64]:
    """``[H, W]``: class of ``TOGETHER`` values in a row."""
    base = 2 * LARGEST + 1
    digits = tuple(float(base**place) for place in reversed(range(TOGETHER)))
    return FOLDED[_along(quantised + LARGEST, digits).astype(np.int64)]


def codes(pixels: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``[4, H, W]``: classes along and across the derivative, for both of its directions (the first two and the last two are pooled)."""
    planes: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for turned in (False, True):
        image, inside = (pixels.T, known.T) if turned else (pixels, known)
        residual = _along(image, DERIVATIVE)
        scale = 1.4826 * float(np.median(np.abs(residual[inside]))) if inside.any() else 1.0
        quantised = np.clip(np.rint(residual / (QUANTUM * max(scale, 1e-6))), -LARGEST, LARGEST)
        along, across = _codes(quantised), _codes(quantised.T).T
        for kept, plane in zip(planes, (along, across), strict=True):
            kept.append(plane.T if turned else plane)
    return np.stack([*planes[0], *planes[1]])


class Prepared:
    """Codes of a slice, and for each radius asked for what is usual in its windows."""

    def __init__(self, view: SliceView) -> None:
        self.prediction = view.prediction
        # A code that reaches to where nothing was measured is none; values that are only clipped stay in, as they stand in every window.
        self.known = self.prediction.assessed & binary_erosion(np.isfinite(view.pixels), iterations=REACH_PX, border_value=1)
        self.codes = codes(np.where(np.isfinite(view.pixels), view.pixels, 0.0).astype(np.float64), self.known)
        self._usual: dict[float, tuple[Windows, Gaussian | None]] = {}

    def usual(self, radius: float) -> tuple[Windows, Gaussian | None]:
        """The windows of ``radius``, and the law of their descriptors; None where they are too few."""
        if radius not in self._usual:
            windows = Windows(self.prediction, self.known, radius)
            enough = len(windows.places) >= FEWEST_WINDOWS
            self._usual[radius] = windows, Gaussian(self.descriptors(windows.places, windows.counted)) if enough else None
        return self._usual[radius]

    def descriptors(self, places: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """``[n, 2 * CLASSES]``: square roots of the shares of classes, along and across."""
        number = len(places)
        rows = np.broadcast_to(np.arange(number)[:, None], places.shape)[counted]
        shares = []
        for pair in (self.codes[:2], self.codes[2:]):
            counts = sum(np.bincount(rows * CLASSES + plane.ravel()[places[counted]], minlength=number * CLASSES) for plane in pair)
            histogram = np.asarray(counts, dtype=np.float64).reshape(number, CLASSES)
            shares.append(np.sqrt(histogram / np.maximum(histogram.sum(axis=1, keepdims=True), 1.0)))
        return np.concatenate(shares, axis=1)


class Gaussian:
    """Mean and regularised covariance of descriptors ``[n, d]`` in their principal components."""

    def __init__(self, descriptors: NDArray[np.float64]) -> None:
        self.mean = descriptors.mean(axis=0)
        _, lengths, axes = np.linalg.svd(descriptors - self.mean, full_matrices=False)
        self.axes = axes[:DIMENSIONS]
        variance = lengths[:DIMENSIONS] ** 2 / (len(descriptors) - 1)
        self.variance = variance + RIDGE * variance.mean() + 1e-12

    def distance(self, descriptor: NDArray[np.float64]) -> float:
        """Mahalanobis distance of ``[d]``."""
        return float(np.sqrt(((self.axes @ (descriptor - self.mean)) ** 2 / self.variance).sum()))


def prepare(view: SliceView) -> Prepared:
    """Filters and codes the slice."""
    return Prepared(view)


def measure(prepared: Prepared, centre: Centre, radius: float) -> float:
    """Mahalanobis distance of the region's descriptor from those of the slice's windows of its size; unitless, >= 0."""
    windows, law = prepared.usual(radius)
    own = windows.at(centre)
    if own is None or law is None:
        return float("nan")
    return law.distance(prepared.descriptors(*own)[0])
