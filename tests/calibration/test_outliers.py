"""Tampered scans among those that a calibration takes for genuine."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from dfd import calibration
from dfd.assessment.calibrate import calibration_of
from dfd.assessment.genuine_sample import GenuineSample, ScreenedPlaces
from dfd.calibration import SCREENING, outlier_regions
from dfd.evidence import lone_slice_families

FAMILIES = tuple(lone_slice_families())
TAMPERED = {"noise": 300.0, "copy_move": 30.0, "synthesis": 200.0, "texture": 40.0}


def rows_of(seed: int, count: int = 100) -> list[dict[str, float]]:
    """Heavy-tailed as on genuine scans."""
    values = 1.0 + 0.5 * np.random.default_rng(seed).pareto(3.0, (count, len(FAMILIES)))
    return [dict(zip(FAMILIES, map(float, row), strict=True)) for row in values]


def genuine(patients: int, tampered: int | None = None) -> GenuineSample:
    by_patient = [rows_of(number) for number in range(patients)]
    slices = [
        [rows_of(100 + 10 * number + place, 60) for place in range(3)] for number in range(patients)
    ]
    if tampered is not None:
        by_patient[tampered][5:8] = [TAMPERED] * 3
        slices[tampered][1][20:24] = [TAMPERED] * 4
    places = [[ScreenedPlaces(rows, rows) for rows in own] for own in slices]
    return GenuineSample(by_patient, places, {}, [f"p{number}" for number in range(patients)])


@pytest.mark.parametrize("patients", [3, 6, 16])
def test_genuine_patients_keep_all_of_their_regions(patients: int) -> None:
    assert outlier_regions([rows_of(number, 400) for number in range(patients)]) == [
        [] for _ in range(patients)
    ]


def test_tampered_regions_are_told_from_the_rest() -> None:
    assert outlier_regions(genuine(6, tampered=2).by_patient) == [[], [], [5, 6, 7], [], [], []]


def test_of_two_patients_and_of_none_nobody_is_strange() -> None:
    assert outlier_regions(genuine(2, tampered=1).by_patient) == [[], []]
    assert outlier_regions([[], []]) == [[], []]
    assert outlier_regions([]) == []


def test_a_tampered_scan_among_the_genuine_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        robust = calibration_of([genuine(6, tampered=2)], "ct_lung", "ab")
    told = "\n".join(caplog.messages)
    assert (
        "3 of 100 regions of patient p2 stand out far beyond all other patients and were left out"
        in told
    )
    assert "1 of 3 slices looked at all over of patient p2" in told
    assert robust.patients == 6
    clean = calibration_of([genuine(6)], "ct_lung", "ab")
    strange = {"noise": 12.0, "copy_move": 9.0, "synthesis": 12.0, "texture": 12.0}
    for setting in (calibration.SLICE, SCREENING):
        wanted, found = (
            calibration.combined_p(strange, each.of(setting))[0] for each in (clean, robust)
        )
        assert found == pytest.approx(wanted, rel=0.5)


def test_genuine_scans_are_calibrated_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        calibration_of([genuine(4)], "ct_lung", "ab")
    assert not caplog.messages
