"""From the answers of slices to that of a series."""

from __future__ import annotations

import math

import pytest

from dfd.repository.regions import ListedRegion, merged
from dfd.repository.series_answer import SliceAnswer, series_answer


def answer(number: int, p: float | None, form: str = "AI edit") -> SliceAnswer:
    return SliceAnswer(number, f"1.{number}", 2.5 * number, p, form, f"reason {number}")


def region(number: int, x: float, expected: float = 0.5, radius: float = 5.0) -> ListedRegion:
    of_slice = (number, f"1.{number}", 2.5 * number)
    return ListedRegion(
        *of_slice, x, 20.0, radius, 4.0, expected, expected / 100, "AI edit", "odd", (x, 1.0, 2.0)
    )


def test_the_smallest_p_value_pays_for_the_slices_that_were_assessed() -> None:
    found = series_answer([answer(1, 0.5), answer(2, None), answer(3, 0.001), answer(4, 0.3)])
    assert found.p_value == pytest.approx(0.003)
    assert found.score == pytest.approx(-math.log10(0.003))
    assert found.statistic == pytest.approx(3.0)
    assert (found.verdict, found.form) == ("strongly unusual", "AI edit")
    assert found.reason == "the strangest of 3 assessed slices is number 3: reason 3"


def test_a_p_value_is_at_most_one_and_an_ordinary_series_has_no_form() -> None:
    found = series_answer([answer(1, 0.6), answer(2, 0.7)])
    assert (found.p_value, found.score) == (1.0, 0.0)
    assert (found.verdict, found.form) == ("no anomaly found", "")


def test_nothing_is_said_where_no_slice_was_assessed() -> None:
    assert series_answer([answer(1, None)]) is None
    assert series_answer([]) is None


def test_regions_of_adjacent_slices_that_overlap_are_one() -> None:
    listed = [region(4, 12.0, 0.2), region(2, 0.0, 0.4), region(3, 6.0, 0.9), region(6, 12.0, 0.1)]
    first, second = merged(listed, thickness_mm=2.0)
    assert (first["first_slice"], first["last_slice"]) == (6, 6)
    assert (second["first_slice"], second["last_slice"], second["x"]) == (2, 4, 12.0)
    assert [first["rank"], second["rank"]] == [1, 2]
    assert (first["depth_mm"], second["depth_mm"]) == (2.0, 7.0)
    assert second["sop_uids"] == ["1.2", "1.3", "1.4"]
    assert (second["x_mm"], second["y_mm"], second["z_mm"]) == (12.0, 1.0, 2.0)


def test_one_slice_may_join_two_regions() -> None:
    listed = [region(1, 0.0), region(1, 16.0), region(2, 8.0)]
    assert len(merged(listed[:2], None)) == 2
    (whole,) = merged(listed, None)
    assert whole["depth_mm"] is None


def test_places_in_slices_that_do_not_follow_each_other_stay_apart() -> None:
    assert len(merged([region(1, 0.0), region(3, 0.0)], None)) == 2
    assert len(merged([region(1, 0.0), region(2, 10.0)], None)) == 2
