"""Gaussian filters of a part of a slice, against SciPy's of the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from dfd.evidence.gaussian import blurred, gradient_magnitude

PARTS = [
    (slice(0, 40), slice(0, 53)),
    (slice(13, 31), slice(7, 20)),
    (slice(0, 5), slice(50, 53)),
]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("sigma", [1.0, 2.0, 8.0])
def test_a_part_is_smoothed_as_the_whole(
    rng: np.random.Generator, part: tuple[slice, slice], sigma: float
) -> None:
    image = rng.normal(40.0, 10.0, (40, 53)).astype(np.float32)
    found = blurred(torch.from_numpy(image), part, sigma)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, gaussian_filter(image, sigma)[part], rtol=1e-6)


@pytest.mark.parametrize("part", PARTS)
def test_edges_of_a_part_are_those_of_the_whole(
    rng: np.random.Generator, part: tuple[slice, slice]
) -> None:
    image = rng.normal(40.0, 10.0, (40, 53))
    found = gradient_magnitude(torch.from_numpy(image), part, 1.0)
    wanted = gaussian_gradient_magnitude(image, 1.0)[part]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_a_slice_smaller_than_the_filter_is_mirrored_again_and_again() -> None:
    image = np.random.default_rng(3).normal(size=(3, 5))
    found = blurred(torch.from_numpy(image), (slice(0, 3), slice(0, 5)), 8.0)
    np.testing.assert_allclose(found, gaussian_filter(image, 8.0), rtol=1e-9)
