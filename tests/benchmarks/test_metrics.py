"""AUC, detection and intervals."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.metrics.bootstrap import interval, mean_interval
from benchmarks.metrics.roc import auc, auc_interval, by_patient, sensitivity_at

metrics = pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("decimals", [0, 6], ids=["with ties", "without ties"])
def test_auc_is_that_of_scikit_learn(rng, decimals):
    edited, genuine = (
        rng.normal(0.7, 1.0, 60).round(decimals),
        rng.normal(0.0, 1.0, 90).round(decimals),
    )
    labels = np.r_[np.ones(60), np.zeros(90)]
    assert auc(edited, genuine) == pytest.approx(
        metrics.roc_auc_score(labels, np.r_[edited, genuine])
    )


def test_auc_of_nothing_is_not_a_number():
    assert np.isnan(auc(np.array([]), np.array([1.0])))


@pytest.mark.parametrize(("alarms", "found"), [(0.0, 0.25), (0.05, 0.5), (0.10, 0.75), (1.0, 1.0)])
def test_found_at_a_rate_of_false_alarms(alarms, found):
    genuine = np.arange(20.0)
    edited = np.array([25.0, 18.5, 17.5, 3.0])
    assert sensitivity_at(edited, genuine, alarms) == found


def test_no_more_genuine_regions_exceed_the_threshold_than_allowed(rng):
    genuine = rng.normal(size=137).round(1)
    assert sensitivity_at(genuine, genuine, 0.05) <= 0.05


def test_values_are_sorted_by_patient_and_those_not_finite_left_out():
    parts = by_patient([1.0, float("nan"), 3.0, 4.0], ["b", "a", "a", "b"], ["a", "b", "c"])
    assert [part.tolist() for part in parts] == [[3.0], [1.0, 4.0], []]


def test_interval_over_patients_covers_the_truth_as_often_as_it_says(rng):
    hits = 0
    for _ in range(200):
        low, high = mean_interval(rng.normal(1.0, 2.0, 25), np.random.default_rng(1))
        hits += low <= 1.0 <= high
    assert 0.87 <= hits / 200 <= 0.99


def test_regions_of_one_patient_are_drawn_together(rng):
    # Five patients whose regions all agree: the interval must be that of five numbers, not of five
    # hundred.
    offsets = rng.normal(0.0, 1.0, 5)
    edited = [np.full(100, 0.5 + offset) + 1e-3 * rng.normal(size=100) for offset in offsets]
    genuine = [np.zeros(100) + 1e-3 * rng.normal(size=100) for _ in offsets]
    low, high = auc_interval(edited, genuine, rng)
    assert high - low > 0.3


def test_one_patient_gives_no_interval(rng):
    assert np.isnan(interval(lambda drawn: float(drawn.mean()), 1, rng)).all()
