"""Histograms, Q-Q plots and groups of alarms have the right numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from dfd.repository.report import charts, gather


def points(curve: str) -> np.ndarray:
    return np.array([[float(value) for value in pair.split(",")] for pair in curve.split(" ")])


def test_a_histogram_shows_shares() -> None:
    shipped = np.array([0.01, 0.02, 0.51, 0.99])
    drawn = charts.histogram(shipped, np.full(4, 0.5))
    heights = [float(value) for value in re.findall(r"V([\d.]+)", drawn.shipped)]
    assert len(heights) == charts.BINS + 1
    full = charts.BASE - charts.TOP
    # The empirical bin holds all four, so its share is the full height.
    assert heights[0] == pytest.approx(charts.BASE - full * 0.5, abs=0.06)
    assert heights[1] == charts.BASE
    assert heights[10] == pytest.approx(charts.BASE - full * 0.25, abs=0.06)
    assert drawn.even == pytest.approx(charts.BASE - full / charts.BINS, abs=0.06)


def test_evenly_spread_p_values_lie_on_the_diagonal_and_in_the_band() -> None:
    p = (np.arange(1000) + 0.5) / 1000
    drawn = charts.qq(p, p / 100)
    curve, raised = points(drawn.shipped), points(drawn.empirical)
    wide = np.log10(2000)
    score = (curve[:, 0] - charts.LEFT) / (charts.RIGHT - charts.LEFT) * wide
    high = max(-np.log10(p[0] / 100), wide)
    assert (charts.BASE - curve[:, 1]) / (charts.BASE - charts.TOP) * high == pytest.approx(
        score, abs=0.03
    )
    band = points(drawn.band)
    half = len(band) // 2
    lower, upper = band[:half], band[half:][::-1]
    assert (np.minimum(lower[:, 1], upper[:, 1]) <= curve[:, 1] + 0.1).all()
    assert (np.maximum(lower[:, 1], upper[:, 1]) >= curve[:, 1] - 0.1).all()
    assert (raised[:, 1] < curve[:, 1]).all()


@pytest.mark.parametrize("number", [1, 2, 10, 100_000])
def test_any_number_of_p_values_can_be_drawn(number: int) -> None:
    p = np.zeros(number)
    drawn = charts.qq(p, p)
    assert len(points(drawn.shipped)) <= charts.MOST_POINTS
    assert points(drawn.shipped)[0, 1] == charts.TOP
    assert "nan" not in f"{drawn}{charts.histogram(p, p)}"


def scored(**columns: list[object]) -> pd.DataFrame:
    number = len(next(iter(columns.values())))
    base = {
        "scanner": "s",
        "kernel": "k",
        "thickness_mm": 1.0,
        "study_date": "20190317",
        "folder": "a/b",
        "patient": "p",
        "p_value": 0.5,
        "p_empirical": 0.5,
    }
    return gather.grouped(
        pd.DataFrame({name: [value] * number for name, value in base.items()} | columns)
    )


def test_a_scanner_with_too_many_alarms_is_named() -> None:
    p_values = [0.01] * 10 + [0.5] * 190
    series = scored(scanner=["X"] * 20 + ["Y"] * 180, p_empirical=p_values)
    (group,) = gather.gatherings(series)
    assert (group.kind, group.name, group.series, group.empirical) == ("Scanner", "X", 20, 10)
    assert (group.shipped, group.expected) == (0, "1")
    assert group.p == pytest.approx(binom.sf(9, 20, 0.05))


def test_alarms_that_chance_brings_are_no_gathering() -> None:
    p_values = [0.04, *[0.5] * 19] * 10
    assert gather.gatherings(scored(scanner=["X"] * 100 + ["Y"] * 100, p_empirical=p_values)) == []


@pytest.mark.parametrize(
    ("date", "year", "month"),
    [("2019-03-17", "2019", "2019-03"), ("20190317", "2019", "2019-03"), ("March", "", "")],
)
def test_dates_of_either_writing_give_year_and_month(date: str, year: str, month: str) -> None:
    found = scored(study_date=[date])
    assert (found["year"][0], found["month"][0]) == (year, month)


def test_plots_are_of_the_largest_groups() -> None:
    kernels = [f"K{number:02d}" for number in range(15) for _ in range(10 + number)] + ["few"] * 3
    kinds = {kind: (plots, others) for kind, plots, others in gather.plots(scored(kernel=kernels))}
    plots, others = kinds["Kernel"]
    assert [plot.name for plot in plots] == [f"K{number:02d}" for number in range(14, 2, -1)]
    assert (plots[0].series, others) == (24, 4)
