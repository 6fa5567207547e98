"""Sums of planes over disks, for many disks of a slice at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

FloatArray = NDArray[np.float64]
Bounds = tuple[slice, slice]
"""(rows, columns) of a part of a slice."""


def disk_offsets(radius: float) -> NDArray[np.int64]:
    """``[k, 2]`` (row, column) offsets of the pixels of a disk."""
    reach = int(np.floor(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= radius**2
    return np.stack([rows[inside], columns[inside]], axis=1)


@lru_cache(maxsize=64)
def _disk_columns(radius: float) -> tuple[list[int], list[int]]:
    """Of each column of a disk its offset, and how far it reaches up and down."""
    steps, lengths = np.unique(disk_offsets(radius)[:, 1], return_counts=True)
    return steps.tolist(), (lengths // 2).tolist()


def bounds_of(mask: NDArray[np.bool_]) -> Bounds:
    """The smallest part of a slice that holds all of ``mask``; one pixel where that is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@dataclass(frozen=True)
class RunningSums:
    """Planes of a part of a slice summed down each column.

    Sums over any disks cost two values per column of a disk.

    (Summed-area tables, Crow 1984, in one dimension: the columns of a disk have no gaps.)
    """

    running: torch.Tensor
    """``[H + 1, W + 1, F]`` of that part: sums of what lies above; the last column is empty."""
    corner: tuple[int, int]
    """(row, column) of that part in the slice."""

    @cached_property
    def energies(self) -> RunningSums:
        """Of the first two planes alone: measured pixels and the squares of z."""
        return RunningSums(self.running[..., :2].contiguous(), self.corner)

    def over(self, centres: torch.Tensor, radius: float) -> torch.Tensor:
        """Sums over the disks of ``radius`` around ``centres`` ``[n, 2]`` (x, y): ``[n, F]``.

        Outside the slice there is nothing.
        """
        starts, ends = self._ends(centres, radius)
        flat = self.running.flatten(0, 1)
        if flat.dtype == torch.float32:  # one call, which is quick for this type alone
            both = torch.cat([ends, starts]).T.contiguous()
            signs = both.new_ones(both.shape, dtype=flat.dtype)
            signs[:, len(ends) :] = -1.0
            return functional.embedding_bag(both, flat, mode="sum", per_sample_weights=signs)
        sums = flat.new_zeros(len(centres), flat.shape[1])
        for start, end in zip(starts, ends, strict=True):
            sums += flat.index_select(0, end)
            sums -= flat.index_select(0, start)
        return sums

    def _ends(self, centres: torch.Tensor, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Where each column of each disk begins and ends among all values, ``[columns, n]``."""
        height, width = self.running.shape[0] - 1, self.running.shape[1] - 1
        across, reach = (
            torch.tensor(each, device=centres.device)[:, None] for each in _disk_columns(radius)
        )
        rows, columns = centres[:, 1] - self.corner[0], centres[:, 0] - self.corner[1] + across
        columns = torch.where((columns >= 0) & (columns < width), columns, width)
        return tuple(
            edge.clamp(0, height) * (width + 1) + columns
            for edge in (rows - reach, rows + reach + 1)
        )


def running_sums(planes: torch.Tensor, corner: tuple[int, int] = (0, 0)) -> RunningSums:
    """Of ``[F, H, W]`` planes of the part of a slice that begins at ``corner`` (row, column)."""
    number, height, width = planes.shape
    running = planes.new_empty(height + 1, width + 1, number)
    running[0], running[:, -1] = 0.0, 0.0
    running[1:, :-1] = planes.permute(1, 2, 0)
    return RunningSums(summed_down(running), corner)


def summed_down(values: torch.Tensor) -> torch.Tensor:
    """``values`` ``[H, W, F]`` in place, each row with all above it added."""
    # Whole rows are added at once, where cumsum would go down each column for itself.
    for row in range(1, len(values)):
        values[row] += values[row - 1]
    return values
