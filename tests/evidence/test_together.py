"""All evidence together: the numbers that are weighed, and what stands without other slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dfd.evidence import together
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.learned_statistic import COPIES, WEIGHED, LearnedStatistic
from dfd.records import TOGETHER, TOGETHER_ALONE, Family, Form, Prediction, Region
from tests.evidence.test_families import context, prediction

CT = MODALITIES["ct_lung"]
REGIONS = [Region(80.0, 70.0, 12.0), Region(60.0, 90.0, 12.0), Region(2.0, 2.0, 12.0)]


def weighing() -> Prediction:
    torch.manual_seed(0)
    return replace(prediction(CT), weigh=LearnedStatistic())


def weights(given: Prediction) -> together.Weigh:
    assert given.weigh is not None
    return given.weigh


def test_every_number_has_its_place() -> None:
    given = weighing()
    numbers = SliceEvidence(given, CT, context(given)).numbers(REGIONS)
    assert numbers.shape == (3, WEIGHED + COPIES)
    assert numbers[:2].isfinite().float().mean() > 0.9


def test_without_context_the_numbers_are_those_of_the_slice_alone() -> None:
    given = weighing()
    whole = SliceEvidence(given, CT, context(given)).numbers(REGIONS)
    alone = SliceEvidence(given, CT).numbers(REGIONS)
    assert torch.equal(together.without_context(whole).isnan(), alone.isnan())
    shared = alone.isfinite()
    assert torch.equal(together.without_context(whole)[shared], alone[shared])
    assert whole.isfinite().sum() > alone.isfinite().sum()


def test_columns_of_families_do_not_overlap() -> None:
    columns = [place for family in Family for place in together.columns_of(family)]
    assert len(columns) == len(set(columns))
    assert max(columns) < WEIGHED + COPIES


def test_measurements_hold_both() -> None:
    given = weighing()
    measured = SliceEvidence(given, CT, context(given)).measure_all(REGIONS)
    assert list(measured.statistics)[-2:] == [TOGETHER, TOGETHER_ALONE]
    values = measured.statistics[TOGETHER]
    assert (values[:2] > 0).all()
    lone = SliceEvidence(given, CT).measure_all(REGIONS).statistics
    assert TOGETHER_ALONE not in lone
    np.testing.assert_array_equal(lone[TOGETHER], measured.statistics[TOGETHER_ALONE])


def test_a_region_is_weighed_alike_alone_and_among_others() -> None:
    given = weighing()
    evidence = SliceEvidence(given, CT)
    many = evidence.measure_all(REGIONS).statistics[TOGETHER]
    one = evidence.measure_all(REGIONS[1:2]).statistics[TOGETHER]
    assert many[1] == one[0]


def test_what_cannot_be_measured_has_no_odds() -> None:
    given = weighing()
    given.assessed[:40, :40] = False
    values = SliceEvidence(given, CT).measure_all(REGIONS).statistics[TOGETHER]
    assert np.isnan(values[2])
    assert np.isfinite(values[:2]).all()


def test_the_record_names_the_odds_of_each_form() -> None:
    given = weighing()
    record = SliceEvidence(given, CT).measure(REGIONS[0])[-1]
    assert record.family == TOGETHER
    assert set(record.measures) == {
        Form.ADVERSARIAL_NOISE,
        Form.AI_EDIT,
        Form.COPY_MOVE,
    }
    odds = np.array(list(record.measures.values()))
    numbers = SliceEvidence(given, CT).numbers(REGIONS[:1])
    np.testing.assert_allclose(odds, weights(given)(numbers)[0].detach(), rtol=1e-9)


def test_copies_count_in_the_odds_of_a_copy_and_not_in_the_statistic() -> None:
    """They decide beside it; counted twice, a chance likeness would weigh twice."""
    given = weighing()
    numbers = SliceEvidence(given, CT).numbers(REGIONS[:1])
    copied = numbers.clone()
    copied[:, WEIGHED] = 4.0
    supported = np.array([True])
    plain, raised = (
        together.weighed(each, supported, weights(given)) for each in (numbers, copied)
    )
    assert plain.statistics == raised.statistics
    assert raised[0].measures[Form.COPY_MOVE] > plain[0].measures[Form.COPY_MOVE] + 10
    assert raised[0].measures[Form.AI_EDIT] == plain[0].measures[Form.AI_EDIT]


def test_a_model_without_a_learned_statistic_measures_none() -> None:
    given = prediction(CT)
    assert TOGETHER not in SliceEvidence(given, CT).measure_all(REGIONS).statistics
