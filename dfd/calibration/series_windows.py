"""Evidence of the slices of a series added up: a scan statistic over place, run of slices and size.

An edit of a lesion reaches through several slices and, seen on the coarse grid of places, over one
place or a few. For every place the surprises of the evidence families are averaged over each run of
slices that ends here and over the places around, and the families are combined as those of one
place are (:func:`dfd.calibration.cohort.combined_statistics`). Some scans are full of surprises,
so that each value is then measured in the spread of its own series: an edit is rare where it
stands, streaks and borders are not. What such a value is worth is calibrated for every size of
window by itself, since the noise of overlapping slices is not independent.

Sources: Kulldorff, A spatial scan statistic (Communications in Statistics 1997), for the maximum
over windows of several sizes; ours is calibrated by conformal p-values instead of simulation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dfd.calibration.tables import SMALLEST_P, CalibrationTable, FloatArray, shares_beyond
from dfd.records import FloatImage

RUNS = (1, 3, 5, 9, 15)
"""Slices in a row."""
REACHES = (0, 1)
"""Places to each side that are averaged along with a place."""

UPPER = 0.95
"""Share of the values of a series below what counts as one spread above its median: an edit fills
fewer than a twentieth of its places."""
FEWEST_VALUES = 100
"""Below so many values a twentieth of them is next to none, and their spread is chance."""
BIN, LONGEST = 0.01, 40.0
"""Width of the bins of a histogram of lengths, and where it ends."""

Surprises: TypeAlias = NDArray[np.float64]
"""``[F, R, C]``: -log10 of the share of genuine regions beyond, by family, row and column of the
grid of places; NaN where nothing was measured."""


class Window(NamedTuple):
    """How much is averaged."""

    slices: int
    reach: int

    @property
    def name(self) -> str:
        """As a calibration stores it."""
        return f"{self.slices} slices, {self.reach} around"


WINDOWS = tuple(Window(slices, reach) for slices in RUNS for reach in REACHES)


def surprises_of(
    statistics: Mapping[str, FloatImage],
    tables: Mapping[str, CalibrationTable],
) -> Surprises:
    """``[F, R, C]`` from statistics ``[R, C]`` of each family that decides, in order of ``tables``.

    A family that was not measured in this slice is NaN everywhere.
    """
    shape = next(iter(statistics.values())).shape
    result = np.full((len(tables), *shape), np.nan)
    for number, (family, table) in enumerate(tables.items()):
        if family not in statistics:
            continue
        valid = np.isfinite(statistics[family])
        shares = shares_beyond(statistics[family][valid].astype(np.float64), table)
        result[number][valid] = -np.log10(np.maximum(shares, SMALLEST_P))
    return result


class SlidingWindows:
    """Averages over the slices that were added last; what lies farther back is forgotten."""

    def __init__(self, windows: Sequence[Window] = WINDOWS) -> None:
        self._windows = sorted(windows)
        self._recent: deque[tuple[Surprises, Surprises]] = deque(
            maxlen=max(each.slices for each in windows)
        )

    def clear(self) -> None:
        """What comes next does not lie beside what came before."""
        self._recent.clear()

    def add(self, surprises: Surprises) -> Iterator[tuple[Window, FloatArray]]:
        """Every window that ends in this slice, and ``[R, C]`` how surprising it is.

        The length of the vector of the families' mean surprises, NaN where nothing was measured in
        half of the slices or more.
        """
        measured = np.isfinite(surprises)
        self._recent.append((np.where(measured, surprises, 0.0), measured.astype(np.float64)))
        total, count = np.zeros_like(surprises), np.zeros_like(surprises)
        taken = 0
        for window in self._windows:
            while taken < min(window.slices, len(self._recent)):
                taken += 1
                values, there = self._recent[-taken]
                total, count = total + values, count + there
            if taken == window.slices:
                yield window, _lengths(total, count, window)


def _lengths(total: Surprises, count: Surprises, window: Window) -> FloatArray:
    """``[R, C]`` from sums and numbers ``[F, R, C]`` over a run."""
    valid = (2 * count > window.slices).any(axis=0)
    sums, numbers = around(total, window.reach), around(count, window.reach)
    means = sums / np.maximum(numbers, 1.0)
    return np.where(valid, np.sqrt((means**2).sum(axis=0)), np.nan)


def around(values: Surprises, reach: int) -> Surprises:
    """Sums over each place and those at most ``reach`` steps from it along rows and columns.

    Diagonal neighbours are farther away and do not count.
    """
    result = values.copy()
    for step in range(1, reach + 1):
        result[..., step:, :] += values[..., :-step, :]
        result[..., :-step, :] += values[..., step:, :]
        result[..., :, step:] += values[..., :, :-step]
        result[..., :, :-step] += values[..., :, step:]
    return result


class Spread:
    """Middle and spread of many values, of which only a histogram is kept."""

    def __init__(self) -> None:
        self._counts = np.zeros(round(LONGEST / BIN), dtype=np.int64)

    def add(self, values: FloatArray) -> None:
        """Count ``values``; what is NaN is left out."""
        finite = values[np.isfinite(values)]
        places = np.minimum(finite / BIN, len(self._counts) - 1).astype(np.int64)
        self._counts += np.bincount(places, minlength=len(self._counts))

    @property
    def size(self) -> int:
        """How many were counted."""
        return int(self._counts.sum())

    @property
    def width(self) -> float:
        """What lies between the median and ``UPPER``."""
        return max(self._quantile(UPPER) - self._quantile(0.5), BIN)

    def standardised(self, values: FloatArray, widest: float = np.inf) -> FloatArray:
        """``values`` in units of the width, but of no more than ``widest``; 0 at the median.

        In units of ``widest`` where too few values were counted to say how wide they spread.
        """
        few = self.size < FEWEST_VALUES and np.isfinite(widest)
        return (values - self._quantile(0.5)) / (widest if few else min(self.width, widest))

    def _quantile(self, share: float) -> float:
        """Straight within a bin."""
        reached = np.cumsum(self._counts)
        wanted = share * reached[-1]
        place = int(np.searchsorted(reached, wanted))
        before = reached[place] - self._counts[place]
        return float(BIN * (place + (wanted - before) / max(self._counts[place], 1)))
