"""Contract of every family in the table of evidence, for every modality."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dfd.evidence import NEIGHBOURED, OFFERED
from dfd.modalities import MODALITIES, Modality
from dfd.records import Context, Evidence, Family, Prediction, Region, SeriesSlice

ALL = {**OFFERED, **NEIGHBOURED}
EACH = pytest.mark.parametrize("family", ALL)
BOTH = pytest.mark.parametrize("modality", MODALITIES.values(), ids=MODALITIES)
REGION = Region(80.0, 70.0, 12.0)


def prediction(modality: Modality) -> Prediction:
    rng = np.random.default_rng(8)
    shape = (160, 160)
    level = 400.0 if modality.relative else 40.0
    z = rng.normal(0, 1, shape)
    return Prediction(
        np.full(shape, level, np.float32),
        np.full(shape, 9.0, np.float32),
        z.astype(np.float32),
        np.ones(shape, bool),
        noise_scale=9.0,
    )


def measured(family: str, modality: Modality, of: Prediction | None = None) -> Evidence:
    module = ALL[family]
    given = of or prediction(modality)
    beside = {"context": context(given)} if family in NEIGHBOURED else {}
    return module.measure(REGION, module.prepare(given, REGION.radius_px, modality, **beside))


def context(of: Prediction) -> Context:
    rng = np.random.default_rng(9)
    below, above = (
        (of.mean + rng.normal(0, 9.0, of.mean.shape)).astype(np.float32) for _ in range(2)
    )
    others = tuple(
        SeriesSlice(name, pixels) for name, pixels in (("1.dcm", below), ("3.dcm", above))
    )
    return Context(below, above, (2.0, 2.0), others=others)


def test_something_is_offered() -> None:
    assert OFFERED


@EACH
def test_a_family_says_what_it_is(family: str) -> None:
    module = ALL[family]
    assert family == module.FAMILY
    assert family in set(Family)
    assert module.DIRECTION.startswith("higher = ")
    assert len(module.SOURCE) > 20


@EACH
@BOTH
def test_ordinary_noise_gives_a_number_and_a_sentence(family: str, modality: Modality) -> None:
    evidence = measured(family, modality)
    assert evidence.family == family
    assert 0 <= evidence.statistic < 5
    assert all(math.isfinite(value) for value in evidence.measures.values())
    assert evidence.tissue in {tissue.name for tissue in modality.tissues}
    assert evidence.reason
    assert "\n" not in evidence.reason
    assert not evidence.obstacle


@EACH
@BOTH
def test_where_nothing_is_measured_there_is_an_obstacle(family: str, modality: Modality) -> None:
    given = prediction(modality)
    given.assessed[:] = False
    evidence = measured(family, modality, given)
    assert math.isnan(evidence.statistic)
    assert evidence.obstacle


@EACH
@BOTH
def test_the_same_prediction_gives_the_same_evidence(family: str, modality: Modality) -> None:
    assert measured(family, modality) == measured(family, modality)


@EACH
@BOTH
def test_arguments_are_left_alone(family: str, modality: Modality) -> None:
    given, kept = prediction(modality), prediction(modality)
    measured(family, modality, given)
    for name in ("mean", "spread", "z", "assessed"):
        np.testing.assert_array_equal(getattr(given, name), getattr(kept, name))
