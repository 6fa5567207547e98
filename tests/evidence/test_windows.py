"""Numbers of many windows at once, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dfd.evidence.windows import (
    APART,
    FEWEST_NEIGHBOURS,
    LAGS,
    LARGEST_Z,
    MEASURES,
    WindowTable,
    _gather,
    _shifted_product,
    deviations,
    disk_offsets,
    grid_centres,
    measure_windows,
    planes_of,
    supported,
)
from dfd.modalities import MODALITIES
from dfd.records import Prediction

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]


def prediction(shape: tuple[int, int] = (96, 112), seed: int = 0, mean: float = 40.0) -> Prediction:
    rng = np.random.default_rng(seed)
    return Prediction(
        mean=rng.normal(mean, 2.0, shape).astype(np.float32),
        spread=rng.uniform(9.0, 11.0, shape).astype(np.float32),
        z=rng.normal(0.0, 1.0, shape).astype(np.float32),
        assessed=rng.random(shape) < 0.95,
        noise_scale=10.0,
    )


@pytest.mark.parametrize("lag", LAGS)
def test_shifted_product_is_that_of_real_neighbours(lag: tuple[int, int]) -> None:
    given = prediction((7, 9))
    z, known = given.z.astype(np.float64), given.assessed
    product, both = _shifted_product(z, known, lag)
    for row in range(7):
        for column in range(9):
            r, c = row + lag[0], column + lag[1]
            pair = 0 <= r < 7 and 0 <= c < 9 and known[row, column] and known[r, c]
            assert both[row, column] == pair
            assert product[row, column] == (z[row, column] * z[r, c] if pair else 0.0)


@pytest.mark.parametrize("radius", [2.0, 3.7, 6.0])
def test_gather_sums_the_disk_and_nothing_beyond_the_slice(rng: np.random.Generator, radius: float) -> None:
    planes = rng.normal(size=(3, 12, 15))
    centres = np.array([(x, y) for y in range(12) for x in range(15)], dtype=np.int64)
    sums = _gather(planes, centres, disk_offsets(radius))
    rows, columns = np.mgrid[:12, :15]
    for (x, y), got in zip(centres, sums, strict=True):
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        np.testing.assert_allclose(got, planes[:, inside].sum(axis=1), atol=1e-9)


def test_gather_of_many_windows(rng: np.random.Generator) -> None:
    planes = rng.normal(size=(1, 20, 20))
    centres = rng.integers(0, 20, (700, 2))
    sums = _gather(planes, centres, np.zeros((1, 2), dtype=np.int64))
    np.testing.assert_allclose(sums[:, 0], planes[0, centres[:, 1], centres[:, 0]], atol=1e-12)  # differences of running sums


def test_disk_offsets_are_symmetric_and_round() -> None:
    offsets = {tuple(offset) for offset in disk_offsets(10.0)}
    assert offsets == {(-row, -column) for row, column in offsets}
    assert len(offsets) == pytest.approx(np.pi * 100, rel=0.02)
    assert {(10, 0), (0, -10)} <= offsets
    assert (8, 8) not in offsets


def test_measures_of_one_window_by_hand() -> None:
    given = prediction()
    table = measure_windows(planes_of(given, CT), np.array([[40, 30]]), 8.0)
    z = np.clip(given.z, -LARGEST_Z, LARGEST_Z).astype(np.float64)
    rows, columns = np.mgrid[:96, :112]
    inside = ((rows - 30) ** 2 + (columns - 40) ** 2 <= 64) & given.assessed
    energy = (z[inside] ** 2).mean()
    wanted = [np.log(energy)]
    for row, column in LAGS:
        pairs = [z[r, c] * z[r + row, c + column] for r, c in zip(*np.nonzero(inside), strict=True) if given.assessed[r + row, c + column]]
        wanted.append(np.arctanh(np.mean(pairs) / energy))
    np.testing.assert_allclose(table.measures[0], [*wanted, 0.0, 0.0], atol=1e-9)  # the prediction has no log-odds
    with_head = replace(given, log_odds=np.stack([given.z, 2 * given.z]))
    added, replaced = measure_windows(planes_of(with_head, CT), np.array([[40, 30]]), 8.0).measures[0, -2:]
    assert added == pytest.approx(given.z[inside].mean(), abs=1e-6)
    assert replaced == pytest.approx(2 * added)
    assert table.measures.shape[1] == len(MEASURES)
    assert table.covariates[0, 0] == pytest.approx(given.mean[inside].mean() / 100.0)
    assert table.covariates[0, 2] == pytest.approx(np.log(given.spread[inside] / 10.0).mean(), abs=1e-6)


def test_an_edit_outside_a_window_changes_nothing_in_its_measures() -> None:
    given = prediction()
    edited = prediction()
    rows, columns = np.mgrid[:96, :112]
    beyond = (rows - 30) ** 2 + (columns - 40) ** 2 > (8.0 + 3) ** 2
    edited.z[beyond] *= 3.0
    edited.mean[beyond] += 50.0
    centre = np.array([[40, 30]])
    before, after = (measure_windows(planes_of(each, CT), centre, 8.0) for each in (given, edited))
    np.testing.assert_array_equal(before.measures, after.measures)
    edited.z[30, 40] += 2.0
    assert (measure_windows(planes_of(edited, CT), centre, 8.0).measures != before.measures).any()


def test_measures_do_not_depend_on_the_other_windows_asked_for() -> None:
    given = prediction()
    together = measure_windows(planes_of(given, CT), np.array([[20, 20], [40, 30], [90, 80]]), 8.0)
    alone = measure_windows(planes_of(given, CT), np.array([[40, 30]]), 8.0)
    # Running sums begin at the first window, so the last digits may differ.
    np.testing.assert_allclose(together.measures[1:2], alone.measures, rtol=1e-10)


def test_windows_without_support_are_nan_and_dropped() -> None:
    given = prediction()
    given.assessed[:, :30] = False
    table = measure_windows(planes_of(given, CT), np.array([[10, 40], [30, 40], [60, 40]]), 8.0)
    assert np.isnan(table.measures[:2]).all()
    assert np.isfinite(table.measures[2]).all()
    assert supported(table).centres.tolist() == [[60, 40]]


def test_wild_residuals_are_cut() -> None:
    given = prediction()
    wild = prediction()
    wild.z[30, 40] = 1e5
    before, after = (measure_windows(planes_of(each, CT), np.array([[40, 30]]), 8.0).measures[0, 0] for each in (given, wild))
    assert 0 < after - before < 0.3


def test_covariates_of_mr_do_not_depend_on_the_unit() -> None:
    given = prediction(mean=400.0)
    louder = Prediction(given.mean * 9, given.spread * 9, given.z, given.assessed, given.noise_scale * 9)
    centre = np.array([[40, 30]])
    one, two = (measure_windows(planes_of(each, MR), centre, 8.0).covariates for each in (given, louder))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_grid_lies_half_a_radius_apart_on_measured_pixels() -> None:
    given = prediction()
    centres = grid_centres(given, 12.0)
    assert given.assessed[centres[:, 1], centres[:, 0]].all()
    assert set(np.diff(np.unique(centres[:, 0]))) == {6}
    assert centres[:, 0].max() < 112
    assert centres[:, 1].max() < 96
    given.assessed[:] = False
    assert grid_centres(given, 12.0).shape == (0, 2)


def line_of_windows(count: int, value: float = 0.0, radius: float = 5.0) -> WindowTable:
    rng = np.random.default_rng(2)
    centres = np.stack([np.arange(count) * 6, np.zeros(count, dtype=int)], axis=1).astype(np.int64)
    return WindowTable(radius, centres, rng.normal(value, 1.0, (count, 7)), rng.normal(size=(count, 3)))


def test_reference_leaves_out_windows_near_the_asked_one() -> None:
    table = line_of_windows(40)
    near = np.linalg.norm(table.centres - table.centres[20], axis=1) < APART * table.radius
    assert 1 < near.sum() < 10
    measures = table.measures.copy()
    measures[near] = 1e6
    asked = WindowTable(table.radius, table.centres[20:21], np.zeros((1, 7)), table.covariates[20:21])
    before = deviations(asked, table)
    after = deviations(asked, WindowTable(table.radius, table.centres, measures, table.covariates))
    # The floor of the spread is taken over the whole slice and may move a little; a neighbour of a million would move it out of sight.
    np.testing.assert_allclose(after, before, atol=1.0)
    far = np.array(table.measures)
    far[~near] = 1e6
    assert (np.abs(deviations(asked, WindowTable(table.radius, table.centres, far, table.covariates))) > 10).any()


def test_deviation_is_in_robust_spreads_of_the_neighbours() -> None:
    reference = line_of_windows(40)
    centres = np.array([[10_000, 0], [10_000, 500]])
    asked = WindowTable(5.0, centres, np.stack([np.zeros(7), np.full(7, 8.0)]), np.zeros((2, 3)))
    answer = deviations(asked, reference)
    assert np.abs(answer[0]).max() < 1.0
    middle = np.median(reference.measures, axis=0)
    spread = 1.4826 * np.median(np.abs(reference.measures - middle), axis=0)
    np.testing.assert_allclose(answer[1], (8.0 - middle) / spread, rtol=0.25)


def test_neighbours_are_the_similar_windows() -> None:
    """Two tissues with their own energy: a window is compared with its own kind."""
    rng = np.random.default_rng(2)
    tissue = np.repeat([0.0, 10.0], 60)
    centres = np.stack([np.arange(120) * 20, np.zeros(120, dtype=int)], axis=1)
    measures = rng.normal(tissue[:, None], 0.5, (120, 7))
    covariates = np.stack([tissue, rng.normal(size=120), rng.normal(size=120)], axis=1)
    reference = WindowTable(5.0, centres, measures, covariates)
    asked = WindowTable(5.0, np.array([[-500, 0], [-500, 0]]), np.full((2, 7), 10.0), np.array([[10.0, 0, 0], [0.0, 0, 0]]))
    same, other = np.abs(deviations(asked, reference)).mean(axis=1)
    assert same < 1.0
    assert other > 1.5


@pytest.mark.parametrize("count", [0, 1, FEWEST_NEIGHBOURS - 1])
def test_too_few_windows_give_nan(count: int) -> None:
    asked = WindowTable(5.0, np.array([[10_000, 0]]), np.zeros((1, 7)), np.zeros((1, 3)))
    assert np.isnan(deviations(asked, line_of_windows(count))).all()


def test_too_few_windows_apart_give_nan() -> None:
    reference = line_of_windows(20)
    crowded = WindowTable(5.0, reference.centres // 20, reference.measures, reference.covariates)
    asked = WindowTable(5.0, np.array([[0, 0], [10_000, 0]]), np.zeros((2, 7)), np.zeros((2, 3)))
    answer = deviations(asked, crowded)
    assert np.isnan(answer[0]).all()
    assert np.isfinite(answer[1]).all()


def test_more_windows_than_one_batch_are_all_answered() -> None:
    reference = line_of_windows(300)
    answer = deviations(reference, reference)
    assert np.isfinite(answer).all()
    part = WindowTable(5.0, reference.centres[150:160], reference.measures[150:160], reference.covariates[150:160])
    np.testing.assert_allclose(answer[150:160], deviations(part, reference))
