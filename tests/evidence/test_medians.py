"""Medians of tensors, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dfd.evidence.medians import in_order, median, median_of_first


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_the_median_is_that_of_numpy(rng: np.random.Generator, size: int) -> None:
    values = rng.normal(size=(3, 5, size))
    np.testing.assert_array_equal(median(torch.from_numpy(values)), np.median(values, axis=-1))


def test_the_median_of_nothing_is_not_a_number() -> None:
    assert median(torch.zeros(4, 0)).isnan().all()


def test_what_is_infinite_does_not_count(rng: np.random.Generator) -> None:
    values = rng.normal(size=(4, 6))
    missing = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1], [1] * 6]) > 0
    given = torch.from_numpy(np.where(missing, np.inf, values))
    count = torch.from_numpy((~missing).sum(axis=1))
    found = median_of_first(given, count)
    wanted = [np.median(row[~gone]) for row, gone in zip(values[:3], missing[:3], strict=True)]
    np.testing.assert_array_equal(found[:3], wanted)


def test_sorting_leaves_the_values_alone(rng: np.random.Generator) -> None:
    values = torch.from_numpy(rng.normal(size=(2, 9)))
    kept = values.clone()
    np.testing.assert_array_equal(in_order(values), np.sort(kept, axis=-1))
    assert torch.equal(values, kept)
