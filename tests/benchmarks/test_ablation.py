"""The ablation: every variant is judged by the other patients alone.

And a variant without a part really lacks it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.attacks.registry import ADVERSARIAL, COPY_MOVE
from benchmarks.detection import ablation, variants
from benchmarks.detection.ablation import SCORE, VARIANTS
from benchmarks.detection.trials import GENUINE, Version
from benchmarks.models import held_out_calibration
from dfd.evidence import lone_slice_families
from dfd.evidence.reference_windows import measure_regions
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.evidence.window_features import MEASURES
from dfd.modalities import MODALITIES
from dfd.records import Prediction, Region

KINDS = {ADVERSARIAL: "white noise 0.6 x residual", COPY_MOVE: "copy-move, feathered 3 px"}
FORMS = {form: [kind] for form, kind in KINDS.items()}


def row(
    patient: str, kind: str, rng: np.random.Generator, level: float = 1.0, **more: float
) -> dict[str, Any]:
    base = dict(
        zip(
            (*lone_slice_families(), "neighbours"),
            level * rng.gamma(9.0, 0.11, 1 + len(lone_slice_families())),
            strict=True,
        )
    )
    said = {family: value + more.get(family, 0.0) for family, value in base.items()}
    windows = (rng.normal(size=(3, len(MEASURES))) + level + more.get("noise", 0.0)).tolist()
    kept = {
        variants.NO_HEAD: {"noise": said["noise"], "synthesis": said["noise"]},
        variants.WINDOWS: windows,
    }
    free = {family: said[family] for family in lone_slice_families()}
    return {
        "patient": patient,
        "kind": kind,
        "curve": "",
        "statistics": said,
        variants.KEY: {**kept, variants.NO_NETWORK: free},
    }


def rows_of(levels: dict[str, float], times: int = 1) -> list[dict[str, Any]]:
    rng, told = np.random.default_rng(2), []
    for patient, level in levels.items():
        told += [row(patient, GENUINE, rng, level) for _ in range(30 * times)]
        told += [row(patient, KINDS[ADVERSARIAL], rng, level, noise=2.0) for _ in range(10 * times)]
        told += [
            row(patient, KINDS[COPY_MOVE], rng, level, copy_move=2.0) for _ in range(10 * times)
        ]
    return told


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_patient_is_judged_without_rows_of_his_own(variant: ablation.Variant) -> None:
    """What is said of ``a`` must not move when the genuine rows of ``a`` change beyond recognition.

    And must when those of ``b`` do.
    """
    plain, rng = rows_of({"a": 1.0, "b": 1.0, "c": 1.0}), np.random.default_rng(9)

    def strange(who: str) -> list[dict[str, Any]]:
        return [
            row(who, GENUINE, rng, 7.0) if one["patient"] == who and one["kind"] == GENUINE else one
            for one in plain
        ]

    def of_a(rows: list[dict[str, Any]]) -> list[float]:
        return [
            one[SCORE]
            for one in ablation.scored(rows, variant)
            if one["patient"] == "a" and one["kind"] != GENUINE
        ]

    before = of_a(plain)
    assert len(before) == 20
    assert np.isfinite(before).all()
    assert of_a(strange("a")) == before
    assert of_a(strange("b")) != before


def test_a_single_patient_has_nobody_to_be_judged_by() -> None:
    told = ablation.lines(rows_of({"a": 1.0}), FORMS, draws=5)
    assert [one["variant"] for one in told] == [variant.name for variant in VARIANTS]
    assert all(math.isnan(form["auc"]) for one in told for form in one["forms"].values())


def test_a_form_is_lost_with_the_family_that_finds_it() -> None:
    told = {
        one["variant"]: one["forms"]
        for one in ablation.lines(rows_of({"a": 1.0, "b": 1.0, "c": 1.0}, 6), FORMS, draws=20)
    }
    assert told["copy_move alone"][COPY_MOVE]["auc"] > 0.95
    assert told["without copy_move"][COPY_MOVE]["auc"] == pytest.approx(0.5, abs=0.1)
    assert told["without copy_move"][ADVERSARIAL]["auc"] > 0.8
    assert told["noise alone"][COPY_MOVE]["auc"] == pytest.approx(0.5, abs=0.1)
    assert told["without self-reference"][ADVERSARIAL]["auc"] > 0.8
    low, high = told[ablation.WHOLE_DETECTOR][ADVERSARIAL]["auc interval"]
    assert low <= told[ablation.WHOLE_DETECTOR][ADVERSARIAL]["auc"] <= high
    assert ablation.WHOLE_DETECTOR in ablation.markdown(
        [{"variant": name, "forms": forms} for name, forms in told.items()]
    )


def test_rows_without_variants_are_left_out_of_their_lines() -> None:
    old = [
        {key: value for key, value in one.items() if key != variants.KEY}
        for one in rows_of({"a": 1.0, "b": 1.0})
    ]
    told = {
        one["variant"]: one["forms"][ADVERSARIAL] for one in ablation.lines(old, FORMS, draws=5)
    }
    assert math.isfinite(told[ablation.WHOLE_DETECTOR]["auc"])
    for name in (
        "without the head",
        "without self-reference",
        "without the network, on the same edits",
    ):
        assert math.isnan(told[name]["auc"])
        assert told[name]["families"] == 0


def test_a_family_that_nobody_has_plays_no_part() -> None:
    genuine = [[{"noise": 1.0, "copy_move": math.nan}, {"noise": 2.0}], [{"noise": 1.5}]]
    assert held_out_calibration.scores(
        [{"noise": 3.0, "copy_move": 99.0}], genuine
    ) == held_out_calibration.scores([{"noise": 3.0}], genuine)
    assert math.isnan(held_out_calibration.scores([{"copy_move": 99.0}], genuine)[0])


@pytest.fixture
def evidence() -> SliceEvidence:
    """White noise of 20 HU, predicted by a network with a head that shouts in one place."""
    rng = np.random.default_rng(4)
    z = rng.normal(size=(160, 160)).astype(np.float32)
    odds = rng.normal(size=(2, 160, 160)).astype(np.float32)
    odds[:, 60:90, 60:90] += 9.0
    mean, spread = np.full_like(z, 40.0), np.full_like(z, 20.0)
    return SliceEvidence(
        Prediction(mean, spread, z, np.ones(z.shape, dtype=bool), 20.0, odds), MODALITIES["ct_lung"]
    )


def test_without_the_head_is_what_a_network_without_one_gives(evidence: SliceEvidence) -> None:
    region = Region(75.0, 75.0, 12.0)
    reference = evidence.windows(12.0)
    (found,) = variants.headless(measure_regions([region], reference), reference)
    bare = SliceEvidence(replace(evidence.prediction, log_odds=None), evidence.modality).measure(
        region
    )
    whole = evidence.measure(region)
    for with_head, without in zip(whole, bare, strict=True):
        if without.family in found:
            assert found[without.family] == pytest.approx(without.statistic)
            assert with_head.statistic > 2 * without.statistic


def test_every_region_tells_its_windows_and_a_few_edits_the_rest(evidence: SliceEvidence) -> None:
    pixels = (evidence.prediction.mean + 20.0 * evidence.prediction.z).astype(np.float32)
    centres = np.array([[75, 75], [30, 120]])
    for kind, free in ((KINDS[ADVERSARIAL], True), ("FGSM 0.6 x residual", False)):
        told = variants.added([{"kind": kind}] * 2, Version(kind, pixels, centres, evidence), 12.0)
        for one in told:
            assert np.isfinite(one[variants.KEY][variants.WINDOWS]).all()
            assert (
                set(one[variants.KEY].get(variants.NO_NETWORK, {})) == set(lone_slice_families())
            ) is free


def test_the_pixel_itself_does_not_predict_itself(evidence: SliceEvidence) -> None:
    pixels = (40.0 + 20.0 * evidence.prediction.z).astype(np.float32)
    plain = variants.predicted_from_neighbours(pixels, evidence.prediction)
    changed = pixels.copy()
    changed[80, 80] += 500.0
    other = variants.predicted_from_neighbours(changed, evidence.prediction)
    assert other.mean[80, 80] == pytest.approx(plain.mean[80, 80], abs=1e-3)
    assert other.z[80, 80] > plain.z[80, 80] + 3
    assert plain.log_odds is None
    assert np.std(plain.z) == pytest.approx(1.0, abs=0.1)
