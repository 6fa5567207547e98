"""Copies from another slice of the series are found there.

And anatomy that goes on from slice to slice is none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dfd.evidence import series_copy
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.records import Context, Evidence, FloatImage, Prediction, Region, SeriesSlice
from tests.evidence.one_family import measure_region

CT = MODALITIES["ct_lung"]
SHAPE = (160, 160)
CLICK = Region(60.0, 70.0, 12.0)
SHIFT = (34, 53)
"""(row, column) steps from the copy to its source."""
NOISE_HU = 12.0


def slice_of(seed: int) -> FloatImage:
    """Grainy tissue in HU."""
    rng = np.random.default_rng(seed)
    grain = gaussian_filter(rng.normal(size=SHAPE), 0.6)
    vessels = gaussian_filter(
        np.random.default_rng(99).normal(size=SHAPE), 5.0
    )  # the same in every slice
    return np.rint(40.0 + 60.0 * vessels / vessels.std() + NOISE_HU * grain / grain.std()).astype(
        np.float32
    )


def prediction_of(pixels: FloatImage) -> Prediction:
    mean = gaussian_filter(pixels, 2.0)
    spread = np.full(SHAPE, NOISE_HU, np.float32)
    return Prediction(
        mean,
        spread,
        ((pixels - mean) / spread).astype(np.float32),
        np.ones(SHAPE, bool),
        noise_scale=NOISE_HU,
    )


def others() -> tuple[SeriesSlice, ...]:
    return tuple(SeriesSlice(f"{number}.dcm", slice_of(number)) for number in range(1, 6))


def measured(pixels: FloatImage, among: tuple[SeriesSlice, ...]) -> Evidence:
    context = Context(among[0].pixels, among[1].pixels, others=among)
    return measure_region(series_copy.FAMILY, CLICK, prediction_of(pixels), CT, context)


def edited(content: FloatImage) -> FloatImage:
    return np.where(disk(*SHAPE, (CLICK.x, CLICK.y), 12.0), content, slice_of(0)).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_copy_from_another_slice_is_found_and_named(noise: float) -> None:
    among = others()
    grain = noise * NOISE_HU * np.random.default_rng(7).normal(size=SHAPE)
    found = measured(
        edited(np.roll(among[3].pixels, (-SHIFT[0], -SHIFT[1]), axis=(0, 1)) + grain), among
    )
    assert found.statistic > 1.6
    assert found.source_file == "4.dcm"
    assert (found.source_x, found.source_y) == pytest.approx(
        (CLICK.x + SHIFT[1], CLICK.y + SHIFT[0])
    )
    assert " in 4.dcm" in found.reason


def test_a_mirrored_copy_is_found() -> None:
    among = others()
    found = measured(edited(np.roll(among[2].pixels[:, ::-1], (-20, 5), axis=(0, 1))), among)
    assert found.statistic > 1.6
    assert found.source_file == "3.dcm"
    assert "mirrored" in found.reason


def test_genuine_slices_with_the_same_anatomy_are_ordinary() -> None:
    assert measured(slice_of(0), others()).statistic < 1.4


def test_a_series_of_identical_slices_does_not_fire() -> None:
    same = tuple(SeriesSlice(f"{number}.dcm", slice_of(0)) for number in range(4))
    assert measured(slice_of(0), same).statistic < 1.4


def test_overlapping_slices_share_noise_at_the_same_place_which_is_no_copy() -> None:
    beside = SeriesSlice("1.dcm", (0.7 * slice_of(0) + 0.3 * slice_of(1)).astype(np.float32))
    assert measured(slice_of(0), (beside, SeriesSlice("2.dcm", slice_of(2)))).statistic < 1.4


def test_another_slice_is_prepared_once() -> None:
    among = others()
    measured(slice_of(0), among)
    kept = [list(map(id, one.prepared.values())) for one in among]
    measured(slice_of(8), among)
    assert [list(map(id, one.prepared.values())) for one in among] == kept


def test_without_other_slices_nothing_can_be_said() -> None:
    found = measured(slice_of(0), others()[:2])
    assert np.isfinite(found.statistic)
    alone = Context(slice_of(1), slice_of(2))
    of = prediction_of(slice_of(0))
    assert measure_region(series_copy.FAMILY, CLICK, of, CT, alone).obstacle == series_copy.NO_PLACE


def test_slices_of_nothing_are_no_place_to_be_copied_from() -> None:
    blank = SeriesSlice("1.dcm", np.full(SHAPE, np.nan, np.float32))
    context = Context(slice_of(1), slice_of(2), others=(blank,))
    of = prediction_of(slice_of(0))
    assert measure_region(series_copy.FAMILY, CLICK, of, CT, context).obstacle


def test_a_lone_slice_has_no_such_evidence() -> None:
    of = prediction_of(slice_of(0))
    assert [each.family for each in SliceEvidence(of, CT).measure(CLICK)] == [
        "noise",
        "copy_move",
        "synthesis",
        "texture",
    ]
    among = others()
    beside = SliceEvidence(of, CT, Context(among[0].pixels, among[1].pixels, others=among)).measure(
        CLICK
    )
    assert [each.family for each in beside] == [
        "noise",
        "copy_move",
        "synthesis",
        "texture",
        "neighbours",
        "series_copy",
    ]
    assert beside[-1] == replace(beside[-1], family="series_copy")
