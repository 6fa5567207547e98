"""The references see what the lattice shows, no more, and learn what there is to learn."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.predictor import references
from dfd.prediction.masks import LATTICE_PASSES, lattice


@pytest.fixture(scope="module")
def ar_slice():
    """An autoregressive field.

    Each pixel is the mean of its left and upper neighbour times 0.9, plus unit noise. No pixel is
    missing.
    """
    field = np.zeros((160, 160))
    noise = np.random.default_rng(7).normal(size=field.shape)
    for row in range(160):
        for column in range(160):
            left = field[row, column - 1] if column else 0.0
            above = field[row - 1, column] if row else 0.0
            field[row, column] = 0.45 * left + 0.45 * above + noise[row, column]
    return field[20:, 20:].astype(np.float32), np.ones((140, 140), dtype=bool)


@pytest.mark.parametrize("half", references.DEVIATION_HALVES)
def test_local_statistics_are_those_of_the_pixels_that_the_lattice_shows(rng, half):
    pixels, measured = rng.normal(5.0, 2.0, (30, 31)).astype(np.float32), rng.random((30, 31)) < 0.8
    mean, deviation = references.local_statistics(pixels, measured, half)
    for row, column in ((15, 14), (0, 0), (29, 7), (12, 30)):
        phase = next(p for p in range(LATTICE_PASSES) if lattice(30, 31, p)[row, column])
        seen = measured & ~lattice(30, 31, phase)
        window = (
            slice(max(0, row - half), row + half + 1),
            slice(max(0, column - half), column + half + 1),
        )
        values = pixels[window][seen[window]]
        assert mean[row, column] == pytest.approx(values.mean(), rel=1e-5)
        assert deviation[row, column] == pytest.approx(values.std(), rel=1e-4)


@pytest.mark.parametrize(
    "fit", [references.fit_local, references.fit_linear, references.fit_linear_deviation]
)
def test_a_hidden_or_missing_pixel_is_never_used(rng, ar_slice, fit):
    pixels, measured = ar_slice
    fitted = fit(references.sample(pixels, measured, measured, 3000, rng))
    measured = measured.copy()
    measured[70, 71] = False
    before = fitted.predict(pixels, measured)
    changed = pixels.copy()
    changed[lattice(140, 140, 3)] += 100.0
    changed[70, 71] = 1e6
    hidden = lattice(140, 140, 3) & measured
    after = fitted.predict(changed, measured)
    for one, other in zip(before, after, strict=True):
        assert other[hidden] == pytest.approx(one[hidden], rel=1e-4, abs=1e-6)


def test_the_linear_predictor_recovers_a_known_process(rng, ar_slice):
    pixels, measured = ar_slice
    fitted = references.fit_linear(references.sample(pixels, measured, measured, 15000, rng))
    mean, spread = fitted.predict(pixels, measured)
    inside = (slice(5, -5), slice(5, -5))
    residual = (pixels - mean)[inside]
    # Two-sided prediction of x = a (left + above) + e leaves a variance of 1 / (1 + 2 a^2): one
    # over the mean of the inverse spectrum (Whittle 1954).
    assert residual.var() == pytest.approx(1.0 / (1.0 + 2 * 0.45**2), rel=0.03)
    assert spread[inside].mean() == pytest.approx(residual.std(), rel=0.03)
    local = references.fit_local(references.sample(pixels, measured, measured, 15000, rng))
    assert (
        references.nll(pixels, mean, spread)[inside].mean()
        < references.nll(pixels, *local.predict(pixels, measured))[inside].mean() - 0.1
    )


def test_slice_and_sample_agree(rng, ar_slice):
    pixels, measured = ar_slice
    measured = measured & (rng.random(measured.shape) < 0.9)
    drawn = references.sample(pixels, measured, measured, 10**6, rng)
    fitted = references.fit_linear(drawn)
    by_sample = np.sort(drawn.means[3] + drawn.contrast @ fitted.weights)
    assert np.sort(fitted.predict(pixels, measured)[0][measured]) == pytest.approx(
        by_sample, rel=1e-5, abs=1e-5
    )


def test_spread_that_follows_the_deviation_wins_where_noise_differs(rng):
    scale = np.repeat([1.0, 6.0], 70)[None, :]
    pixels, measured = (
        (rng.normal(size=(140, 140)) * scale).astype(np.float32),
        np.ones((140, 140), dtype=bool),
    )
    drawn = references.sample(pixels, measured, measured, 8000, rng)
    constant, following = (
        fit(drawn).predict(pixels, measured)
        for fit in (references.fit_linear, references.fit_linear_deviation)
    )
    assert (
        references.nll(pixels, *following).mean() < references.nll(pixels, *constant).mean() - 0.3
    )
    assert references.fit_linear_deviation(drawn).slope == pytest.approx(1.0, abs=0.15)
