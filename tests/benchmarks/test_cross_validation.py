"""Cross-fitting: who is measured by whose network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.data import partition
from benchmarks.models import cross_validation
from dfd.assessment.genuine_sample import GenuineSample, ScreenedPlaces
from dfd.calibration import SCREENING, SLICE, Calibration, Setting, fit_table
from dfd.errors import UsageError
from dfd.evidence import lone_slice_families
from dfd.model_paths import bundle_dir


def test_the_network_of_the_shipped_fold_is_the_shipped_one() -> None:
    assert cross_validation.model_of("ct_lung", "fold1") == bundle_dir("ct_lung_inpainting")
    assert cross_validation.model_of("mri_chest", "fold2").name == "mr_fold2.ckpt"


def test_every_development_patient_stands_in_the_tables_once() -> None:
    names = cross_validation.in_order("ct_lung")
    assert sorted(names) == partition.patients("ct_lung")
    assert names != sorted(names)


def test_each_patient_is_measured_by_the_network_that_does_not_know_him(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[str, tuple[str, ...]]] = []

    def measured(network: Any, cohort: Any) -> GenuineSample:
        calls.append((network, tuple(cohort.patients)))
        rows = [
            dict.fromkeys(lone_slice_families(), 1.0) | {"noise": 1.0 + 0.1 * number}
            for number in range(5)
        ]
        return GenuineSample(
            [rows for _ in cohort.patients],
            [[ScreenedPlaces(rows, rows)] for _ in cohort.patients],
            {"grain": [float(len(calls))]},
        )

    monkeypatch.setattr(cross_validation, "model_of", lambda modality, fold: tmp_path / fold)
    monkeypatch.setattr(
        cross_validation.registry,
        "load",
        lambda name, modality: SimpleNamespace(network=name, model=SimpleNamespace(sha256="ab")),
    )
    monkeypatch.setattr(cross_validation, "link", lambda modality, output: [])
    monkeypatch.setattr(cross_validation, "collect", lambda folder, modality: None)
    monkeypatch.setattr(cross_validation, "measured_on", measured)
    with pytest.raises(UsageError, match="the network of fold0 is not there; train it first"):
        cross_validation.cross_fitted("ct_lung")
    for fold in cross_validation.FOLDS:
        (tmp_path / fold).touch()
    found = cross_validation.cross_fitted("ct_lung")
    assert calls == [
        (str(tmp_path / fold), tuple(partition.patients("ct_lung", (fold,))))
        for fold in cross_validation.FOLDS
    ]
    assert found.patients == len(cross_validation.in_order("ct_lung"))
    assert found.weights_sha256 == "ab"
    assert found.population["grain"] == (1.0, 3.0)
    assert len(found.settings[SCREENING].tables["noise"].patients) == found.patients


def test_who_stands_behind_a_calibration_is_told_by_their_number() -> None:
    def standing_on(number: int) -> list[str]:
        return cross_validation.standing(
            "ct_lung",
            Calibration(
                "x", "", 10.0, {}, {SLICE: Setting({"noise": fit_table([[1.0, 2.0]] * number)})}
            ),
        )

    assert standing_on(len(cross_validation.in_order("ct_lung"))) == cross_validation.in_order(
        "ct_lung"
    )
    own = partition.patients("ct_lung", partition.VALIDATION_FOLDS)
    assert standing_on(len(own)) == own
    with pytest.raises(UsageError, match="stands on 2 patients, and nobody knows which"):
        standing_on(2)
