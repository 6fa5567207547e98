"""Windows of one slice that a region is compared with: disks of its size all over the body."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import SUPPORT, Centre
from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.window_features import grid_centres
from dfd.records import BoolImage, Prediction


class Windows:
    """Pixels of disks of one radius.

    Windows of which less than ``SUPPORT`` is valid are left out.
    """

    def __init__(self, prediction: Prediction, valid: BoolImage, radius: float) -> None:
        self.valid, self.offsets = valid, disk_offsets(radius)
        self.places, self.counted = self._pixels(grid_centres(prediction, radius))
        enough = self.counted.mean(axis=1) >= SUPPORT
        self.places, self.counted = self.places[enough], self.counted[enough]

    def at(self, centre: Centre) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
        """The same for one place, ``[1, k]`` each; None where too little of it is valid."""
        places, counted = self._pixels(np.array([centre], dtype=np.int64))
        return (places, counted) if counted.mean() >= SUPPORT else None

    def _pixels(self, centres: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Flat indices ``[n, k]`` of the pixels of each disk, and which of them are valid.

        Those beyond the border are not.
        """
        height, width = self.valid.shape
        rows = centres[:, 1:] + self.offsets[:, 0]
        columns = centres[:, :1] + self.offsets[:, 1]
        within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        places = np.where(within, rows * width + columns, 0)
        return places, within & self.valid.ravel()[places]


def mean_over(
    values: NDArray[np.float64], places: NDArray[np.int64], counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """``[n]``: mean of ``values`` (``[H, W]``) over the counted pixels of each window."""
    return np.asarray(
        (values.ravel()[places] * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    )
