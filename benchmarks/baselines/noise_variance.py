"""Does the noise of a region have the variance that noise has elsewhere in the slice?

No network, no tissue, no training.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_erosion, convolve

from benchmarks.baselines.base import Centre, SliceView
from benchmarks.baselines.windows import Windows, mean_over
from dfd.intensity import SECOND_DIFFERENCE

SOURCE = "local noise variance after Immerkaer 1996, CVIU 64:300, eq. 1"
UNIT = 36.0
"""Sum of squares of the mask: white noise of variance 1 leaves it with 36."""
SMALLEST = 1e-6
"""Of a variance, in squared noise scales: a region without any noise would have none."""


class Prepared:
    """Squared high-pass of a slice, and for each radius the median over its windows."""

    def __init__(self, view: SliceView) -> None:
        self.prediction = view.prediction
        scale = self.prediction.noise_scale if np.isfinite(self.prediction.noise_scale) else 1.0
        filled = np.where(np.isfinite(view.pixels), view.pixels, 0.0).astype(np.float64) / scale
        self.energy = convolve(filled, np.array(SECOND_DIFFERENCE), mode="nearest") ** 2 / UNIT
        # A difference that reaches to where nothing was measured is none; values that are only
        # clipped stay in, as they stand in every window.
        self.valid = self.prediction.assessed & binary_erosion(
            np.isfinite(view.pixels), np.ones((3, 3)), border_value=1
        )
        self._usual: dict[float, tuple[Windows, float]] = {}

    def usual(self, radius: float) -> tuple[Windows, float]:
        """The windows of ``radius`` and the median of their variances.

        NaN where there is no window.
        """
        if radius not in self._usual:
            windows = Windows(self.prediction, self.valid, radius)
            variances = mean_over(self.energy, windows.places, windows.counted)
            self._usual[radius] = (
                windows,
                float(np.median(variances)) if len(variances) else float("nan"),
            )
        return self._usual[radius]


def prepare(view: SliceView) -> Prepared:
    """Filters the slice."""
    return Prepared(view)


def measure(prepared: Prepared, centre: Centre, radius: float) -> float:
    """Absolute log of the variance of the high-passed region over that of the slice.

    The slice's is the median over its windows of the region's size. >= 0: too smooth counts too.
    """
    windows, median = prepared.usual(radius)
    own = windows.at(centre)
    if own is None:
        return float("nan")
    variance = float(mean_over(prepared.energy, *own)[0])
    return float(abs(np.log(max(variance, SMALLEST) / max(median, SMALLEST))))
