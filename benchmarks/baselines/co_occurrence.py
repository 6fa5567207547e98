"""The scheme of Splicebuster.

How quantised high-pass residuals of neighbours occur together, against the rest of the same slice.

Cozzolino, Poggi, Verdoliva 2015, Splicebuster, WIFS, sections II and III. Ours differs: one
Gaussian instead of a mixture (the first of their two models), windows are disks, and the quantum
follows the residual of the slice where theirs is 2 grey levels of an 8-bit picture.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from benchmarks.baselines.base import Centre, SliceView
from benchmarks.baselines.windows import Windows
from dfd.evidence.co_occurrence import CLASSES, REACH_PX, codes

SOURCE = "after Cozzolino, Poggi, Verdoliva 2015, Splicebuster, WIFS"
DIMENSIONS = 25
"""Principal components that are kept (section III)."""
RIDGE = 1e-3
"""Share of the mean variance that is added to each component."""
FEWEST_WINDOWS = 50
"""With fewer there is no covariance."""


class Prepared:
    """Codes of a slice, and for each radius the law of the descriptors of its windows."""

    def __init__(self, view: SliceView) -> None:
        self.prediction = view.prediction
        # A code that reaches to where nothing was measured is none; values that are only clipped
        # stay in, as they stand in every window.
        self.valid = self.prediction.assessed & binary_erosion(
            np.isfinite(view.pixels), iterations=REACH_PX, border_value=1
        )
        pixels = np.where(np.isfinite(view.pixels), view.pixels, 0.0).astype(np.float64)
        self.codes = codes(torch.from_numpy(pixels), torch.from_numpy(self.valid)).numpy()
        self._usual: dict[float, tuple[Windows, Gaussian | None]] = {}

    def usual(self, radius: float) -> tuple[Windows, Gaussian | None]:
        """The windows of ``radius``, and the law of their descriptors.

        None where they are too few.
        """
        if radius not in self._usual:
            windows = Windows(self.prediction, self.valid, radius)
            enough = len(windows.places) >= FEWEST_WINDOWS
            self._usual[radius] = (
                windows,
                Gaussian(self.descriptors(windows.places, windows.counted)) if enough else None,
            )
        return self._usual[radius]

    def descriptors(
        self, places: NDArray[np.int64], counted: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """``[n, 2 * CLASSES]``: square roots of the shares of classes, along and across."""
        number = len(places)
        rows = np.broadcast_to(np.arange(number)[:, None], places.shape)[counted]
        shares = []
        for pair in (self.codes[:2], self.codes[2:]):
            counts = sum(
                np.bincount(
                    rows * CLASSES + plane.ravel()[places[counted]], minlength=number * CLASSES
                )
                for plane in pair
            )
            histogram = np.asarray(counts, dtype=np.float64).reshape(number, CLASSES)
            shares.append(
                np.sqrt(histogram / np.maximum(histogram.sum(axis=1, keepdims=True), 1.0))
            )
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
    """Mahalanobis distance of a region's descriptor from those of the slice's windows of its size.

    Unitless, >= 0.
    """
    windows, law = prepared.usual(radius)
    own = windows.at(centre)
    if own is None or law is None:
        return float("nan")
    return law.distance(prepared.descriptors(*own)[0])
