"""Circular harmonics: what a turn, a mirror image and a change of size do to moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform, gaussian_filter

from dfd.evidence.harmonics import RING_PX, Harmonics, harmonics_of

REACH = 14
SIDE = 2 * REACH + 1


def smooth_square(seed: int) -> np.ndarray:
    """Values that can be interpolated without loss."""
    return gaussian_filter(np.random.default_rng(seed).normal(size=(61, 61)), 1.5)


def moments(image: np.ndarray, harmonics: Harmonics, size: float = 1.0) -> torch.Tensor:
    """``[m, 1]`` of the middle of an image."""
    start = 30 - REACH
    square = torch.from_numpy(image[start : start + SIDE, start : start + SIDE])
    return (harmonics.kernels(REACH, size) * square).sum((1, 2))[:, None].to(torch.complex64)


def moved(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The image with its middle fixed; ``matrix`` leads from a result to its source."""
    middle = np.array([30.0, 30.0])
    return affine_transform(image, matrix, offset=middle - matrix @ middle, order=5)


def rotation(angle: float) -> np.ndarray:
    """Leads from what was turned by ``angle`` (from columns to rows) to what it was."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("angle", [0.3, -1.1, 2.5])
def test_a_turn_changes_phases_by_the_number_of_waves(angle: float) -> None:
    harmonics = harmonics_of(8.0)
    image = smooth_square(1)
    before = moments(image, harmonics)
    after = moments(moved(image, rotation(angle)), harmonics)
    turned = before * torch.exp(-1j * angle * harmonics.waves)[:, None]
    unlike = torch.linalg.vector_norm(after - turned) / torch.linalg.vector_norm(before)
    assert float(unlike) < 0.1
    torch.testing.assert_close(
        harmonics.invariants(after), harmonics.invariants(before), atol=0.15, rtol=0.05
    )


def test_a_mirror_image_changes_the_sign_of_the_last_invariants() -> None:
    harmonics = harmonics_of(8.0)
    image, pairs = np.random.default_rng(2).normal(size=(61, 61)), len(harmonics.inner)
    before = harmonics.invariants(moments(image, harmonics))
    after = harmonics.invariants(moments(image[:, ::-1].copy(), harmonics))
    before[-pairs:] *= -1
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("size", [0.8, 1.2])
def test_kernels_of_a_size_give_the_moments_of_a_copy_of_that_size(size: float) -> None:
    harmonics = harmonics_of(8.0)
    image = smooth_square(3)
    asked = moments(image, harmonics, size)
    there = moments(moved(image, np.eye(2) / size), harmonics)
    cosine = torch.nn.functional.cosine_similarity(
        torch.view_as_real(asked).flatten(), torch.view_as_real(there).flatten(), dim=0
    )
    assert float(cosine) > 0.99


@pytest.mark.parametrize("radius", [1.0, 3.0, 5.5, 8.0, 10.0])
def test_pairs_join_equal_waves_of_adjacent_rings(radius: float) -> None:
    harmonics = harmonics_of(radius)
    inner, outer = harmonics.inner.numpy(), harmonics.outer.numpy()
    assert (harmonics.waves[inner] == harmonics.waves[outer]).all()
    assert np.allclose(harmonics.rings[outer] - harmonics.rings[inner], RING_PX)
    assert harmonics.invariants(torch.ones(len(harmonics), 2) + 0j).shape == (
        len(harmonics) + 2 * len(inner),
        2,
    )
    assert harmonics.rings.max() <= max(radius, RING_PX)


def test_where_nothing_is_there_is_nothing_to_compare() -> None:
    harmonics = harmonics_of(8.0)
    assert harmonics.invariants(torch.zeros(len(harmonics), 3) + 0j).isfinite().all()
