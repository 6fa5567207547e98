"""Every simple edit obeys the law of pasting back, and does what its name says."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import benchmarks.attacks
from benchmarks.attacks import SIMPLE_EDITS, Canvas, copy_move
from benchmarks.attacks.canvas import blended, paste, residual_scale, weights
from dfd.prediction.masks import disk

EVERY = {**SIMPLE_EDITS, **copy_move.COPY_MOVES}


@pytest.fixture
def canvas(rng):
    """A smooth slice with noise of deviation 20, padding in a corner and a few lost pixels."""
    mean = gaussian_filter(rng.normal(size=(128, 128)), 12) * 3000 + 40
    pixels = np.rint(mean + rng.normal(0, 20, mean.shape)).astype(np.float32)
    pixels[:30, :30] = np.nan
    pixels[62:64, 70] = np.nan
    return Canvas(pixels, mean.astype(np.float32), mean.astype(np.float32))


@pytest.fixture
def mask():
    return disk(128, 128, (70.0, 66.0), 12.0)


@pytest.mark.parametrize("kind", EVERY)
def test_outside_the_mask_nothing_changes_and_inside_stand_whole_numbers_of_the_range(
    canvas, mask, rng, kind
):
    before = canvas.pixels.copy()
    edited = EVERY[kind](canvas, mask, rng)
    assert edited.dtype == np.float32
    np.testing.assert_array_equal(edited[~mask], before[~mask])
    np.testing.assert_array_equal(np.isnan(edited), np.isnan(before))
    np.testing.assert_array_equal(canvas.pixels, before)  # the canvas itself is never painted on
    inside = edited[mask & np.isfinite(edited)]
    np.testing.assert_array_equal(inside, np.rint(inside))
    assert np.nanmin(before) <= inside.min() <= inside.max() <= np.nanmax(before)


@pytest.mark.parametrize("kind", EVERY)
def test_all_but_the_null_edit_change_something_and_the_same_seed_gives_the_same(
    canvas, mask, kind
):
    once, again = (EVERY[kind](canvas, mask, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    changed = np.nanmax(np.abs(once - canvas.pixels)) > 0
    assert changed == (not kind.startswith("null edit"))


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_white_noise_has_the_strength_it_is_named_after(canvas, mask, rng, strength):
    edited = SIMPLE_EDITS[f"white noise {strength} x residual"](canvas, mask, rng)
    added = (edited - canvas.pixels)[mask]
    assert np.nanstd(added) == pytest.approx(strength * residual_scale(canvas, mask), rel=0.12)


def test_smooth_noise_is_smooth(canvas, mask, rng):
    added = np.nan_to_num(
        SIMPLE_EDITS["smooth noise 1.0 x residual, sigma 2 px"](canvas, mask, rng) - canvas.pixels
    )
    neighbours = mask & np.roll(mask, 1, axis=1)
    assert np.corrcoef(added[neighbours], np.roll(added, 1, axis=1)[neighbours])[0, 1] > 0.8


def test_hard_copy_move_repeats_another_place_exactly(canvas, mask, rng):
    down, right = copy_move.source_shift(canvas.pixels, mask, np.random.default_rng(3))
    edited = SIMPLE_EDITS["copy-move, hard edge"](canvas, mask, np.random.default_rng(3))
    here = mask & np.isfinite(canvas.pixels)
    np.testing.assert_array_equal(
        edited[here], np.roll(canvas.pixels, (-down, -right), axis=(0, 1))[here]
    )
    source = np.roll(mask, (down, right), axis=(0, 1))
    assert not (source & mask).any()


@pytest.mark.parametrize("kind", ["copy-move, mirrored", "copy-move, quarter turns"])
def test_flips_and_quarter_turns_repeat_another_place_exactly(canvas, mask, kind):
    """Whichever was drawn.

    In the middle of the mask, which is not faded, stand the very values of a place of the slice.
    """
    whole = replace(
        canvas, pixels=np.where(np.isnan(canvas.pixels), 0.0, canvas.pixels).astype(np.float32)
    )
    core = copy_move.COPY_MOVES[kind](whole, mask, np.random.default_rng(4))[61:72, 65:76]
    back = (
        [core[::-1], core[:, ::-1]]
        if kind.endswith("mirrored")
        else [np.rot90(core, turns) for turns in (1, 2, 3)]
    )
    windows = np.lib.stride_tricks.sliding_window_view(whole.pixels, core.shape)
    assert sum(int((windows == each).all(axis=(2, 3)).sum()) for each in back) == 1


@pytest.mark.parametrize(
    "kind", ["copy-move, rotated up to 15 degrees", "copy-move, scaled 0.9 to 1.1"]
)
def test_resampled_copies_keep_mean_and_strength_of_a_place(canvas, mask, kind):
    edited = copy_move.COPY_MOVES[kind](canvas, mask, np.random.default_rng(3))
    core = edited[60:73, 64:77]
    assert 0.6 < np.nanstd(core - gaussian_filter(np.nan_to_num(core, nan=40.0), 3)) / 20.0 < 1.2
    assert np.isfinite(edited[mask]).sum() == np.isfinite(canvas.pixels[mask]).sum()


def test_poisson_blending_keeps_the_differences_of_the_source_and_meets_the_rim(canvas, mask):
    whole = replace(
        canvas, pixels=np.where(np.isnan(canvas.pixels), 0.0, canvas.pixels).astype(np.float32)
    )
    ramp = (np.arange(128)[:, None] * 3.0).astype(np.float32)
    membrane = copy_move._membrane(
        np.broadcast_to(ramp, whole.pixels.shape).astype(np.float32), mask
    )
    np.testing.assert_allclose(
        membrane[mask], np.broadcast_to(ramp, mask.shape)[mask], atol=1e-2
    )  # a plane is harmonic
    assert not membrane[~mask].any()
    assert not copy_move._membrane(
        np.where(mask, 1.0, np.nan).astype(np.float32), mask
    ).any()  # nothing around to meet


def test_renoised_copies_add_what_they_are_named_after(canvas, mask):
    plain, noisy = (
        copy_move.COPY_MOVES[kind](canvas, mask, np.random.default_rng(3))
        for kind in ("copy-move, feathered 3 px", "copy-move, white noise 1.0 x residual")
    )
    core = np.isfinite(plain) & disk(128, 128, (70.0, 66.0), 8.0)
    assert (noisy - plain)[core].std() == pytest.approx(residual_scale(canvas, mask), rel=0.2)


def test_a_copy_from_another_slice_holds_a_place_of_it(canvas, mask):
    whole = np.where(np.isnan(canvas.pixels), 0.0, canvas.pixels).astype(np.float32)
    stack = np.stack([whole, np.rint(whole[::-1] + 7.0)])
    edited = copy_move.across(
        replace(canvas, pixels=whole, stack=stack, index=0), mask, np.random.default_rng(5)
    )
    np.testing.assert_array_equal(edited[~mask], whole[~mask])
    core = edited[61:72, 65:76]
    found = [
        (np.lib.stride_tricks.sliding_window_view(each, core.shape) == core).all(axis=(2, 3)).sum()
        for each in stack
    ]
    assert found == [0, 1]
    np.testing.assert_array_equal(
        copy_move.across(replace(canvas, pixels=whole), mask, np.random.default_rng(5)), whole
    )


@pytest.mark.parametrize("kind", copy_move.COPY_MOVES)
def test_without_a_place_to_copy_from_the_slice_stays_as_it_is(kind):
    pixels = np.full((40, 40), np.nan, dtype=np.float32)
    pixels[10:30, 10:30] = 5.0
    pixels[12, 12] = 9.0
    blank = Canvas(pixels, np.nan_to_num(pixels), np.nan_to_num(pixels))
    edited = copy_move.COPY_MOVES[kind](
        blank, disk(40, 40, (20.0, 20.0), 9.0), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(edited, pixels)


@pytest.mark.parametrize("kind", ["blur, sigma 0.8 px", "resampling round trip 0.75"])
def test_filters_take_away_grain_and_leave_the_mean(canvas, mask, rng, kind):
    edited = SIMPLE_EDITS[kind](canvas, mask, rng)
    residual = (edited - canvas.mean)[mask & np.isfinite(edited)]
    before = (canvas.pixels - canvas.mean)[mask & np.isfinite(edited)]
    assert residual.std() < 0.85 * before.std()
    assert residual.mean() == pytest.approx(before.mean(), abs=2.0)


def test_feathering_fades_from_the_edge_inwards(mask):
    share = weights(mask, 3.0)
    assert share[~mask].max() == 0.0
    assert share[66, 70] == 1.0
    assert 0.0 < share[66, 58] < 0.5  # the outermost pixel


def test_paste_neither_writes_nor_invents_numbers_that_are_none():
    pixels = np.array([[0.0, np.nan, 10.0]], dtype=np.float32)
    mask = np.ones((1, 3), dtype=bool)
    result = paste(pixels, np.array([[3.6, 5.0, np.nan]], dtype=np.float32), mask)
    np.testing.assert_array_equal(result, np.array([[4.0, np.nan, 10.0]], dtype=np.float32))


def test_blending_nothing_is_the_null_edit(canvas, mask):
    np.testing.assert_array_equal(blended(canvas.pixels, canvas.pixels, mask, 3.0), canvas.pixels)


def test_dfd_never_imports_an_attack():
    root = Path(benchmarks.attacks.__file__).parents[2]
    for path in (root / "dfd").rglob("*.py"):
        names = [
            name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        ]
        assert not any(name.split(".")[0] == "benchmarks" for name in names), path
