"""The part of a crop that an edit needs: small edits cost little then."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from dfd.records import FloatImage

Window: TypeAlias = tuple[slice, slice]
"""Rows and columns of a crop."""
CELL_PX = 8
"""Windows around an edit begin and end at multiples of this: networks halve their sides."""


def around(share: FloatImage, margin: int) -> Window:
    """Where ``share`` ``[H, W]`` is above 0, and at least ``margin`` pixels more on each side.

    In whole cells of ``CELL_PX``. The whole image where it is 0 everywhere.
    """
    found = [np.flatnonzero((share > 0).any(axis=axis)) for axis in (1, 0)]
    if not found[0].size:
        return slice(0, share.shape[0]), slice(0, share.shape[1])
    rows, columns = (
        slice(
            max(0, (int(places[0]) - margin) // CELL_PX * CELL_PX),
            min(side, -(-(int(places[-1]) + 1 + margin) // CELL_PX) * CELL_PX),
        )
        for places, side in zip(found, share.shape, strict=True)
    )
    return rows, columns


def near(middle: tuple[float, float], reach: float, shape: tuple[int, ...]) -> Window:
    """What lies at most ``reach`` pixels from ``middle`` (row, column) along both axes.

    ``middle`` lies in the image of ``shape``.
    """
    rows, columns = (
        slice(max(0, int(place - reach)), min(side, int(place + reach) + 2))
        for place, side in zip(middle, shape, strict=True)
    )
    return rows, columns


def places_in(window: Window) -> tuple[FloatImage, FloatImage]:
    """Rows ``[h, 1]`` and columns ``[1, w]`` of a window, as float32."""
    rows, columns = (np.arange(each.start, each.stop, dtype=np.float32) for each in window)
    return rows[:, None], columns[None]
