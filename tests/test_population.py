"""The few numbers by which scans are told apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dfd.modalities import MODALITIES, Modality
from dfd.population import COVARIATES, covariates_of
from dfd.records import Prediction, ScanFacts

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
FACTS = ScanFacts(spacing_mm=(0.5, 0.8))


@pytest.fixture
def prediction(rng: np.random.Generator) -> Prediction:
    shape = (64, 64)
    z = rng.normal(0, 1, shape).astype(np.float32)
    return Prediction(
        mean=np.full(shape, 400.0, np.float32),
        spread=np.full(shape, 6.0, np.float32),
        z=z,
        assessed=np.ones(shape, bool),
        noise_scale=12.0,
    )


@pytest.mark.parametrize("modality", MODALITIES.values(), ids=MODALITIES)
def test_the_names_are_those_that_calibration_knows(
    prediction: Prediction, modality: Modality
) -> None:
    assert tuple(covariates_of(prediction, FACTS, modality)) == COVARIATES


def test_values_for_ct(prediction: Prediction) -> None:
    values = covariates_of(prediction, FACTS, CT)
    assert values["log noise scale"] == pytest.approx(math.log(12.0))
    assert values["log pixel spacing"] == pytest.approx(0.5 * math.log(0.4))
    assert values["log energy of z"] == pytest.approx(0.0, abs=0.1)
    assert values["grain"] == pytest.approx(math.log(0.5), abs=1e-5)


def test_mr_does_not_depend_on_the_unit(prediction: Prediction) -> None:
    louder = replace(
        prediction,
        mean=prediction.mean * 9,
        spread=prediction.spread * 9,
        noise_scale=prediction.noise_scale * 9,
    )
    here, there = (covariates_of(each, FACTS, MR) for each in (prediction, louder))
    assert here == pytest.approx(there, abs=1e-5)
    assert (
        covariates_of(louder, FACTS, CT)["log noise scale"]
        > covariates_of(prediction, FACTS, CT)["log noise scale"] + 2
    )


def test_an_honest_and_a_wrong_spread_differ_in_energy(prediction: Prediction) -> None:
    wrong = replace(prediction, z=prediction.z * 2)
    assert covariates_of(wrong, FACTS, CT)["log energy of z"] == pytest.approx(math.log(4), abs=0.1)


def test_one_wild_pixel_weighs_little(prediction: Prediction) -> None:
    z = prediction.z.copy()
    z[3, 3] = 1e6
    assert covariates_of(replace(prediction, z=z), FACTS, CT)["log energy of z"] < 0.1


def test_what_a_scan_does_not_tell_is_nan(prediction: Prediction) -> None:
    assert math.isnan(covariates_of(prediction, ScanFacts(), CT)["log pixel spacing"])
    nothing = replace(prediction, assessed=np.zeros((64, 64), bool))
    assert all(math.isnan(value) for value in covariates_of(nothing, FACTS, CT).values())
    unknown = replace(prediction, noise_scale=float("nan"))
    assert all(math.isnan(value) for value in covariates_of(unknown, FACTS, CT).values())
    assert tuple(covariates_of(nothing, FACTS, CT)) == COVARIATES
