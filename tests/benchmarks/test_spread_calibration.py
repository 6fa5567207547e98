"""The factor that a scan fits to itself."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.predictor import spread_calibration


def two_tissues(rng, spreads, shape=(192, 192)):
    labels = np.zeros(shape, dtype=np.int8)
    labels[:, shape[1] // 2 :] = 1
    return (rng.normal(size=shape) * np.array(spreads)[labels]).astype(np.float32), labels


def test_factors_recover_the_spread_of_each_tissue(rng):
    z, labels = two_tissues(rng, [0.5, 2.0])
    assert spread_calibration.tissue_factors(z, labels, 2) == pytest.approx([0.5, 2.0], rel=0.03)


def test_pixels_without_a_class_do_not_count(rng):
    z, labels = two_tissues(rng, [0.5, 1.0])
    before = spread_calibration.tissue_factors(z, labels, 2)
    labels[:20] = -1
    z[:20] = 1e6
    assert spread_calibration.tissue_factors(z, labels, 2) == pytest.approx(before, rel=0.03)


def test_a_class_with_few_pixels_leans_on_the_whole(rng):
    z, labels = two_tissues(rng, [1.0, 1.0])
    labels[:] = 0
    labels[0, :5] = 1
    z[0, :5] = 5.0
    factors = spread_calibration.tissue_factors(z, labels, 3)
    assert factors[1] < 3.0
    assert factors[2] == pytest.approx(
        factors[0], rel=0.05
    )  # a class that is not there has the scan's own


def test_after_correction_every_tissue_has_energy_one(rng):
    z, labels = two_tissues(rng, [0.3, 1.8])
    after = spread_calibration.corrected(z, labels, 2)
    for number in (0, 1):
        assert spread_calibration.energy(after[labels == number]).mean() == pytest.approx(
            1.0, abs=0.1
        )


def test_a_half_is_judged_by_the_other_one_only(rng):
    z, labels = two_tissues(rng, [1.0, 1.0])
    board = spread_calibration.halves(z.shape)
    assert board.mean() == pytest.approx(0.5)
    changed = z.copy()
    changed[board] *= 3.0
    before, after = (spread_calibration.corrected(image, labels, 2) for image in (z, changed))
    # What is done to one half changes the factor of the other half, never its own.
    assert after[board] == pytest.approx(3.0 * before[board], rel=1e-5)
    assert not np.allclose(after[~board], before[~board])
