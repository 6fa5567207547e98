"""Histograms and Q-Q plots of p-values as numbers for SVG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from dfd.calibration import UNUSUAL

FloatArray = NDArray[np.float64]

WIDTH, HEIGHT, LEFT, BASE = 240, 156, 30, 126
"""Of a plot in SVG units; its axes cross at (``LEFT``, ``BASE``)."""
TOP, RIGHT = 8, WIDTH - 8
BINS = 20
MOST_POINTS = 60
"""Of a Q-Q curve; all of the smallest p-values are among them."""
SHORTEST_AXIS = 2.0
LARGEST_SCORE = 6.0
"""Q-Q axes reach at least and at most so far; smaller p-values stand at the border."""
BAND = 0.95
"""Share of curves of uniform p-values inside the grey band, at each place."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of series by p-value; an even distribution has the height ``even``."""

    shipped: str
    """Path of an area."""
    empirical: str
    """Path of a line."""
    even: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class QQ:
    """-log10 of the p-values, sorted, against what evenly distributed ones would be."""

    band: str
    diagonal: str
    shipped: str
    empirical: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def histogram(shipped: FloatArray, empirical: FloatArray) -> Histogram:
    """Of p-values ``[N]``, N > 0."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    shares = [np.histogram(p, edges)[0] / len(p) for p in (shipped, empirical)]
    top = max(float(max(each.max() for each in shares)), 1.5 / BINS)
    heights = [BASE - (BASE - TOP) * each / top for each in shares]
    area, line = (_steps(each, edges) for each in heights)
    ticks = tuple(Tick(_x(p), f"{p:g}") for p in (UNUSUAL, 0.5, 1.0))
    return Histogram(
        f"M{LEFT} {BASE}V{area}V{BASE}Z", f"M{LEFT} {line}", _rounded(BASE, top), ticks
    )


def _rounded(base: float, top: float) -> float:
    return round(base - (BASE - TOP) / (BINS * top), 1)


def _steps(heights: FloatArray, edges: FloatArray) -> str:
    ends = [_x(float(edge)) for edge in edges[1:]]
    first, *others = (f"{height:.1f}H{end}" for height, end in zip(heights, ends, strict=True))
    return "V".join([first, *others])


def _x(p: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * p, 1)


def qq(shipped: FloatArray, empirical: FloatArray) -> QQ:
    """Of p-values ``[N]``, N > 0; the band is that of order statistics of a uniform sample."""
    number = len(shipped)
    places = _places(number)
    expected = -np.log10((places + 0.5) / number)
    curves = [-np.log10(np.maximum(np.sort(p)[places], 1e-300)) for p in (shipped, empirical)]
    bounds = [
        -np.log10(np.maximum(beta.ppf(tail, places + 1, number - places), 1e-300))
        for tail in ((1.0 - BAND) / 2.0, (1.0 + BAND) / 2.0)
    ]
    wide = max(float(expected.max()), SHORTEST_AXIS)
    high = min(max(float(max(curve.max() for curve in curves)), wide), LARGEST_SCORE)
    paths = [_curve(expected, curve, wide, high) for curve in (*bounds, *curves)]
    back = " ".join(reversed(paths[1].split(" ")))
    end = min(wide, high)
    diagonal = _curve(np.array([0.0, end]), np.array([0.0, end]), wide, high)
    x_ticks = tuple(
        Tick(round(LEFT + (RIGHT - LEFT) * score / wide, 1), f"{score}")
        for score in range(int(wide) + 1)
    )
    y_ticks = tuple(
        Tick(round(BASE - (BASE - TOP) * score / high, 1), f"{score}")
        for score in range(int(high) + 1)
    )
    return QQ(f"{paths[0]} {back}", diagonal, paths[2], paths[3], x_ticks, y_ticks)


def _places(number: int) -> NDArray[np.int64]:
    """Ranks that are drawn, the smallest all, further ones evenly on the logarithm."""
    spread = np.geomspace(1, number, MOST_POINTS)
    return np.unique(np.round(spread).astype(np.int64)) - 1


def _curve(x: FloatArray, y: FloatArray, wide: float, high: float) -> str:
    """Points of a polyline."""
    across = LEFT + (RIGHT - LEFT) * x / wide
    down = BASE - (BASE - TOP) * np.clip(y, 0.0, high) / high
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
