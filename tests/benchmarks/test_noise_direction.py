"""The direction is that of what was edited, in units of genuine spread."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studies.noise_direction import discriminant


def test_the_direction_leads_from_genuine_to_edited_windows() -> None:
    rng = np.random.default_rng(2)
    moved = np.array([3.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.5])
    genuine = rng.normal(0.0, 1.0, (4000, 7))
    weights = discriminant(genuine, rng.normal(0.0, 1.0, (4000, 7)) + moved)
    assert (genuine @ weights).std() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(weights, moved / np.linalg.norm(moved), atol=0.05)


def test_a_measure_that_varies_much_counts_less() -> None:
    rng = np.random.default_rng(2)
    spread = np.array([1.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    moved = np.array([2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    weights = discriminant(rng.normal(0.0, spread, (4000, 7)), rng.normal(moved, spread, (4000, 7)))
    assert 0.0 < weights[1] < 0.2 * weights[0]
