"""What the head says reaches the family it speaks for, and no other.

And windows of several sizes are looked at.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dfd.evidence import reference_windows, synthesis
from dfd.evidence.deviation_scores import deviation_scores, fit_statistic
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.evidence.window_features import GRAIN, MEASURES, REPLACED
from dfd.prediction.masks import disk
from dfd.records import Prediction, Region
from tests.evidence.test_noise import CLICK, CT, RADIUS, SHAPE, white


def with_head(channel: int, radius: float, height: float = 3.0) -> Prediction:
    """Ordinary noise; log-odds that are ordinary but for a disk around the click in one channel."""
    rng = np.random.default_rng(2)
    log_odds = rng.normal(-3.0, 1.0, (2, *SHAPE)).astype(np.float32)
    log_odds[channel] += height * disk(*SHAPE, (CLICK.x, CLICK.y), radius)
    return replace(white(), log_odds=log_odds)


def statistics(prediction: Prediction) -> dict[str, float]:
    return {each.family: each.statistic for each in SliceEvidence(prediction, CT).measure(CLICK)}


@pytest.mark.parametrize(
    ("channel", "family", "other"), [(0, "noise", "synthesis"), (1, "synthesis", "noise")]
)
def test_each_answer_of_the_head_reaches_its_family(channel: int, family: str, other: str) -> None:
    before, after = (
        statistics(with_head(channel, RADIUS, 0.0)),
        statistics(with_head(channel, RADIUS)),
    )
    assert after[family] > 3 * before[family]
    assert after[other] == pytest.approx(before[other], rel=0.05)
    assert after["copy_move"] == before["copy_move"]


def test_an_edit_smaller_than_the_region_is_seen_in_a_smaller_window() -> None:
    small = with_head(1, 0.4 * RADIUS, 2.0)
    reference = reference_windows.prepare(small, RADIUS, CT)
    whole = replace(reference, scales=reference.own_first[:1])

    def score(of: reference_windows.SliceReference) -> float:
        windows = reference_windows.measure_regions([CLICK], of)
        fitted = fit_statistic(of, synthesis.statistic)
        return float(deviation_scores(windows, fitted).statistics[0])

    assert score(reference) > 1.5 * score(whole)


def test_any_deviation_of_the_grain_counts_half_of_what_the_head_says() -> None:
    deviation = torch.zeros(2, len(MEASURES), dtype=torch.float64)
    deviation[0, REPLACED] = 4.0
    deviation[1, GRAIN] = 4.0
    assert synthesis.statistic(deviation).tolist() == pytest.approx([4.0, 2.0])


def test_what_looks_less_like_an_edit_is_no_evidence() -> None:
    before, after = statistics(with_head(1, RADIUS, 0.0)), statistics(with_head(1, RADIUS, -3.0))
    assert after["synthesis"] <= before["synthesis"] + 0.05


@pytest.mark.parametrize(
    ("energy", "words"), [(-3.0, "weaker than"), (3.0, "stronger than"), (0.2, "as strong as")]
)
def test_the_reason_tells_both_likeness_and_strength(energy: float, words: str) -> None:
    measures = dict.fromkeys(MEASURES, 0.0) | {"energy": energy, "replaced content": 4.25}
    sentence = synthesis.reason_for(measures)
    assert words in sentence
    assert "more like resampled" in sentence
    assert "4.2 times" in sentence


def test_many_regions_are_measured_as_one_by_one() -> None:
    regions = [CLICK, Region(40.0, 100.0, RADIUS), Region(100.0, 40.0, 8.0)]
    examined = SliceEvidence(with_head(1, RADIUS), CT)
    assert [list(found) for found in examined.measure_all(regions)] == [
        list(SliceEvidence(examined.prediction, CT).measure(one)) for one in regions
    ]
    assert list(examined.measure_all([])) == []
