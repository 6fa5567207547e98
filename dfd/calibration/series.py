"""A series without a point: the strangest window of it, compared with those of genuine series.

What one window is worth stands in a table of its own for each size (``series_windows``). The
expected number of false alarms of a window is its share of genuine windows times the places that
were looked at in the whole series (Desolneux, Moisan and Morel, Meaningful alignments, IJCV 2000),
so that a long series pays for its length. The p-value of a series compares the fewest expected
false alarms of any window with those of whole genuine series, the patient being the unit.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from dfd.calibration.cohort import Setting, enough
from dfd.calibration.screening import STEEPEST, count_in_words
from dfd.calibration.series_windows import (
    WINDOWS,
    SlidingWindows,
    Spread,
    Window,
    surprises_of,
)
from dfd.calibration.tables import (
    CalibrationTable,
    FloatArray,
    fit_table,
    p_value,
    shares_beyond,
)
from dfd.records import FloatImage

PEAKS = 40
"""Places kept of each size of window, the strangest."""
PEAKS_OF_SLICE = 8
"""Of these, at most so many new ones of each slice."""
HIGHEST = 150.0
"""Standardised values are cut here: ten to the power of more is no number any more."""

Grids: TypeAlias = Mapping[str, FloatImage]
"""Statistics ``[R, C]`` of each family on the grid of places of one slice."""
Stacks: TypeAlias = Sequence[Sequence[Grids]]
"""Slices of a series that follow each other, stack by stack."""


@dataclass(frozen=True, slots=True)
class WindowPeak:
    """A place at which a window is surprising."""

    window: Window
    last: int
    """Of its slices, counted from 0 in the order in which they came."""
    row: int
    column: int
    """On the grid of places."""
    strongest: int
    """Which of its slices is the most surprising there."""
    length: float
    share: float = math.nan
    """Of genuine windows of this size that are at least as surprising."""

    @property
    def first(self) -> int:
        """Of its slices."""
        return self.last - self.window.slices + 1

    def overlaps(self, other: WindowPeak) -> bool:
        """Whether both share slices, or follow each other, at places that touch."""
        reach = 1 + self.window.reach + other.window.reach
        return (
            self.first <= other.last + 1
            and other.first <= self.last + 1
            and abs(self.row - other.row) <= reach
            and abs(self.column - other.column) <= reach
        )


class SeriesWindows:
    """Looks at the slices of one series, one after another.

    Memory does not grow with their number.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._tables = {
            window: setting.windows[window.name]
            for window in WINDOWS
            if window.name in setting.windows
        }
        self._sliding = SlidingWindows(tuple(self._tables) or WINDOWS[:1])
        self._spreads = {window: Spread() for window in self._tables}
        self._peaks: dict[Window, list[WindowPeak]] = {window: [] for window in self._tables}
        self._alone: dict[int, FloatArray] = {}
        self._count = 0
        self.places = 0
        """How many were looked at so far."""

    def begin_stack(self) -> None:
        """The next slice does not lie beside the one before."""
        self._sliding.clear()
        self._alone.clear()

    def add(self, statistics: Grids) -> None:
        """Look at the next slice."""
        surprises = surprises_of(statistics, self._setting.tables)
        self.places += int(np.isfinite(surprises).any(axis=0).sum())
        number, self._count = self._count, self._count + 1
        self._alone[number] = np.sqrt((np.nan_to_num(surprises) ** 2).sum(axis=0))
        self._alone.pop(number - max(each.slices for each in WINDOWS), None)
        for window, lengths in self._sliding.add(surprises):
            self._spreads[window].add(lengths)
            for place in _highest(lengths):
                self._keep(window, number, place, float(lengths[place]))

    def _keep(self, window: Window, number: int, place: tuple[int, int], length: float) -> None:
        peaks = self._peaks[window]
        if len(peaks) == PEAKS and length <= peaks[-1].length:
            return
        run = range(number - window.slices + 1, number + 1)
        strongest = max(run, key=lambda each: float(self._alone[each][place]))
        new = WindowPeak(window, number, *place, strongest, length)
        beside = [each for each in peaks if each.overlaps(new)]
        if any(each.length >= length for each in beside):
            return
        peaks[:] = sorted(
            [*(each for each in peaks if each not in beside), new],
            key=lambda each: -each.length,
        )[:PEAKS]

    def peaks(self) -> list[WindowPeak]:
        """Places that are surprising, clear of each other, the strangest first."""
        shared = [
            replace(each, share=self._share(each))
            for peaks in self._peaks.values()
            for each in peaks
        ]
        kept: list[WindowPeak] = []
        for peak in sorted(shared, key=lambda each: (each.share, each.window, each.last)):
            if not any(each.overlaps(peak) for each in kept):
                kept.append(peak)
        return kept

    def _share(self, peak: WindowPeak) -> float:
        widest = self._setting.widths.get(peak.window.name, math.inf)
        value = self._spreads[peak.window].standardised(np.array([peak.length]), widest)
        return float(shares_beyond(_as_statistic(value), self._tables[peak.window])[0])

    def rarity(self) -> float:
        """One over the fewest expected false alarms: the statistic of the series.

        NaN where no place was measured.
        """
        smallest = min((each.share for each in self.peaks()), default=math.nan)
        return 1.0 / max(smallest * self.places, 1e-300)

    def p_value(self) -> tuple[float, bool]:
        """Of the series; and whether it lies beyond what the patients support.

        Raises:
            ValueError: the setting has no table of whole series.
        """
        if self._setting.maximum is None:
            raise ValueError("the setting has no table of whole series")
        return p_value(self.rarity(), self._setting.maximum)


def chance_in_words(expected: float) -> str:
    """How many regions as strange as one a genuine series shows, as part of a sentence."""
    return (
        f"{count_in_words(expected)} such regions are expected by chance in a genuine series of "
        "this length"
    )


def _highest(lengths: FloatArray) -> list[tuple[int, int]]:
    """The places of the highest values, the highest first."""
    ranked = np.argsort(-np.nan_to_num(lengths, nan=-1.0), axis=None, kind="stable")
    rows, columns = np.unravel_index(ranked[:PEAKS_OF_SLICE], lengths.shape)
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if np.isfinite(lengths[row, column])
    ]


def _as_statistic(values: FloatArray) -> FloatArray:
    """Positive numbers, as tables hold them."""
    return np.asarray(10.0 ** np.minimum(values, HIGHEST))


def fit_series(
    by_patient: Sequence[Sequence[Stacks]],
    tables: Mapping[str, CalibrationTable],
    weights: Sequence[float] | None = None,
) -> Setting | None:
    """The setting of a series, from the genuine series of each patient.

    Single slices are compared with each other where too few patients have slices that follow each
    other; else they say nothing of a series, and only the patients with more count.

    None where no place could be measured.

    Args:
        by_patient: series of each patient.
        tables: of the families, in a slice that is screened.
        weights: how much each patient counts; None: all alike.
    """
    several = [[stacks for stacks in series if _is_run(stacks)] for series in by_patient]
    chosen = several if enough(sum(map(bool, several)), len(by_patient)) else by_patient
    widths: dict[str, float] = {}
    values = [_values(series, tables, widths) for series in chosen]
    measured = sum(map(bool, values))
    names = [
        window.name
        for window in WINDOWS
        if enough(sum(window.name in each for each in values), measured)
    ]
    if not names:
        return None
    windows = {name: fit_table([each.get(name, []) for each in values], weights) for name in names}
    setting = Setting(tables, windows=windows, widths={name: widths[name] for name in names})
    maximum = fit_table(
        [[_rarity(stacks, setting) for stacks in series] for series in chosen], weights
    )
    steepest = replace(maximum, tail_index=min(maximum.tail_index, STEEPEST))
    return replace(setting, maximum=steepest)


def _is_run(stacks: Stacks) -> bool:
    """Whether slices of a series follow each other."""
    return max(map(len, stacks), default=0) > 1


def _values(
    series: Sequence[Stacks], tables: Mapping[str, CalibrationTable], widths: dict[str, float]
) -> dict[str, list[float]]:
    """What the windows of the series of one patient are worth, by the name of their size.

    ``widths`` grow to those of these series.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for stacks in series:
        lengths: dict[Window, list[FloatArray]] = defaultdict(list)
        for stack in stacks:
            sliding = SlidingWindows()
            for statistics in stack:
                for window, values in sliding.add(surprises_of(statistics, tables)):
                    lengths[window].append(values[np.isfinite(values)])
        for window, each in lengths.items():
            spread, whole = Spread(), np.concatenate(each)
            if len(whole):
                spread.add(whole)
                widths[window.name] = max(widths.get(window.name, 0.0), spread.width)
                found[window.name] += _as_statistic(spread.standardised(whole)).tolist()
    return found


def _rarity(stacks: Stacks, setting: Setting) -> float:
    """Of a genuine series; NaN where no place of it could be measured."""
    windows = SeriesWindows(setting)
    for stack in stacks:
        windows.begin_stack()
        for statistics in stack:
            windows.add(statistics)
    return windows.rarity()
