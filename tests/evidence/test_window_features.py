"""Numbers of many windows at once, against plain loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from dfd.evidence.reference_windows import scale_of
from dfd.evidence.running_sums import disk_offsets, running_sums
from dfd.evidence.similar_windows import (
    EXCLUSION_RADII,
    candidates_of,
    deviations,
    deviations_among,
)
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
    sums_of,
)
from dfd.evidence.window_table import MIN_REFERENCE, WindowTable
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


def places(*centres: tuple[int, int]) -> torch.Tensor:
    return torch.tensor(centres)


def windows_of(given: Prediction, centres: torch.Tensor, modality: Modality = CT) -> WindowTable:
    (table,) = measure_windows(sums_of(given, modality), 8.0, centres, [8.0])
    return table


@pytest.mark.parametrize("lag", LAGS)
def test_shifted_product_is_that_of_real_neighbours(lag: tuple[int, int]) -> None:
    given = prediction((7, 9))
    z, known = given.z.astype(np.float64), given.assessed
    product, both = _shifted_product(torch.from_numpy(z), torch.from_numpy(known), lag)
    for row in range(7):
        for column in range(9):
            r, c = row + lag[0], column + lag[1]
            pair = 0 <= r < 7 and 0 <= c < 9 and known[row, column] and known[r, c]
            assert both[row, column] == pair
            assert product[row, column] == (z[row, column] * z[r, c] if pair else 0.0)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("radius", [0.0, 2.0, 3.7, 6.0])
def test_sums_hold_the_disk_and_nothing_beyond_the_slice(
    rng: np.random.Generator, radius: float, dtype: torch.dtype, atol: float
) -> None:
    planes = np.zeros((3, 14, 18))
    planes[:, 1:13, 2:17] = rng.normal(size=(3, 12, 15))  # the rest is cut off
    centres = np.array([(x, y) for y in range(14) for x in range(18)], dtype=np.int64)
    part = torch.from_numpy(planes[:, 1:13, 2:17].copy()).to(dtype)
    sums = running_sums(part, corner=(1, 2)).over(torch.from_numpy(centres), radius).numpy()
    rows, columns = np.mgrid[:14, :18]
    for (x, y), got in zip(centres, sums, strict=True):
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        np.testing.assert_allclose(got, planes[:, inside].sum(axis=1), atol=atol)


def test_a_slice_that_holds_nothing_sums_to_nothing() -> None:
    given = prediction()
    given.assessed[:] = False
    assert not sums_of(given, CT).over(places((4, 4)), 3.0).any()


def test_disk_offsets_are_symmetric_and_round() -> None:
    offsets = {tuple(offset) for offset in disk_offsets(10.0)}
    assert offsets == {(-row, -column) for row, column in offsets}
    assert len(offsets) == pytest.approx(np.pi * 100, rel=0.02)
    assert {(10, 0), (0, -10)} <= offsets
    assert (8, 8) not in offsets


def test_measures_of_one_window_by_hand() -> None:
    given = prediction()
    table = windows_of(given, places((40, 30)))
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
    added, replaced = windows_of(with_head, places((40, 30))).measures[0, -2:]
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
    centre = places((40, 30))
    before, after = (windows_of(each, centre) for each in (given, edited))
    np.testing.assert_allclose(
        before.measures, after.measures, rtol=1e-9
    )  # running sums pass the edit
    edited.z[30, 40] += 2.0
    assert (windows_of(edited, centre).measures != before.measures).any()


def test_measures_do_not_depend_on_the_other_windows_asked_for() -> None:
    given = prediction()
    together = windows_of(given, places((20, 20), (40, 30), (90, 80)))
    alone = windows_of(given, places((40, 30)))
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
    covariates = windows_of(given, places((40, 30))).covariates[0]
    assert covariates[3] == pytest.approx(np.median(energies))
    assert covariates[4:].tolist() == [40.0, 30.0]
    alone = prediction()
    alone.assessed[away > 8] = False
    energy = (z[alone.assessed] ** 2).mean()
    assert windows_of(alone, places((40, 30))).covariates[0, 3] == pytest.approx(np.log(energy))


def test_what_lies_on_one_side_does_not_move_the_background() -> None:
    given, edited = prediction(), prediction()
    edited.z[:, 46:] *= 3.0
    before, after = (
        local_background(sums_of(each, CT), places((40, 30)), 8.0)[0] for each in (given, edited)
    )
    assert abs(after - before) < 0.5 < np.log(9.0)


def test_windows_without_support_are_nan_and_dropped() -> None:
    given = prediction()
    given.assessed[:, :30] = False
    table = windows_of(given, places((10, 40), (30, 40), (60, 40)))
    assert table.measures[:2].isnan().all()
    assert table.measures[2].isfinite().all()
    assert table.has_support.tolist() == [False, False, True]
    assert scale_of(table).table.centres.tolist() == [[60, 40]]


def test_wild_residuals_are_cut() -> None:
    given = prediction()
    wild = prediction()
    wild.z[30, 40] = 1e5
    before, after = (windows_of(each, places((40, 30))).measures[0, 0] for each in (given, wild))
    assert 0 < after - before < 0.3


def test_covariates_of_mr_do_not_depend_on_the_unit() -> None:
    given = prediction(mean=400.0)
    louder = Prediction(
        given.mean * 9, given.spread * 9, given.z, given.assessed, given.noise_scale * 9
    )
    centre = places((40, 30))
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


def table_of(radius: float, centres: Any, measures: Any, covariates: Any) -> WindowTable:
    return WindowTable(
        radius,
        torch.as_tensor(centres),
        torch.as_tensor(measures, dtype=torch.float64),
        torch.as_tensor(covariates, dtype=torch.float64),
    )


def line_of_windows(count: int, value: float = 0.0, radius: float = 5.0) -> WindowTable:
    rng = np.random.default_rng(2)
    centres = np.stack([np.arange(count) * 6, np.zeros(count, dtype=int)], axis=1)
    return table_of(
        radius, centres, rng.normal(value, 1.0, (count, 7)), rng.normal(size=(count, 3))
    )


def test_reference_leaves_out_windows_near_the_asked_one() -> None:
    table = line_of_windows(40)
    apart = (table.centres - table.centres[20]).double().norm(dim=1)
    near = apart < EXCLUSION_RADII * table.radius
    assert 1 < near.sum() < 10
    measures = table.measures.clone()
    measures[near] = 1e6
    asked = table_of(table.radius, table.centres[20:21], np.zeros((1, 7)), table.covariates[20:21])
    before = deviations(asked, table)
    after = deviations(asked, replace(table, measures=measures))
    # The floor of the spread is taken over the whole slice and may move a little; a window of a
    # million would move it out of sight.
    np.testing.assert_allclose(after, before, atol=1.0)
    far = table.measures.clone()
    far[~near] = 1e6
    assert (deviations(asked, replace(table, measures=far)).abs() > 10).any()


def test_deviation_is_in_robust_spreads_of_the_reference_windows() -> None:
    reference = line_of_windows(40)
    centres = np.array([[10_000, 0], [10_000, 500]])
    asked = table_of(5.0, centres, np.stack([np.zeros(7), np.full(7, 8.0)]), np.zeros((2, 3)))
    answer = deviations(asked, reference).numpy()
    assert np.abs(answer[0]).max() < 1.0
    measures = reference.measures.numpy()
    middle = np.median(measures, axis=0)
    spread = 1.4826 * np.median(np.abs(measures - middle), axis=0)
    np.testing.assert_allclose(answer[1], (8.0 - middle) / spread, rtol=0.25)


def test_reference_windows_are_the_similar_ones() -> None:
    """Two tissues with their own energy: a window is compared with its own kind."""
    rng = np.random.default_rng(2)
    tissue = np.repeat([0.0, 10.0], 60)
    centres = np.stack([np.arange(120) * 20, np.zeros(120, dtype=int)], axis=1)
    measures = rng.normal(tissue[:, None], 0.5, (120, 7))
    covariates = np.stack([tissue, rng.normal(size=120), rng.normal(size=120)], axis=1)
    reference = table_of(5.0, centres, measures, covariates)
    asked = table_of(
        5.0,
        np.array([[-500, 0], [-500, 0]]),
        np.full((2, 7), 10.0),
        np.array([[10.0, 0, 0], [0.0, 0, 0]]),
    )
    same, other = deviations(asked, reference).abs().mean(dim=1)
    assert same < 1.0
    assert other > 1.5


@pytest.mark.parametrize("count", [0, 1, MIN_REFERENCE - 1])
def test_too_few_windows_give_nan(count: int) -> None:
    asked = table_of(5.0, [[10_000, 0]], np.zeros((1, 7)), np.zeros((1, 3)))
    assert deviations(asked, line_of_windows(count)).isnan().all()


def test_too_few_windows_apart_give_nan() -> None:
    reference = line_of_windows(20)
    crowded = replace(reference, centres=reference.centres // 20)
    asked = table_of(5.0, [[0, 0], [10_000, 0]], np.zeros((2, 7)), np.zeros((2, 3)))
    answer = deviations(asked, crowded)
    assert answer[0].isnan().all()
    assert answer[1].isfinite().all()


def plain_deviations(asked: WindowTable, reference: WindowTable) -> np.ndarray:
    """One window after another, by sorting all distances."""
    covariates, measures = reference.covariates.numpy(), reference.measures.numpy()

    def spread(values: np.ndarray) -> np.ndarray:
        return 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)

    answers = []
    for centre, own, covariate in zip(
        asked.centres.numpy(), asked.measures.numpy(), asked.covariates.numpy(), strict=True
    ):
        apart = np.hypot(*(reference.centres.numpy() - centre).T) >= 2.2 * asked.radius
        away = (((covariates - covariate) / np.maximum(spread(covariates), 1e-3)) ** 2).sum(axis=1)
        if apart.sum() < MIN_REFERENCE:
            answers.append(np.full(own.shape, np.nan))
            continue
        alike = measures[np.argsort(np.where(apart, away, np.inf))[: min(40, apart.sum())]]
        least = np.maximum(0.5 * spread(measures), 1e-3)
        answers.append((own - np.median(alike, axis=0)) / np.maximum(spread(alike), least))
    return np.array(answers)


def lattice_of_windows(side: int, outlying: float = 1.0) -> WindowTable:
    """A lattice of ``side`` times ``side`` windows, a few of them unlike all others."""
    rng = np.random.default_rng(5)
    centres = 6 * np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    covariates = np.concatenate([rng.normal(size=(side**2, 4)), centres / 100.0], axis=1)
    covariates[::97] *= outlying
    return table_of(10.0, centres, rng.normal(size=(side**2, 9)), covariates)


@pytest.mark.parametrize(("side", "outlying"), [(7, 1.0), (8, 1.0), (9, 1.0), (40, 1.0), (40, 1e4)])
def test_deviations_are_those_of_a_plain_search(side: int, outlying: float) -> None:
    reference = lattice_of_windows(side, outlying)
    asked = reference.rows(torch.arange(0, side**2, 7))
    found, wanted = deviations(asked, reference).numpy(), plain_deviations(asked, reference)
    assert np.isfinite(found).any()
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_candidates_serve_a_table_of_some_of_the_windows() -> None:
    whole = lattice_of_windows(40)
    asked = whole.rows(torch.arange(3, 1600, 11))
    # Half of the windows to one side, so that most candidates are missing.
    for kept in (torch.arange(0, 1600, 2), torch.arange(0, 700), torch.arange(5)):
        part = whole.rows(kept)
        found = deviations_among(asked, candidates_of(asked, whole).among(kept, part))
        np.testing.assert_array_equal(found, deviations(asked, part))


def test_windows_are_compared_with_a_slice_together_as_one_by_one() -> None:
    reference = lattice_of_windows(40)
    answer = deviations(reference, reference)
    assert answer.isfinite().all()
    for part in (slice(150, 160), slice(77, 78)):
        np.testing.assert_array_equal(answer[part], deviations(reference.rows(part), reference))
