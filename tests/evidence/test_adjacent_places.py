"""Statistics of places that count the places beside them."""

from __future__ import annotations

import numpy as np
import pytest

from dfd.evidence.adjacent_places import WEIGHT, with_those_beside
from dfd.evidence.family import Measured
from dfd.records import Evidence

STEP = 16
PLACES = np.array([(8 + STEP * x, 8 + STEP * y) for y in range(3) for x in range(4)])
MIDDLE = 5
"""Number of (24, 24), which has a place on each side."""
AROUND = (1, 4, 6, 9)


def measured(values: np.ndarray) -> Measured:
    return Measured(values, lambda n: Evidence("any", float(values[n]), reason=f"place {n}"))


def of(values: np.ndarray, name: str = "noise") -> np.ndarray:
    return with_those_beside({name: measured(values)}, PLACES, STEP)[name].statistics


def test_a_place_grows_with_those_beside_it_on_a_logarithmic_scale() -> None:
    values = np.full(len(PLACES), 2.0)
    values[MIDDLE] = 64.0
    found = of(values)
    logs = np.log(values)
    expected = logs[MIDDLE] + WEIGHT * logs[list(AROUND)].sum()
    assert found[MIDDLE] == pytest.approx(np.exp(expected))
    # (56, 24) lies two steps off, and has three places beside it.
    assert found[7] == pytest.approx(2.0 ** (1 + 3 * WEIGHT))
    assert found[7] < found[6] < found[MIDDLE]


def test_what_is_strange_in_several_places_becomes_stranger_than_what_is_so_in_one() -> None:
    lone, wide = np.ones((2, len(PLACES)))
    lone[MIDDLE] = 8.0
    wide[[MIDDLE, *AROUND]] = 8.0
    assert of(lone)[MIDDLE] == pytest.approx(8.0)
    assert of(wide)[MIDDLE] > 50.0


def test_places_that_were_not_measured_do_not_count_and_stay_so() -> None:
    values = np.full(len(PLACES), 3.0)
    values[list(AROUND)] = np.nan
    found = of(values)
    assert found[MIDDLE] == pytest.approx(3.0)
    assert np.isnan(found[list(AROUND)]).all()


def test_copies_are_left_as_they_are() -> None:
    values = np.linspace(0.5, 2.0, len(PLACES))
    for name in ("copy_move", "series_copy"):
        np.testing.assert_array_equal(of(values, name), values)


def test_records_hold_the_statistic_that_is_compared_and_everything_else_as_it_was() -> None:
    values = np.linspace(0.5, 2.0, len(PLACES))
    found = with_those_beside({"noise": measured(values)}, PLACES, STEP)["noise"]
    assert found[3].reason == "place 3"
    assert [each.statistic for each in found] == found.statistics.tolist()


def test_without_a_place_there_is_nothing() -> None:
    nothing = with_those_beside({"noise": measured(np.zeros(0))}, np.zeros((0, 2), np.int64), STEP)
    assert len(nothing["noise"]) == 0


def test_the_statistics_of_a_place_by_itself_stay_at_hand() -> None:
    values = np.linspace(0.5, 2.0, len(PLACES))
    found = with_those_beside({"noise": measured(values)}, PLACES, STEP)["noise"]
    assert found.by_themselves is not None
    np.testing.assert_array_equal(found.by_themselves, values)
