"""What differs from the slices above and below more than tissue alike does stands out.

What the neighbours predict does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dfd.evidence import adjacent_planes, adjacent_slices
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.records import Context, FloatImage, Prediction, Region
from tests.evidence.one_family import measure_region

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
SHAPE = (192, 192)
PLACE, CLICK = (120.0, 90.0), Region(120.0, 90.0, 12.0, 10.0)
INSIDE = disk(*SHAPE, PLACE, 12.0)


def stack(level: float = 40.0, noise: float = 10.0) -> list[FloatImage]:
    """Three slices of slowly changing anatomy, each with grain of its own.

    The left half changes fast from slice to slice.
    """
    rng = np.random.default_rng(4)
    still, moving = (gaussian_filter(rng.normal(size=SHAPE), sigma) for sigma in (6.0, 3.0))
    fast = np.arange(SHAPE[1]) < SHAPE[1] // 3
    made = []
    for number in range(3):
        anatomy = 300.0 * still + fast * 400.0 * np.roll(moving, 3 * number, axis=0)
        made.append(
            (level + anatomy + gaussian_filter(rng.normal(size=SHAPE), 0.7) * noise * 2.0).astype(
                np.float32
            )
        )
    return made


def predicted(pixels: FloatImage) -> Prediction:
    mean = gaussian_filter(pixels, 1.0)
    return Prediction(
        mean,
        np.full(SHAPE, 8.0, np.float32),
        ((pixels - mean) / 8.0).astype(np.float32),
        np.ones(SHAPE, bool),
        10.0,
    )


def smooth_noise(height: float) -> FloatImage:
    grain = gaussian_filter(np.random.default_rng(7).normal(size=SHAPE), 2.0)
    return np.where(INSIDE, grain / grain.std() * height, 0.0).astype(np.float32)


def statistic(pixels: FloatImage, context: Context, region: Region = CLICK) -> float:
    return measure_region(adjacent_slices.FAMILY, region, predicted(pixels), CT, context).statistic


def test_smooth_noise_in_one_slice_stands_out() -> None:
    below, pixels, above = stack()
    beside = Context(below, above, (2.5, 2.5))
    before, after = statistic(pixels, beside), statistic(pixels + smooth_noise(15.0), beside)
    assert before < 3.0
    assert after > before + 3.0


def test_an_edit_of_all_three_slices_alike_does_not_count() -> None:
    added = smooth_noise(15.0)
    below, pixels, above = stack()
    assert statistic(pixels + added, Context(below + added, above + added, (2.5, 2.5))) < 3.5


def test_where_anatomy_moves_more_is_expected() -> None:
    below, pixels, above = stack()
    moving = Region(24.0, 90.0, 12.0)
    assert statistic(pixels, Context(below, above, (2.5, 2.5)), moving) < 3.5


def test_what_was_interpolated_from_the_neighbours_is_seen_and_said() -> None:
    below, pixels, above = stack()
    made = np.where(INSIDE, (below + above) / 2.0, pixels).astype(np.float32)
    found = measure_region(
        adjacent_slices.FAMILY, CLICK, predicted(made), CT, Context(below, above)
    )
    assert found.statistic > 3.0
    assert "less than the same tissue" in found.reason


def test_the_reason_names_the_slices_above_and_below() -> None:
    wanted = (
        "this region differs from the slices above and below more than the same tissue elsewhere "
        "in this slice, 6.1 times the usual variation"
    )
    assert adjacent_slices.reason_for({"difference": 6.14}) == wanted


def test_nearer_neighbours_count_more() -> None:
    below, pixels, above = (np.full(SHAPE, value, np.float32) for value in (0.0, 10.0, 40.0))
    difference, between, known = adjacent_planes.difference_of(
        predicted(pixels), Context(below, above, (1.0, 3.0))
    )
    assert known.all()
    np.testing.assert_allclose(between, 10.0)
    np.testing.assert_allclose(difference, 0.0, atol=1e-4)


def test_what_a_neighbour_does_not_measure_is_not_compared() -> None:
    below, pixels, above = stack()
    above = np.where(INSIDE, np.nan, above).astype(np.float32)
    found = measure_region(
        adjacent_slices.FAMILY, CLICK, predicted(pixels), CT, Context(below, above)
    )
    assert np.isnan(found.statistic)
    assert "less than 60 %" in found.obstacle


def test_the_family_comes_last_and_only_with_neighbours() -> None:
    below, pixels, above = stack()
    lone = SliceEvidence(predicted(pixels), CT).measure(CLICK)
    beside = SliceEvidence(predicted(pixels), CT, Context(below, above, (2.5, 2.5)))
    assert [each.family for each in lone] == ["noise", "copy_move", "synthesis", "texture"]
    assert list(beside.measure(CLICK)[:4]) == list(lone)
    assert beside.measure_all([CLICK])[0][4] == beside.measure(CLICK)[4]
    assert beside.measure(CLICK)[4].family == "neighbours"


@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_the_unit_of_mr_does_not_matter(factor: float) -> None:
    below, pixels, above = (factor * one for one in stack(400.0))
    of = predicted(pixels)
    of = replace(
        of,
        spread=of.spread * np.float32(factor),
        z=of.z / np.float32(factor),
        noise_scale=10.0 * factor,
    )
    found = measure_region(adjacent_slices.FAMILY, CLICK, of, MR, Context(below, above))
    assert found.statistic == pytest.approx(1.4, abs=1.2)


def test_a_slice_without_measured_pixels_has_an_obstacle() -> None:
    below, pixels, above = stack()
    nothing = Context(np.full_like(below, np.nan), above)
    assert measure_region(adjacent_slices.FAMILY, CLICK, predicted(pixels), CT, nothing).obstacle
