"""The screening of lone slices: what counts as found, and as a false place."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attacks.registry import ATTACKS
from benchmarks.detection.trials import GENUINE
from benchmarks.metrics import froc
from benchmarks.studies import froc as study
from benchmarks.studies.froc import Screened
from dfd.evidence import lone_slice_families
from dfd.records import TOGETHER

NOISE = "white noise 0.6 x residual"
CENTRES = np.array([(x, y) for x in range(0, 200, 10) for y in range(0, 200, 10)], dtype=float)


def slice_of(patient: str, kind: str, place: int | None = None, bump: float = 0.0) -> Screened:
    rng = np.random.default_rng([len(patient), sum(map(ord, patient + kind))])
    values = rng.uniform(1.0, 2.0, len(CENTRES))
    edit = None
    if place is not None:
        values[place] += bump
        edit = (float(CENTRES[place, 0]) + 4.0, float(CENTRES[place, 1]) - 3.0)
    statistics = {TOGETHER: values, **dict.fromkeys(lone_slice_families(), values)}
    return Screened(patient, kind, edit, 10.0, CENTRES, statistics)


def slices(bump: float) -> list[Screened]:
    found = []
    for number in range(24):
        found.append(slice_of(f"p{number}", GENUINE))
        found.append(slice_of(f"p{number}", NOISE, 40 + number, bump))
    return found


@pytest.mark.parametrize("ranking", study.RANKINGS)
def test_an_edit_that_stands_out_is_found_at_no_false_place(ranking: str) -> None:
    given = slices(20.0)
    row, mean = study.summary(given, study.RANKINGS[ranking](given))
    assert (row["edit"], row["slices"]) == (NOISE, 24)
    assert row["at 0.125"] == 1.0
    assert all(row[key] == {"value": 1.0, "low": 1.0, "high": 1.0} for key in froc.COUNTED)
    assert mean["mean"]["value"] == 1.0


def test_an_edit_that_changes_nothing_is_found_by_chance_alone() -> None:
    given = slices(0.0)
    row, _ = study.summary(given, study.by_learned(given))
    assert row["at 0.125"] < 0.2
    assert row["slice p <= 0.05"]["value"] < 0.2
    assert row["listed first"]["value"] < 0.2
    assert row["mean"]["low"] < row["mean"]["value"] < row["mean"]["high"]


def test_places_of_one_slice_lie_apart_and_the_edit_has_one() -> None:
    one = slice_of("p", NOISE, 50, 9.0)
    found = one.places(one.statistics[TOGETHER])
    assert found[0][1]
    assert sum(hit for _, hit in found) <= 2
    assert len(found) < len(CENTRES) / 2
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)


def test_what_was_not_measured_is_no_place() -> None:
    one = slice_of("p", GENUINE)
    assert one.places(np.full(len(CENTRES), np.nan)) == []


def test_a_false_place_more_or_less_is_counted() -> None:
    false = np.array([9.0, 8.0, 7.0])
    assert froc.limit_of(false, 0.5) == 9.0
    assert froc.limit_of(false, 2.0) == 7.0
    assert froc.limit_of(false, 3.0) == -np.inf


def test_the_page_has_every_ranking() -> None:
    given = slices(20.0)
    rankings = {name: study.summary(given, rank(given)) for name, rank in study.RANKINGS.items()}
    content = {
        "modality": "ct_lung",
        "weights": ["abc"],
        "genuine slices": 24,
        "patients": 24,
        "size": 1.0,
        "rankings": rankings,
    }
    page = study.markdown(content)
    assert all(f"## By {name}" in page for name in study.RANKINGS)
    assert f"| {NOISE} | 24 | 1.00 |" in page


def test_no_choice_is_made_by_what_is_held_out() -> None:
    assert not any(ATTACKS[name].held_out for name in study.EDITS)
