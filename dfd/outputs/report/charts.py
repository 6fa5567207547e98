"""Drawings of the report as numbers for SVG.

Genuine reference distributions, and scores by series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfd.calibration import CalibrationTable, shares_beyond

WIDTH, HEIGHT, BASE = 300, 56, 40
"""Of a distribution; ``BASE`` is where its bars stand."""
BINS = 50
MARKS = ((0.5, "half"), (0.05, "1 in 20"), (0.01, "1 in 100"))
"""Shares of genuine regions beyond a line."""
STRIP_WIDTH, STRIP_LEFT, STRIP_ROW = 900, 260, 22
LARGEST_SCORE = 6.0
"""Right end of the strip plot; larger scores stand at it."""
_APART = 48.0
"""Labels nearer than this would overlap: the later one is left out, its line stays."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A line with a label."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """Genuine values of one family in one way of measuring, each patient counted alike."""

    identifier: str
    bars: str
    """Path of an area."""
    marks: tuple[Mark, ...]
    start: float
    end: float
    """Of the axis: log(1 + value)."""

    def place(self, value: float) -> tuple[float, bool]:
        """Where a value falls, and whether it lies beyond the end of the axis."""
        at = (math.log1p(max(value, 0.0)) - self.start) / (self.end - self.start) * WIDTH
        return round(min(max(at, 3.0), WIDTH - 3.0), 1), at > WIDTH


@dataclass(frozen=True, slots=True)
class Dot:
    """One row in the strip plot."""

    row: int
    x: float
    y: float
    verdict: str
    title: str
    linked: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """Scores of every series along one line each."""

    dots: tuple[Dot, ...]
    labels: tuple[tuple[float, str], ...]
    ticks: tuple[Mark, ...]
    height: int


def distribution(identifier: str, table: CalibrationTable) -> Distribution:
    """The genuine values of a calibration table."""
    spread = [np.log1p(np.maximum(values, 0.0)) for values in table.patients]
    lowest, highest = (
        float(min(values.min() for values in spread)),
        float(max(values.max() for values in spread)),
    )
    margin = max(0.12 * (highest - lowest), 0.01)
    start, end = max(lowest - margin, 0.0), highest + margin
    edges = np.linspace(start, end, BINS + 1)
    shares = np.average(
        [np.histogram(values, edges)[0] / len(values) for values in spread],
        axis=0,
        weights=table.weights,
    )
    tops = BASE - (BASE - 3.0) * shares / max(float(shares.max()), 1e-9)
    step = WIDTH / BINS
    path = [
        f"M0 {BASE}",
        *(f"V{top:.1f}H{step * (place + 1):.1f}" for place, top in enumerate(tops)),
        f"V{BASE}Z",
    ]
    return Distribution(identifier, "".join(path), _marks(table, start, end), start, end)


def strip(series: Sequence[tuple[str, Sequence[tuple[int, float, str, str, bool]]]]) -> Strip:
    """The strip plot; of each series a label and (row, score, verdict, title.

    Linked) of its rows.
    """
    dots, labels = [], []
    for line, (label, rows) in enumerate(series):
        y = STRIP_ROW * (line + 0.5) + 6.0
        labels.append((y + 4.0, label))
        for row, score, verdict, title, linked in rows:
            # Equal scores are moved apart a little, by their row, so that none hides another.
            dots.append(
                Dot(row, _along(score), round(y + (row % 5 - 2) * 1.8, 1), verdict, title, linked)
            )
    height = STRIP_ROW * len(series) + 34
    ticks = tuple(Mark(_along(score), f"{score:g}") for score in range(int(LARGEST_SCORE) + 1))
    return Strip(tuple(dots), tuple(labels), ticks, height)


def threshold_x(p: float) -> float:
    """Where a p-value stands in the strip plot."""
    return _along(-math.log10(p))


def _along(score: float) -> float:
    width = STRIP_WIDTH - STRIP_LEFT - 16
    return round(STRIP_LEFT + width * min(max(score, 0.0), LARGEST_SCORE) / LARGEST_SCORE, 1)


def _marks(table: CalibrationTable, start: float, end: float) -> tuple[Mark, ...]:
    grid = np.linspace(start, end, 400)
    shares = shares_beyond(np.expm1(grid), table)
    marks: list[Mark] = []
    for share, label in MARKS:
        below = np.flatnonzero(shares <= share)
        x = round(below[0] / (len(grid) - 1) * WIDTH, 1) if below.size else math.inf
        if x < WIDTH:
            labelled = [mark.x for mark in marks if mark.label]
            marks.append(Mark(x, label if not labelled or x - labelled[-1] >= _APART else ""))
    return tuple(marks)
