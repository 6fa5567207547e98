"""Contract of every family in the table of evidence, for every modality."""

from __future__ import annotations

import csv
import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfd import evidence
from dfd.assessment.calibrate import calibration_of
from dfd.assessment.genuine_sample import GenuineSample
from dfd.calibration import SLICE, DecisionContext, decide
from dfd.evidence.family import EvidenceFamily, Measured, Need, RegionBatch, SliceInput
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES, Modality
from dfd.outputs import scores
from dfd.records import Context, Evidence, Family, Point, Prediction, Region, SeriesSlice
from tests.evidence.one_family import batch_of, measure_region, measure_regions, slice_input

EACH = pytest.mark.parametrize("family", evidence.families(), ids=evidence.family_names())
BOTH = pytest.mark.parametrize("modality", MODALITIES.values(), ids=MODALITIES)
REGION = Region(80.0, 70.0, 12.0)
OTHERS = (Region(60.0, 90.0, 12.0), Region(4.0, 4.0, 12.0), Region(110.0, 50.0, 12.0))

AnyFamily = EvidenceFamily[Any]


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


def context(of: Prediction) -> Context:
    rng = np.random.default_rng(9)
    below, above = (
        (of.mean + rng.normal(0, 9.0, of.mean.shape)).astype(np.float32) for _ in range(2)
    )
    others = tuple(
        SeriesSlice(name, pixels) for name, pixels in (("1.dcm", below), ("3.dcm", above))
    )
    return Context(below, above, (2.0, 2.0), others=others)


def measured(family: AnyFamily, modality: Modality, of: Prediction | None = None) -> Evidence:
    given = of or prediction(modality)
    return measure_region(family, REGION, given, modality, context(given))


def test_names_and_columns_are_those_of_published_calibrations() -> None:
    assert set(evidence.family_names()) == set(Family)
    assert tuple(each.name for each in evidence.families()) == evidence.family_names()
    assert evidence.family_names() == (
        "noise",
        "copy_move",
        "synthesis",
        "texture",
        "neighbours",
        "series_copy",
    )
    assert evidence.lone_slice_families() == evidence.family_names()[:4]
    assert evidence.context_families() == evidence.family_names()[4:]
    assert evidence.family_names(needing=Need.SERIES) == ("series_copy",)


@EACH
def test_a_family_says_what_it_is(family: AnyFamily) -> None:
    assert family.name.isidentifier()
    assert family.title
    assert family.question.endswith("?")
    assert family.direction.startswith("higher = ")
    assert len(family.source) > 20
    assert family.needs <= set(Need)
    assert Need.SERIES not in family.needs or Need.CONTEXT in family.needs
    assert inspect.getdoc(type(family))


@EACH
def test_a_family_declares_what_it_uses(family: AnyFamily) -> None:
    """``one_family`` gives no more than is declared."""
    given = prediction(MODALITIES["ct_lung"])
    own = slice_input(family, given, 12.0, MODALITIES["ct_lung"], context(given))
    assert (own.make_windows is not None) == (Need.WINDOWS in family.needs)
    assert (own.slice_context is not None) == (Need.CONTEXT in family.needs)
    assert list(family.measure(batch_of(family, [REGION], own), family.prepare(own)))


def test_what_is_not_declared_is_refused() -> None:
    given = SliceInput(prediction(MODALITIES["ct_lung"]), 12.0, MODALITIES["ct_lung"])
    with pytest.raises(ValueError, match=r"add Need\.WINDOWS to the family's `needs`"):
        _ = given.windows
    with pytest.raises(ValueError, match=r"add Need\.CONTEXT to the family's `needs`"):
        _ = given.context
    with pytest.raises(ValueError, match=r"add Need\.WINDOWS"):
        _ = RegionBatch([REGION]).windows


@EACH
@BOTH
def test_ordinary_noise_gives_a_number_and_a_sentence(
    family: AnyFamily, modality: Modality
) -> None:
    one = measured(family, modality)
    assert one.family == family.name
    assert 0 <= one.statistic < 5
    assert all(math.isfinite(value) for value in one.measures.values())
    assert one.tissue in {tissue.name for tissue in modality.tissues}
    assert one.reason
    assert "\n" not in one.reason
    assert not one.obstacle


@EACH
@BOTH
def test_where_nothing_is_measured_there_is_an_obstacle(
    family: AnyFamily, modality: Modality
) -> None:
    given = prediction(modality)
    given.assessed[:] = False
    one = measured(family, modality, given)
    assert math.isnan(one.statistic)
    assert one.obstacle


@EACH
@BOTH
def test_the_same_prediction_gives_the_same_evidence(family: AnyFamily, modality: Modality) -> None:
    assert measured(family, modality) == measured(family, modality)


@EACH
def test_regions_are_measured_together_as_one_by_one(family: AnyFamily) -> None:
    modality = MODALITIES["ct_lung"]
    given, regions = prediction(modality), [REGION, *OTHERS]
    together = measure_regions(family, regions, given, modality, context(given))
    alone = [measure_region(family, one, given, modality, context(given)) for one in regions]
    # Sums of a batch may be made in another order.
    np.testing.assert_allclose(
        [each.statistic for each in together], [each.statistic for each in alone], rtol=1e-6
    )
    assert [each.reason for each in together] == [each.reason for each in alone]


@EACH
@BOTH
def test_arguments_are_left_alone(family: AnyFamily, modality: Modality) -> None:
    given, kept = prediction(modality), prediction(modality)
    measured(family, modality, given)
    for name in ("mean", "spread", "z", "assessed"):
        np.testing.assert_array_equal(getattr(given, name), getattr(kept, name))


class Brightness:
    """A family as small as one can be: how bright the middle of a region is."""

    name = "brightness"
    title = "Brightness"
    question = "Is the region bright?"
    direction = "higher = brighter"
    source = "made for this test"
    needs: frozenset[Need] = frozenset()

    def prepare(self, slice_input: SliceInput) -> float:
        return float(np.abs(slice_input.prediction.mean).max())

    def measure(self, batch: RegionBatch, prepared: float) -> Measured:
        return Measured.of(
            Evidence(self.name, region.x / prepared, tissue="soft tissue", reason="it is bright")
            for region in batch.regions
        )


FAMILY: AnyFamily = Brightness()


def test_a_family_in_the_table_is_measured_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    modality = MODALITIES["ct_lung"]
    given = prediction(modality)
    before = SliceEvidence(given, modality).measure(REGION)
    monkeypatch.setattr(evidence, "FAMILIES", {**evidence.FAMILIES, "brightness": __name__})
    after = SliceEvidence(given, modality).measure(REGION)
    assert list(after[:-1]) == list(before)
    assert (after[-1].family, after[-1].statistic) == ("brightness", 2.0)
    assert evidence.lone_slice_families()[-1] == "brightness"


def test_a_family_in_the_table_is_calibrated_and_has_its_column(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    modality = MODALITIES["ct_lung"]
    monkeypatch.setattr(evidence, "FAMILIES", {**evidence.FAMILIES, "brightness": __name__})
    measured = SliceEvidence(prediction(modality), modality).measure(REGION)
    rng = np.random.default_rng(3)
    rows = [
        [{name: rng.gamma(9.0, 0.1) for name in evidence.lone_slice_families()} for _ in range(20)]
        for _ in range(30)
    ]
    calibration = calibration_of([GenuineSample(rows, [[] for _ in rows], {})], modality.name, "ab")
    assert "brightness" in calibration.settings[SLICE].tables
    finding = decide(Point(2, "a.dcm", 80.0, 70.0), measured, calibration, DecisionContext(10.0))
    assert 0 < finding.p_by_family["brightness"] < 0.1
    (row,) = csv.DictReader(scores.write(tmp_path, [finding]).read_text().splitlines())
    assert float(row["p_brightness"]) == finding.p_by_family["brightness"]
    assert list(row)[list(row).index("p_brightness") - 1] == "p_series_copy"
