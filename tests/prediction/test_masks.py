"""Masks: every pixel is hidden once, its neighbours stay visible, and no mask is empty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.prediction.masks import (
    LATTICE_PASSES,
    disk,
    disk_within,
    holes,
    lattice,
    random_mask,
    scattered,
)

QUICK = settings(max_examples=40, deadline=None, derandomize=True)


@QUICK
@given(height=st.integers(1, 60), width=st.integers(1, 60))
def test_lattice_phases_are_disjoint_and_cover(height: int, width: int) -> None:
    times = sum(lattice(height, width, phase).astype(int) for phase in range(LATTICE_PASSES))
    assert times.shape == (height, width)
    assert (times == 1).all()


@pytest.mark.parametrize("phase", range(LATTICE_PASSES))
def test_the_twelve_nearest_pixels_of_a_hidden_one_are_visible(phase: int) -> None:
    mask = lattice(25, 25, phase)
    rows, columns = np.nonzero(mask)
    squared = (rows[:, None] - rows[None]) ** 2 + (columns[:, None] - columns[None]) ** 2
    assert squared[squared > 0].min() == 5
    around = [(r, c) for r in range(-2, 3) for c in range(-2, 3) if 0 < r * r + c * c <= 4]
    assert len(around) == 12
    inside = [(r, c) for r, c in zip(rows, columns, strict=True) if 2 <= r < 23 and 2 <= c < 23]
    assert not any(mask[r + dr, c + dc] for r, c in inside for dr, dc in around)


@pytest.mark.parametrize("phase", [-1, LATTICE_PASSES])
def test_a_phase_that_does_not_exist_is_refused(phase: int) -> None:
    with pytest.raises(ValueError, match=r"phase must be in \[0, 4\]"):
        lattice(4, 4, phase)


@settings(max_examples=40, deadline=None)
@given(x=st.floats(-30, 60), y=st.floats(-30, 60), radius=st.floats(0, 25))
def test_the_window_of_a_disk_holds_all_of_it_wherever_it_lies(
    x: float, y: float, radius: float
) -> None:
    rows, columns = np.mgrid[:24, :31]
    wanted = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    np.testing.assert_array_equal(disk(24, 31, (x, y), radius), wanted)
    window, inside = disk_within(24, 31, (x, y), radius)
    assert inside.sum() == wanted.sum()
    assert (wanted[window] == inside).all()


def test_disk_takes_x_first_and_counts_its_border() -> None:
    mask = disk(7, 9, (6.0, 2.0), 1.0)
    assert sorted(zip(*np.nonzero(mask), strict=True)) == [(1, 6), (2, 5), (2, 6), (2, 7), (3, 6)]


@QUICK
@given(size=st.integers(1, 70), seed=st.integers(0, 2**32 - 1))
def test_random_mask_hides_something(size: int, seed: int) -> None:
    mask = random_mask(size, np.random.default_rng(seed))
    assert mask.shape == (size, size)
    assert mask.dtype == bool
    assert mask.any()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_masks_are_never_empty(size: int) -> None:
    assert all(random_mask(size, np.random.default_rng(seed)).any() for seed in range(300))


def test_most_training_masks_are_what_scoring_uses() -> None:
    lattices = [lattice(32, 32, phase) for phase in range(LATTICE_PASSES)]
    masks = [random_mask(32, np.random.default_rng(seed)) for seed in range(400)]
    alike = [any(np.array_equal(mask, known) for known in lattices) for mask in masks]
    assert 0.62 < np.mean(alike) < 0.78


def test_scattered_and_holes_stay_within_their_shares(rng: np.random.Generator) -> None:
    shares = [scattered(100, rng).mean() for _ in range(40)]
    assert 0.01 < min(shares) < 0.12
    assert 0.2 < max(shares) < 0.32
    areas = [holes(64, rng).sum() for _ in range(40)]
    assert min(areas) > 0
    assert max(areas) <= 3 * np.pi * 15**2
