"""Decisions by the learned statistic: it alone gives p, names the form, and may not be missing."""

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
from dfd.records import TOGETHER, Evidence, Form, Point, Verdict

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


def evidence(*odds: float, noise: float = 1.0, copy: float = 1.0) -> list[Evidence]:
    """By the odds of added noise, an AI edit and a copy."""
    forms = (Form.ADVERSARIAL_NOISE, Form.AI_EDIT, Form.COPY_MOVE)
    said = {Form.ADVERSARIAL_NOISE: "noise was added", Form.AI_EDIT: "it was drawn"}
    return [
        Evidence("noise", noise, {"energy": 1.0}, "lung", "noise differs", reason_by_form=said),
        Evidence("copy_move", copy, {}, "lung", "it is repeated", source_x=5.0, source_y=6.0),
        Evidence(TOGETHER, sum(map(math.exp, odds)), dict(zip(map(str, forms), odds, strict=True))),
    ]


def test_the_learned_statistic_alone_decides(calibration: Calibration) -> None:
    ordinary = decide(POINT, evidence(-4.0, -4.0, -4.0, noise=9.0), calibration, ALONE)
    assert ordinary.verdict == Verdict.NO_ANOMALY
    assert ordinary.p_by_family["noise"] < 0.05
    unusual = decide(POINT, evidence(3.0, -4.0, -4.0), calibration, ALONE)
    assert unusual.verdict in (Verdict.UNUSUAL, Verdict.STRONGLY_UNUSUAL)
    assert TOGETHER not in unusual.p_by_family


@pytest.mark.parametrize(
    ("odds", "form", "reason"),
    [
        ((5.0, 1.0, -4.0), Form.ADVERSARIAL_NOISE, "noise was added"),
        ((1.0, 5.0, -4.0), Form.AI_EDIT, "it was drawn"),
        ((-4.0, 1.0, 5.0), Form.COPY_MOVE, "it is repeated"),
        ((5.0, 4.9, -4.0), Form.UNDETERMINED, "noise differs"),
    ],
)
def test_the_likeliest_form_is_named_and_the_reason_speaks_for_it(
    calibration: Calibration, odds: tuple[float, ...], form: Form, reason: str
) -> None:
    finding = decide(POINT, evidence(*odds, noise=3.0), calibration, ALONE)
    assert finding.form == form
    assert finding.reason.startswith(reason)


def test_without_the_learned_statistic_nothing_is_said(calibration: Calibration) -> None:
    """A p-value of nothing would look like an answer."""
    for missing in (evidence(5.0, 1.0, 1.0)[:2], evidence(math.nan, 0.0, 0.0)):
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
    with_odds = decide(POINT, evidence(-9.0, -9.0, -9.0, noise=4.0), plain, ALONE)
    without = decide(POINT, evidence(-9.0, -9.0, -9.0, noise=4.0)[:2], plain, ALONE)
    assert with_odds.p_value == without.p_value
    assert with_odds.form == without.form


def test_the_combination_ignores_the_families_then(calibration: Calibration) -> None:
    tables = calibration.of(SLICE).tables
    one = combined_statistic({"noise": 1.0, TOGETHER: 0.2}, tables)
    other = combined_statistic({"noise": 9.0, TOGETHER: 0.2}, tables)
    assert one == other
    assert combined_statistic({TOGETHER: 0.9}, tables) > one


def test_series_add_up_the_learned_statistic_alone(calibration: Calibration) -> None:
    grids = {name: np.ones((2, 3), np.float32) for name in ("noise", TOGETHER)}
    surprises = surprises_of(grids, calibration.of(SLICE).tables)
    assert surprises.shape == (1, 2, 3)
    setting = calibration.of(SLICE)
    families = {name: table for name, table in setting.tables.items() if name != TOGETHER}
    assert surprises_of(grids, families).shape == (2, 2, 3)
    assert isinstance(replace(setting, tables=families), Setting)
