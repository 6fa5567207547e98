"""Decisions with the learned statistic: it counts beside the families, and may not be missing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dfd.calibration import (
    SLICE,
    Calibration,
    DecisionContext,
    Setting,
    combined_statistic,
    decide,
    fit,
)
from dfd.calibration.decision import NOT_WEIGHED
from dfd.calibration.series_windows import surprises_of
from dfd.records import SUSPICIOUS, TOGETHER, Evidence, Form, Point, Verdict

POINT = Point(2, "a.dcm", 10.0, 10.0)
ALONE = DecisionContext()


def genuine(patients: int = 40, regions: int = 60) -> list[list[dict[str, float]]]:
    rng = np.random.default_rng(0)
    return [
        [
            {
                "noise": float(rng.gamma(6.0, 0.18)),
                "copy_move": float(rng.gamma(6.0, 0.18)),
                TOGETHER: float(np.exp(rng.normal(-3.0, 1.0))),
            }
            for _ in range(regions)
        ]
        for _ in range(patients)
    ]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return Calibration("ct_lung_inpainting", "ab", 10.0, {}, {SLICE: fit(genuine())})


def evidence(
    odds: float, noise: float = 1.0, copy: float = 1.0, energy: float = 9.0
) -> list[Evidence]:
    """By the log-odds of any edit, and the statistics of noise and of copies."""
    said = {Form.ADVERSARIAL_NOISE: "noise was added", Form.AI_EDIT: "it was drawn"}
    measures = {"energy": energy, "added noise": energy, "correlation 0,1": -1.5}
    return [
        Evidence("noise", noise, measures, "lung", "noise differs", reason_by_form=said),
        Evidence("copy_move", copy, {}, "lung", "it is repeated", source_x=5.0, source_y=6.0),
        Evidence(TOGETHER, math.exp(odds)),
    ]


def test_the_learned_statistic_counts_beside_the_families(calibration: Calibration) -> None:
    assert decide(POINT, evidence(-3.0), calibration, ALONE).verdict == Verdict.NO_ANOMALY
    assert decide(POINT, evidence(-3.0, noise=9.0), calibration, ALONE).verdict in SUSPICIOUS
    unusual = decide(POINT, evidence(4.0), calibration, ALONE)
    assert unusual.verdict in SUSPICIOUS
    assert TOGETHER not in unusual.p_by_family


def test_a_copy_is_unusual_whatever_the_learned_statistic_says(calibration: Calibration) -> None:
    finding = decide(POINT, evidence(-3.0, copy=9.0), calibration, ALONE)
    assert finding.verdict in SUSPICIOUS
    assert finding.form == Form.COPY_MOVE
    assert finding.reason.startswith("it is repeated")


def test_an_edit_that_is_no_copy_is_not_pulled_down_by_the_search_for_one(
    calibration: Calibration,
) -> None:
    searched = decide(POINT, evidence(2.0, copy=0.1), calibration, ALONE)
    beside = decide(POINT, evidence(2.0, copy=1.0), calibration, ALONE)
    assert searched.verdict in SUSPICIOUS
    assert searched.p_value <= beside.p_value * 1.5


@pytest.mark.parametrize(
    ("energy", "form", "reason"),
    [(9.0, Form.ADVERSARIAL_NOISE, "noise was added"), (-3.0, Form.AI_EDIT, "it was drawn")],
)
def test_the_form_is_named_by_the_evidence_of_the_families(
    calibration: Calibration, energy: float, form: Form, reason: str
) -> None:
    finding = decide(POINT, evidence(5.0, noise=3.0, energy=energy), calibration, ALONE)
    assert finding.form == form
    assert finding.reason.startswith(reason)


def test_without_the_learned_statistic_nothing_is_said(calibration: Calibration) -> None:
    """A p-value of nothing would look like an answer."""
    for missing in (evidence(5.0)[:2], evidence(math.nan)):
        finding = decide(POINT, missing, calibration, ALONE)
        assert finding.verdict == Verdict.NOT_ASSESSABLE
        assert finding.reason == NOT_WEIGHED
        assert math.isnan(finding.p_value)


def test_a_calibration_without_one_combines_the_families() -> None:
    rows = [
        [{name: value for name, value in row.items() if name != TOGETHER} for row in patient]
        for patient in genuine()
    ]
    plain = Calibration("ct_lung_inpainting", "ab", 10.0, {}, {SLICE: fit(rows)})
    with_odds = decide(POINT, evidence(-9.0, noise=4.0), plain, ALONE)
    without = decide(POINT, evidence(-9.0, noise=4.0)[:2], plain, ALONE)
    assert with_odds.p_value == without.p_value
    assert with_odds.form == without.form


def test_the_combination_grows_with_each_of_them(calibration: Calibration) -> None:
    tables = calibration.of(SLICE).tables
    ordinary = {"noise": 1.0, "copy_move": 1.0, TOGETHER: 0.05}
    one = combined_statistic(ordinary, tables)
    for name, value in (("noise", 9.0), ("copy_move", 9.0), (TOGETHER, 9.0)):
        assert combined_statistic(ordinary | {name: value}, tables) > 10.0 * one


def test_series_add_up_the_learned_statistic_too(calibration: Calibration) -> None:
    grids = {name: np.ones((2, 3), np.float32) for name in ("noise", "copy_move", TOGETHER)}
    surprises = surprises_of(grids, calibration.of(SLICE).tables)
    assert surprises.shape == (3, 2, 3)
    assert np.isfinite(surprises).all()
    setting = calibration.of(SLICE)
    families = {name: table for name, table in setting.tables.items() if name != TOGETHER}
    assert surprises_of(grids, families).shape == (2, 2, 3)
    assert isinstance(replace(setting, tables=families), Setting)
