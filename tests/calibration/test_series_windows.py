"""Averages over runs of slices and places around, and the spread of a series."""

from __future__ import annotations

import numpy as np
import pytest

from dfd.calibration.series_windows import (
    BIN,
    FEWEST_VALUES,
    SlidingWindows,
    Spread,
    Window,
    around,
    surprises_of,
)
from dfd.calibration.tables import CalibrationTable, fit_table


def expected(slices: list[np.ndarray], window: Window, row: int, column: int) -> float:
    """The definition, place by place."""
    run = slices[-window.slices :]
    _, rows, columns = run[0].shape
    reach = window.reach
    places = [
        (row + down, column + right)
        for down in range(-reach, reach + 1)
        for right in range(-reach, reach + 1)
        if 0 in (down, right) and 0 <= row + down < rows and 0 <= column + right < columns
    ]
    means = []
    for family in range(run[0].shape[0]):
        values = np.array([each[family][place] for each in run for place in places])
        usable = values[np.isfinite(values)]
        means.append(usable.mean() if usable.size else 0.0)
    there = [np.isfinite([each[family, row, column] for each in run]).sum() for family in range(2)]
    return float(np.hypot(*means)) if 2 * max(there) > window.slices else np.nan


@pytest.mark.parametrize("window", [Window(1, 0), Window(1, 1), Window(3, 0), Window(3, 1)])
def test_a_window_is_the_mean_over_its_slices_and_places(window: Window, rng) -> None:
    slices = []
    sliding = SlidingWindows((Window(1, 0), window))
    for _ in range(5):
        surprises = rng.exponential(1.0, (2, 4, 6))
        surprises[rng.random(surprises.shape) < 0.3] = np.nan
        slices.append(surprises)
        got = dict(sliding.add(surprises))
        if len(slices) < window.slices:
            assert window not in got
            continue
        for row, column in np.ndindex(4, 6):
            wanted = expected(slices, window, row, column)
            assert got[window][row, column] == pytest.approx(wanted, nan_ok=True)


def test_a_run_does_not_reach_beyond_a_stack(rng) -> None:
    sliding = SlidingWindows((Window(1, 0), Window(3, 0)))
    for _ in range(3):
        seen = dict(sliding.add(rng.random((1, 2, 2))))
    assert set(seen) == {Window(1, 0), Window(3, 0)}
    sliding.clear()
    assert set(dict(sliding.add(rng.random((1, 2, 2))))) == {Window(1, 0)}


def test_around_counts_neighbours_along_rows_and_columns_once() -> None:
    one = np.zeros((1, 5, 5))
    one[0, 2, 2] = 1.0
    assert around(one, 0).sum() == 1.0
    assert around(one, 1)[0].astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_surprises_are_shares_of_genuine_regions(rng) -> None:
    table = fit_table([np.arange(1.0, 11.0)])
    tables: dict[str, CalibrationTable] = {"noise": table, "texture": table}
    got = surprises_of({"noise": np.array([[1.0, 6.0, np.nan]])}, tables)
    assert got[0, 0, :2] == pytest.approx([0.0, -np.log10(0.5)])
    assert np.isnan(got[0, 0, 2])
    assert np.isnan(got[1]).all()


def test_the_spread_is_that_of_the_values(rng) -> None:
    spread, values = Spread(), rng.exponential(1.0, 50_000)
    for part in np.array_split(np.append(values, np.nan), 7):
        spread.add(part)
    assert spread.size == len(values)
    middle, upper = np.quantile(values, [0.5, 0.95])
    wanted = (np.array([0.0, middle, upper, 5.0]) - middle) / (upper - middle)
    assert spread.standardised(np.array([0.0, middle, upper, 5.0])) == pytest.approx(
        wanted, abs=2 * BIN
    )


def test_values_that_are_all_alike_have_the_spread_of_a_bin() -> None:
    spread = Spread()
    spread.add(np.full(10, 2.0))
    assert np.isfinite(spread.standardised(np.array([2.0, 3.0]))).all()


def test_a_spread_is_no_wider_than_allowed_and_few_values_have_the_widest(rng) -> None:
    values = rng.exponential(1.0, FEWEST_VALUES)
    few, enough = Spread(), Spread()
    few.add(values[1:])
    enough.add(values)
    assert enough.width > 1.0
    step = np.array([0.0, 1.0])
    for spread, widest, width in (
        (enough, 100.0, enough.width),
        (enough, 0.5, 0.5),
        (few, 100.0, 100.0),
        (few, np.inf, few.width),
    ):
        assert np.diff(spread.standardised(step, widest)) == pytest.approx(1.0 / width)
