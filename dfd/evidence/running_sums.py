"""Sums of planes over disks, for many disks of a slice at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Planes = NDArray[np.float64] | NDArray[np.float32]


def disk_offsets(radius: float) -> NDArray[np.int64]:
    """``[k, 2]`` (row, column) offsets of the pixels of a disk."""
    reach = int(np.floor(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= radius**2
    return np.stack([rows[inside], columns[inside]], axis=1)


@dataclass(frozen=True)
class RunningSums:
    """Planes of a slice summed along each row, cut to the part that holds anything.

    Sums over any disks cost two values per row of a disk.

    (Summed-area tables, Crow 1984, in one dimension: the rows of a disk have no gaps.)
    """

    running: Planes
    """``[H + 1, W + 1, F]`` of that part: sums of what lies left; the last row is empty."""
    corner: tuple[int, int]
    """(row, column) of that part in the slice."""

    @cached_property
    def energies(self) -> RunningSums:
        """Of the first two planes alone: measured pixels and the squares of z."""
        return RunningSums(
            np.array(self.running[..., :2], dtype=np.float64, order="C"), self.corner
        )

    def over(self, centres: NDArray[np.int64], radius: float) -> FloatArray:
        """Sums over the disks of ``radius`` around ``centres`` ``[n, 2]`` (x, y): ``[n, F]``.

        Outside the slice there is nothing.
        """
        height, width = self.running.shape[0] - 1, self.running.shape[1] - 1
        flat = self.running.reshape(-1, self.running.shape[2])
        sums = np.zeros((len(centres), flat.shape[1]))
        offsets = disk_offsets(radius)
        rows, columns = centres[:, 1] - self.corner[0], centres[:, 0] - self.corner[1]
        for step in np.unique(offsets[:, 0]):
            reach = int(offsets[offsets[:, 0] == step, 1].max())
            row = rows + step
            start = np.where((row >= 0) & (row < height), row, height) * (width + 1)
            sums += flat.take(start + np.clip(columns + reach + 1, 0, width), axis=0)
            sums -= flat.take(start + np.clip(columns - reach, 0, width), axis=0)
        return sums


def running_sums(planes: Planes) -> RunningSums:
    """Of ``[F, H, W]`` planes, all of which are 0 where the first is.

    Counts keep exact in float32.
    """
    filled = planes[0] != 0
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    if not len(rows):
        return RunningSums(np.zeros((1, 1, len(planes)), dtype=planes.dtype), (0, 0))
    part = planes[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    running = np.zeros((part.shape[1] + 1, part.shape[2] + 1, len(planes)), dtype=planes.dtype)
    np.cumsum(part.transpose(1, 2, 0), axis=1, out=running[:-1, 1:])
    return RunningSums(running, (int(rows[0]), int(columns[0])))
