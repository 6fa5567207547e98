"""From rows to the table: rates, interval, and what is said of a patient by the others alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.detection.trials import GENUINE
from benchmarks.studies import first_evidence_numbers as numbers
from dfd.calibration import SERIES, SLICE, Calibration, Setting, fit_table

PATIENTS = ["a", "b", "c"]


@pytest.fixture
def loaded():
    table = fit_table([np.linspace(0, 1, 50), np.linspace(0, 1, 50), np.linspace(10, 11, 50)])
    return SimpleNamespace(
        calibration=Calibration("x", "", 10.0, {}, {SLICE: Setting({"noise": table})})
    )


def row(patient, kind, statistic, tissue="lung"):
    return {
        "patient": patient,
        "slice": patient,
        "kind": kind,
        "statistic": statistic,
        "statistics": {"noise": statistic},
        "tissue": tissue,
        "mean": 1.0,
        "deviation": statistic,
        "edges": 0.0,
    }


def test_a_patient_is_judged_without_his_own_regions(loaded):
    others = numbers.calibrations_of(loaded.calibration, PATIENTS)
    rows = [row("c", GENUINE, 10.5)]
    assert numbers.rates(rows, loaded.calibration, others) == {
        "shipped p <= 0.05": 0.0,
        "shipped p <= 0.01": 0.0,
        "patient left out p <= 0.05": 1.0,
        "patient left out p <= 0.01": 1.0,
    }


def test_a_calibration_on_other_patients_leaves_nobody_out(loaded):
    others = numbers.calibrations_of(loaded.calibration, ["a", "b"])
    assert others is None
    told = numbers.rates([row("a", GENUINE, 0.5)], loaded.calibration, others)
    assert np.isnan(told["patient left out p <= 0.05"])


def test_summary_of_one_kind(rng):
    rows = [
        row(patient, GENUINE, value) for patient in PATIENTS for value in rng.normal(1, 0.3, 40)
    ]
    rows += [
        row(patient, "edit", value) for patient in PATIENTS for value in rng.normal(3, 0.3, 20)
    ]
    rows.append(row("a", "edit", float("nan")))
    told = numbers.summarise(rows, "edit", PATIENTS)
    assert told["auc"] > 0.99
    assert told["low"] <= told["auc"] <= told["high"]
    assert told["regions"] == 60
    assert told["not assessable"] == 1
    assert told["found at 0.05"] == 1.0
    assert told["auc of mean"] == 0.5


def test_neighbours_have_an_interval_of_their_own(rng):
    rows = [
        row(patient, GENUINE, value) | {"beside": value}
        for patient in PATIENTS
        for value in rng.normal(1, 0.3, 40)
    ]
    rows += [
        row(patient, "edit", value) | {"beside": value + 3.0}
        for patient in PATIENTS
        for value in rng.normal(1, 0.3, 20)
    ]
    told = numbers.summarise(rows, "edit", PATIENTS)
    assert (
        told["high"]
        < 0.8
        < told["low with neighbours"]
        <= told["auc with neighbours"]
        <= told["high with neighbours"]
    )


def test_neighbours_count_only_where_they_are_at_hand_and_calibrated(loaded):
    alone, beside = {"noise": 1.0}, {"noise": 1.0, "neighbours": 30.0}
    assert np.isnan(numbers.beside_of(beside, loaded.calibration))
    setting = Setting(
        {
            **loaded.calibration.of(SLICE).tables,
            "neighbours": fit_table([np.linspace(1, 2, 50)] * 3),
        }
    )
    calibration = replace(
        loaded.calibration, settings={**loaded.calibration.settings, SERIES: setting}
    )
    assert np.isnan(numbers.beside_of(alone, calibration))
    assert numbers.beside_of(beside, calibration) > 10.0
    rows = [
        row("a", kind, 1.0) | {"beside": numbers.beside_of(of, calibration)}
        for kind, of in ((GENUINE, beside), ("edit", alone))
    ]
    assert np.isnan(numbers.summarise(rows, "edit", PATIENTS)["auc with neighbours"])


def test_tissues_with_few_regions_are_not_told(rng):
    rows = [
        row("a", kind, value, tissue)
        for kind in (GENUINE, "edit")
        for tissue, count in (("lung", 12), ("fat", 9))
        for value in rng.normal(size=count)
    ]
    assert set(numbers.by_tissue(rows, "edit")) == {"lung"}
