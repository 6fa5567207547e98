"""Noise evidence: two-sided, local, and silent where nothing can be said."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.runner.cli import RESULTS
from dfd.evidence import noise, reference_windows
from dfd.evidence.window_features import GRAIN, MEASURES
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.records import Evidence, FloatImage, Prediction, Region
from tests.evidence.one_family import measure_region, measure_regions

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
SHAPE = (160, 160)
RADIUS = 12.0
CLICK = Region(80.0, 70.0, RADIUS)


def white(seed: int = 0, shape: tuple[int, int] = SHAPE, level: float = 40.0) -> Prediction:
    rng = np.random.default_rng(seed)
    mean = level + 15.0 * gaussian_filter(rng.normal(0, 1, shape), 8.0) * 20
    z = rng.normal(0, 1, shape)
    return Prediction(
        mean.astype(np.float32),
        np.full(shape, 10.0, np.float32),
        z.astype(np.float32),
        np.ones(shape, bool),
        10.0,
    )


def with_z(prediction: Prediction, z: FloatImage) -> Prediction:
    return replace(prediction, z=z.astype(np.float32))


def measured(prediction: Prediction, region: Region = CLICK) -> Evidence:
    return measure_region(noise.FAMILY, region, prediction, CT)


def tissue_of(prepared: reference_windows.SliceReference) -> str:
    return reference_windows.dominant_tissue(CLICK, prepared.labels(), prepared.modality)


def inside(region: Region = CLICK, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return disk(shape[0], shape[1], (region.x, region.y), region.radius_px)


def test_white_noise_is_ordinary() -> None:
    places = np.random.default_rng(9).uniform(15, 145, (40, 2))
    regions = [Region(float(x), float(y), RADIUS) for x, y in places]
    found = measure_regions(noise.FAMILY, regions, white(), CT)
    assert np.median([each.statistic for each in found]) == pytest.approx(
        1.25, abs=0.25
    )  # the largest of three scales
    assert max(each.statistic for each in found) < 3.5
    assert abs(np.median([list(each.measures.values()) for each in found])) < 0.5
    assert all(tuple(each.measures) == MEASURES and not each.obstacle for each in found)


def test_the_ordinary_window_of_a_slice_has_statistic_one() -> None:
    scale = reference_windows.prepare(white(), RADIUS, CT).own_first[0]
    statistics = noise.statistic(scale.own) / scale.ordinary(noise.statistic)
    assert len(statistics) == len(scale.table.centres) > 200
    assert np.nanmedian(statistics.numpy()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("factor", [1.5, 1 / 1.5])
def test_noise_of_another_strength_is_seen_in_both_directions(factor: float) -> None:
    genuine = white()
    edited = with_z(genuine, np.where(inside(), genuine.z * np.sqrt(factor), genuine.z))
    before, after = measured(genuine), measured(edited)
    assert after.statistic > max(2.0, 1.5 * before.statistic)
    assert np.sign(after.measures["energy"]) == np.sign(factor - 1)
    assert abs(after.measures["energy"]) > 2.5
    assert ("stronger" if factor > 1 else "weaker") in after.reason


def test_smoothing_with_the_energy_kept_is_seen() -> None:
    genuine = white()
    smooth = gaussian_filter(genuine.z, 0.6)
    smooth *= genuine.z.std() / smooth.std()
    after = measured(with_z(genuine, np.where(inside(), smooth, genuine.z)))
    assert after.statistic > 3.0
    assert after.measures["correlation 0,1"] > 3.0
    assert "more alike from pixel to pixel" in after.reason


def test_sharpening_is_seen_as_well() -> None:
    genuine = white()
    sharp = genuine.z - gaussian_filter(genuine.z, 0.8)
    sharp *= genuine.z.std() / sharp.std()
    after = measured(with_z(genuine, np.where(inside(), sharp, genuine.z)))
    assert after.statistic > 2.0
    assert "less alike" in after.reason


def test_white_noise_is_told_by_its_direction() -> None:
    """Noise that is added to a whole neighbourhood.

    As a network that sees its neighbours leaves it.
    """
    deviation = torch.zeros(2, len(MEASURES), dtype=torch.float64)
    deviation[0, GRAIN] = torch.tensor(noise.WHITE, dtype=torch.float64)
    deviation *= 2.0 / deviation.norm()
    deviation[1, GRAIN] = -deviation[0, GRAIN]
    added, away = noise.statistic(deviation).tolist()
    assert added > 2.0 * away
    assert noise.whiteness(deviation).tolist() == pytest.approx(
        [2.0 * np.linalg.norm(noise.WHITE), -2.0 * np.linalg.norm(noise.WHITE)]
    )
    assert noise.grain_deviation(deviation).tolist() == pytest.approx([2.0 / np.sqrt(7.0)] * 2)


def test_the_direction_is_the_one_that_was_measured() -> None:
    told = json.loads((RESULTS / "noise_direction.json").read_text(encoding="utf-8"))
    assert told["measures"] == list(MEASURES[GRAIN])
    assert told["weights"] == list(noise.WHITE), (
        "run python -m benchmarks.studies.noise_direction and copy its weights"
    )


def test_an_edit_far_from_the_region_hardly_moves_its_statistic() -> None:
    genuine = white()
    far = Region(30.0, 130.0, RADIUS)
    edited = with_z(genuine, np.where(inside(far), genuine.z * 2, genuine.z))
    assert measured(edited).statistic == pytest.approx(measured(genuine).statistic, rel=0.15)
    assert measured(edited, far).statistic > 4.0


def test_a_click_a_little_off_does_not_excuse_the_edit() -> None:
    genuine = white()
    edited = with_z(genuine, np.where(inside(), genuine.z * 1.6, genuine.z))
    assert measured(edited, Region(84.0, 67.0, RADIUS)).statistic > 3.0


@pytest.mark.parametrize(
    "click", [Region(3.0, 3.0, RADIUS), Region(159.4, 159.5, RADIUS), Region(-0.5, 80.0, RADIUS)]
)
def test_a_region_cut_by_the_border_says_why_it_cannot_be_judged(click: Region) -> None:
    evidence = measured(white(), click)
    assert evidence.obstacle == reference_windows.NO_SUPPORT
    assert np.isnan(evidence.statistic)


def test_the_outer_half_of_the_last_pixel_belongs_to_it() -> None:
    """Rounding 159.5 gives 160, which is no pixel of a slice of 160."""
    assert np.isfinite(measured(white(), Region(159.5, 80.0, 6.0)).statistic) == np.isfinite(
        measured(white(), Region(159.0, 80.0, 6.0)).statistic
    )


def test_air_is_not_assessable() -> None:
    genuine = white()
    genuine.assessed[40:100, 50:110] = False
    evidence = measured(genuine)
    assert "air, padding or outside the body, as a couch is" in evidence.obstacle
    assert evidence.measures == {}
    assert evidence.tissue == ""


@pytest.mark.parametrize("shape", [(8, 8), (30, 30), (46, 46)])
def test_a_tiny_slice_is_not_assessable(shape: tuple[int, int]) -> None:
    evidence = measured(white(shape=shape), Region(shape[1] / 2, shape[0] / 2, RADIUS))
    assert evidence.obstacle in (reference_windows.NO_SUPPORT, reference_windows.NO_REFERENCE)
    assert np.isnan(evidence.statistic)


def test_a_slice_with_little_tissue_cannot_say_what_is_ordinary() -> None:
    genuine = white()
    genuine.assessed[:] = inside(Region(80.0, 70.0, 26.0))
    assert measured(genuine).obstacle == reference_windows.NO_REFERENCE


def test_a_prediction_without_any_assessed_pixel() -> None:
    nothing = replace(
        white(),
        assessed=np.zeros(SHAPE, bool),
        z=np.zeros(SHAPE, np.float32),
        noise_scale=float("nan"),
    )
    evidence = measured(nothing)
    assert evidence.obstacle
    assert reference_windows.prepare(nothing, RADIUS, CT).table.centres.shape == (0, 2)


def test_residuals_of_exactly_zero_are_no_finding() -> None:
    assert measured(with_z(white(), np.zeros(SHAPE))).obstacle


@pytest.mark.parametrize(
    ("level", "tissue"), [(-800.0, "lung"), (-100.0, "fat"), (60.0, "soft tissue"), (-1500.0, "")]
)
def test_tissue_is_what_most_of_the_region_is(level: float, tissue: str) -> None:
    genuine = white()
    mean = np.where(inside(Region(80.0, 70.0, RADIUS - 2)), level, 300.0).astype(np.float32)
    assert tissue_of(reference_windows.prepare(replace(genuine, mean=mean), RADIUS, CT)) == (
        tissue or "bone or contrast"
    )


def test_tissue_of_mr_is_relative_to_the_slice() -> None:
    genuine = white(level=400.0)
    mean = np.where(inside(), 80.0, 400.0).astype(np.float32)
    for factor in (1.0, 9.0):
        louder = replace(genuine, mean=mean * factor, noise_scale=10.0 * factor)
        assert tissue_of(reference_windows.prepare(louder, RADIUS, MR)) == "dark tissue"


@pytest.mark.parametrize(
    ("largest", "words"),
    [
        ("energy", "noise here is stronger"),
        ("correlation 0,1", "across"),
        ("correlation 1,0", "down"),
        ("correlation 1,-1", "on the diagonal"),
        ("correlation 2,0", "two pixels down"),
    ],
)
def test_the_reason_names_the_largest_measure(largest: str, words: str) -> None:
    measures = dict.fromkeys(MEASURES, -0.5) | {largest: 6.25}
    sentence = noise.reason_for(measures)
    assert words in sentence
    assert "6.2 times the usual variation" in sentence


def test_preparing_leaves_the_prediction_alone() -> None:
    genuine = white()
    before = [plane.copy() for plane in (genuine.mean, genuine.spread, genuine.z, genuine.assessed)]
    measured(genuine)
    for plane, kept in zip(
        (genuine.mean, genuine.spread, genuine.z, genuine.assessed), before, strict=True
    ):
        np.testing.assert_array_equal(plane, kept)
