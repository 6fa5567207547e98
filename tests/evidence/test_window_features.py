"""Numbers of many windows at once, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.evidence.running_sums import disk_offsets, running_sums
from dfd.evidence.window_features import (
    BACKGROUND_DISTANCE,
    BACKGROUND_RADIUS,
    LAGS,
    LARGEST_Z,
    MEASURES,
    _shifted_product,
    grid_centres,
    local_background,
    measure_windows,
    planes_of,
)
from dfd.evidence.window_table import (
    EXCLUSION_RADII,
    MIN_REFERENCE,
    WindowTable,
    deviations,
    supported,
)
from dfd.modalities import MODALITIES, Modality
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


def windows_of(
    given: Prediction, centres: NDArray[np.int64], modality: Modality = CT
) -> WindowTable:
    (table,) = measure_windows(running_sums(planes_of(given, modality)), 8.0, centres, [8.0])
    return table


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


@pytest.mark.parametrize("radius", [0.0, 2.0, 3.7, 6.0])
def test_sums_hold_the_disk_and_nothing_beyond_the_slice(
    rng: np.random.Generator, radius: float
) -> None:
    planes = np.zeros((3, 14, 18))
    planes[:, 1:13, 2:17] = rng.normal(size=(3, 12, 15))  # the rest is cut off
    centres = np.array([(x, y) for y in range(14) for x in range(18)], dtype=np.int64)
    sums = running_sums(planes).over(centres, radius)
    rows, columns = np.mgrid[:14, :18]
    for (x, y), got in zip(centres, sums, strict=True):
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        np.testing.assert_allclose(got, planes[:, inside].sum(axis=1), atol=1e-9)


def test_a_slice_that_holds_nothing_sums_to_nothing() -> None:
    assert not running_sums(np.zeros((2, 9, 9))).over(np.array([[4, 4]]), 3.0).any()


def test_disk_offsets_are_symmetric_and_round() -> None:
    offsets = {tuple(offset) for offset in disk_offsets(10.0)}
    assert offsets == {(-row, -column) for row, column in offsets}
    assert len(offsets) == pytest.approx(np.pi * 100, rel=0.02)
    assert {(10, 0), (0, -10)} <= offsets
    assert (8, 8) not in offsets


def test_measures_of_one_window_by_hand() -> None:
    given = prediction()
    table = windows_of(given, np.array([[40, 30]]))
    z = np.clip(given.z, -LARGEST_Z, LARGEST_Z).astype(np.float64)
    rows, columns = np.mgrid[:96, :112]
    inside = ((rows - 30) ** 2 + (columns - 40) ** 2 <= 64) & given.assessed
    energy = (z[inside] ** 2).mean()
    wanted = [np.log(energy)]
    for row, column in LAGS:
        pairs = [
            z[r, c] * z[r + row, c + column]
            for r, c in zip(*np.nonzero(inside), strict=True)
            if given.assessed[r + row, c + column]
        ]
        wanted.append(np.arctanh(np.mean(pairs) / energy))
    np.testing.assert_allclose(
        table.measures[0], [*wanted, 0.0, 0.0], atol=1e-9
    )  # the prediction has no log-odds
    with_head = replace(given, log_odds=np.stack([given.z, 2 * given.z]))
    added, replaced = windows_of(with_head, np.array([[40, 30]])).measures[0, -2:]
    assert added == pytest.approx(given.z[inside].mean(), abs=1e-6)
    assert replaced == pytest.approx(2 * added)
    assert table.measures.shape[1] == len(MEASURES)
    assert table.covariates[0, 0] == pytest.approx(given.mean[inside].mean() / 100.0)
    assert table.covariates[0, 2] == pytest.approx(
        np.log(given.spread[inside] / 10.0).mean(), abs=1e-6
    )


def test_an_edit_outside_a_window_changes_nothing_in_its_measures() -> None:
    given = prediction()
    edited = prediction()
    rows, columns = np.mgrid[:96, :112]
    beyond = (rows - 30) ** 2 + (columns - 40) ** 2 > (8.0 + 3) ** 2
    edited.z[beyond] *= 3.0
    edited.mean[beyond] += 50.0
    centre = np.array([[40, 30]])
    before, after = (windows_of(each, centre) for each in (given, edited))
    np.testing.assert_allclose(
        before.measures, after.measures, rtol=1e-9
    )  # running sums pass the edit
    edited.z[30, 40] += 2.0
    assert (windows_of(edited, centre).measures != before.measures).any()


def test_measures_do_not_depend_on_the_other_windows_asked_for() -> None:
    given = prediction()
    together = windows_of(given, np.array([[20, 20], [40, 30], [90, 80]]))
    alone = windows_of(given, np.array([[40, 30]]))
    np.testing.assert_array_equal(together.measures[1:2], alone.measures)


def test_windows_are_matched_by_their_background_and_place_too() -> None:
    given = prediction()
    rows, columns = np.mgrid[:96, :112]
    away = np.hypot(rows - 30, columns - 40)
    z = np.clip(given.z, -LARGEST_Z, LARGEST_Z).astype(np.float64)
    energies = []
    for turn in np.arange(8) * np.pi / 4:
        row, column = (
            round(middle + BACKGROUND_DISTANCE * 8 * part)
            for middle, part in ((30, np.sin(turn)), (40, np.cos(turn)))
        )
        disk = (np.hypot(rows - row, columns - column) <= BACKGROUND_RADIUS * 8) & given.assessed
        energies.append(np.log((z[disk] ** 2).mean()))
    covariates = windows_of(given, np.array([[40, 30]])).covariates[0]
    assert covariates[3] == pytest.approx(np.median(energies))
    assert covariates[4:].tolist() == [40.0, 30.0]
    alone = prediction()
    alone.assessed[away > 8] = False
    energy = (z[alone.assessed] ** 2).mean()
    assert windows_of(alone, np.array([[40, 30]])).covariates[0, 3] == pytest.approx(np.log(energy))


def test_what_lies_on_one_side_does_not_move_the_background() -> None:
    given, edited = prediction(), prediction()
    edited.z[:, 46:] *= 3.0
    before, after = (
        local_background(running_sums(planes_of(each, CT)), np.array([[40, 30]]), 8.0)[0]
        for each in (given, edited)
    )
    assert abs(after - before) < 0.5 < np.log(9.0)


def test_windows_without_support_are_nan_and_dropped() -> None:
    given = prediction()
    given.assessed[:, :30] = False
    table = windows_of(given, np.array([[10, 40], [30, 40], [60, 40]]))
    assert np.isnan(table.measures[:2]).all()
    assert np.isfinite(table.measures[2]).all()
    assert supported(table).centres.tolist() == [[60, 40]]


def test_wild_residuals_are_cut() -> None:
    given = prediction()
    wild = prediction()
    wild.z[30, 40] = 1e5
    before, after = (
        windows_of(each, np.array([[40, 30]])).measures[0, 0] for each in (given, wild)
    )
    assert 0 < after - before < 0.3


def test_covariates_of_mr_do_not_depend_on_the_unit() -> None:
    given = prediction(mean=400.0)
    louder = Prediction(
        given.mean * 9, given.spread * 9, given.z, given.assessed, given.noise_scale * 9
    )
    centre = np.array([[40, 30]])
    one, two = (windows_of(each, centre, MR).covariates for each in (given, louder))
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
    return WindowTable(
        radius, centres, rng.normal(value, 1.0, (count, 7)), rng.normal(size=(count, 3))
    )


def test_reference_leaves_out_windows_near_the_asked_one() -> None:
    table = line_of_windows(40)
    near = (
        np.linalg.norm(table.centres - table.centres[20], axis=1) < EXCLUSION_RADII * table.radius
    )
    assert 1 < near.sum() < 10
    measures = table.measures.copy()
    measures[near] = 1e6
    asked = WindowTable(
        table.radius, table.centres[20:21], np.zeros((1, 7)), table.covariates[20:21]
    )
    before = deviations(asked, table)
    after = deviations(asked, WindowTable(table.radius, table.centres, measures, table.covariates))
    # The floor of the spread is taken over the whole slice and may move a little; a window of a
    # million would move it out of sight.
    np.testing.assert_allclose(after, before, atol=1.0)
    far = np.array(table.measures)
    far[~near] = 1e6
    assert (
        np.abs(deviations(asked, WindowTable(table.radius, table.centres, far, table.covariates)))
        > 10
    ).any()


def test_deviation_is_in_robust_spreads_of_the_reference_windows() -> None:
    reference = line_of_windows(40)
    centres = np.array([[10_000, 0], [10_000, 500]])
    asked = WindowTable(5.0, centres, np.stack([np.zeros(7), np.full(7, 8.0)]), np.zeros((2, 3)))
    answer = deviations(asked, reference)
    assert np.abs(answer[0]).max() < 1.0
    middle = np.median(reference.measures, axis=0)
    spread = 1.4826 * np.median(np.abs(reference.measures - middle), axis=0)
    np.testing.assert_allclose(answer[1], (8.0 - middle) / spread, rtol=0.25)


def test_reference_windows_are_the_similar_ones() -> None:
    """Two tissues with their own energy: a window is compared with its own kind."""
    rng = np.random.default_rng(2)
    tissue = np.repeat([0.0, 10.0], 60)
    centres = np.stack([np.arange(120) * 20, np.zeros(120, dtype=int)], axis=1)
    measures = rng.normal(tissue[:, None], 0.5, (120, 7))
    covariates = np.stack([tissue, rng.normal(size=120), rng.normal(size=120)], axis=1)
    reference = WindowTable(5.0, centres, measures, covariates)
    asked = WindowTable(
        5.0,
        np.array([[-500, 0], [-500, 0]]),
        np.full((2, 7), 10.0),
        np.array([[10.0, 0, 0], [0.0, 0, 0]]),
    )
    same, other = np.abs(deviations(asked, reference)).mean(axis=1)
    assert same < 1.0
    assert other > 1.5


@pytest.mark.parametrize("count", [0, 1, MIN_REFERENCE - 1])
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
    part = WindowTable(
        5.0, reference.centres[150:160], reference.measures[150:160], reference.covariates[150:160]
    )
    np.testing.assert_allclose(answer[150:160], deviations(part, reference))
