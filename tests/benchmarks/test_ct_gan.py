"""CT-GAN as its description has it.

The cube, the maximum, the dome, the clamps and the copied noise.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.attacks import Canvas, checkpoints, ct_gan, cubes, networks, nodules
from benchmarks.attacks.ct_gan import Edit, edit_slice, edit_stack
from benchmarks.attacks.cubes import SIDE, Block
from dfd.errors import UsageError
from dfd.prediction.masks import disk

SIZE = 160
CENTRE = (50.0, 80.0)


@pytest.fixture(
    params=[(5.0, 0.98, 0.98), (1.25, 0.7, 0.7), (40.0, 0.9, 0.9)], ids=["5 mm", "1.25 mm", "40 mm"]
)
def canvas(request, rng):
    """Two lungs in a body, vessels in the left one; of thin slices fewer than the cube has."""
    lungs = disk(SIZE, SIZE, (50, 80), 38) | disk(SIZE, SIZE, (118, 80), 24)
    mean = np.where(lungs, -860.0, np.where(disk(SIZE, SIZE, (80, 80), 76), 30.0, -1000.0))
    mean = np.where(disk(SIZE, SIZE, (38, 60), 4), 20.0, mean)
    stack = np.rint(mean + 25 * rng.normal(size=(6, SIZE, SIZE))).astype(np.float32)
    stack[:, :12, :12] = np.nan
    return Canvas(
        stack[3],
        stack[3],
        stack[3],
        stack=stack,
        index=3,
        spacing_mm=request.param,
        patient="other",
    )


@pytest.fixture(autouse=True)
def _networks(monkeypatch, tmp_path):
    torch.manual_seed(2)
    monkeypatch.setattr(checkpoints, "network_file", lambda kind, name: tmp_path / name)
    for name in ct_gan.NETWORKS.values():
        checkpoints.save(
            checkpoints.Checkpoint(name, "ct_lung", ("learned",), networks.painter(3).state_dict())
        )


def edited(canvas, kind, copied_noise=False, centre=CENTRE):
    return edit_slice(canvas, centre, np.random.default_rng(4), edit=Edit(kind, copied_noise))


def test_an_injection_makes_nothing_darker_but_by_the_clamp(canvas):
    after = edited(canvas, "injection")
    finite = np.isfinite(canvas.pixels)
    assert (after[finite] >= np.minimum(canvas.pixels[finite], ct_gan.HIGHEST_HU)).all()
    assert (after[finite] > canvas.pixels[finite]).any()


def test_the_edit_lies_within_the_cube_and_with_copied_noise_within_its_reach(canvas):
    step = canvas.spacing_mm[1]
    plain, noised = (
        np.nan_to_num(edited(canvas, "removal", noise) - canvas.pixels) != 0
        for noise in (False, True)
    )
    half = 0.5 * round(cubes.CUBE_MM / step) + 1
    assert not (plain & ~disk(SIZE, SIZE, CENTRE, half)).any()
    assert plain.sum() > 0.7 * disk(SIZE, SIZE, CENTRE, half).sum()
    longest = max(round(cubes.CUBE_MM / each) for each in canvas.spacing_mm)
    assert not (noised & ~disk(SIZE, SIZE, CENTRE, 0.5 * ct_gan.NOISE_REACH * longest + 1)).any()
    assert noised.sum() > 1.2 * plain.sum()


def test_the_whole_stack_holds_the_slice_and_is_edited_within_the_cube(canvas):
    after = edit_stack(canvas, CENTRE, np.random.default_rng(4), edit=Edit("removal"))
    np.testing.assert_array_equal(after[canvas.index], edited(canvas, "removal"))
    reach = max(1, round(cubes.CUBE_MM / canvas.spacing_mm[0]))
    expected = [index for index in range(6) if -(reach // 2) <= index - 3 < reach - reach // 2]
    touched = [
        index
        for index in range(6)
        if (np.nan_to_num(after[index] - canvas.stack[index]) != 0).any()
    ]
    assert touched == expected


def test_the_edge_of_the_slice_is_no_obstacle(canvas):
    after = edited(canvas, "removal", copied_noise=True, centre=(4.0, 158.0))
    assert (np.nan_to_num(after - canvas.pixels) != 0).any()


def test_the_same_noise_stands_in_two_places_of_the_scan(canvas):
    """What makes unmodified CT-GAN easy to find: the deviations come from one fixed place."""
    thin = dataclasses.replace(canvas, spacing_mm=(5.0, 1.0, 1.0))
    added = (edited(thin, "injection", copied_noise=True) - edited(thin, "injection")).astype(
        np.float64
    )
    side = int(np.ceil(ct_gan.NOISE_REACH * 32))
    start = [
        int(share * extent) - side // 2
        for share, extent in zip(ct_gan.NOISE_PLACE, thin.stack.shape, strict=True)
    ]
    top, left = int(CENTRE[1]) - side // 2, int(CENTRE[0]) - side // 2
    middle = slice(side // 2 - 5, side // 2 + 6)
    here = added[top:, left:][middle, middle]
    there = thin.stack[start[0] + side // 2, start[1] :, start[2] :][middle, middle]
    lung = there <= ct_gan.NOISE_BELOW_HU
    assert np.corrcoef(here[lung], there[lung])[0, 1] > 0.95


def test_noise_that_is_copied_holds_no_vessel():
    copy = np.array([-900.0, -860.0, -200.0, 100.0], dtype=np.float32)
    np.testing.assert_array_equal(ct_gan.deviations(copy), [-20, 20, 0, 0])
    np.testing.assert_array_equal(ct_gan.deviations(np.zeros(3, dtype=np.float32)), np.zeros(3))


def test_extreme_values_are_clamped():
    values = np.full((1, 9, 9), -1500.0, dtype=np.float32)
    values[0, 4, 4] = 3000.0
    after = ct_gan.clamped(values)
    assert after[0, 0, 0] == -1000.0
    assert after[0, 4, 4] == pytest.approx((24 * -1000 + 2000) / 25)


def test_the_dome_is_the_same_in_every_slice():
    weight = ct_gan.dome((3, 32, 40))
    np.testing.assert_array_equal(weight[0], weight[2])
    assert weight[1, 15:17, 19:21].min() > 0.99
    assert weight[1, 0, 0] == 0.0


@pytest.mark.parametrize("spacing", [(5.0, 1.0, 1.0), (0.8, 0.64, 0.64), (40.0, 0.5, 0.5)])
def test_a_cube_is_resampled_there_and_back(spacing, rng):
    stack = (gaussian_filter(rng.normal(size=(8, 90, 90)), 3.0) * 3000 - 500).astype(np.float32)
    block = Block.of_cube((4, 45, 45), spacing)
    cube = cubes.cube_at(stack, (4, 45, 45), spacing)
    assert cube.shape == (SIDE,) * 3
    back = cubes.resampled(cubes.in_hu(cube), block.size)
    assert np.corrcoef(back.ravel(), block.cut(stack).ravel())[0, 1] > 0.95
    np.testing.assert_array_equal(block.put(stack, block.cut(stack)), stack)


def test_nodules_have_the_size_that_is_asked_for():
    rng = np.random.default_rng(3)
    volumes = [(nodules.shape(10.0, rng) > 0.5).sum() for _ in range(5)]
    assert np.cbrt(np.mean(volumes) * 6 / np.pi) == pytest.approx(10.0, rel=0.12)


def test_sites_of_injections_lie_in_parenchyma_and_of_removals_on_blobs(canvas):
    scene = dataclasses.replace(canvas, spacing_mm=(5.0, 1.0, 1.0))
    rng = np.random.default_rng(3)
    (place,) = nodules.injection_sites(scene, 1, rng)
    x, y = place
    lungs = disk(SIZE, SIZE, (50, 80), 38 - nodules.WALL_MM + 2) | disk(
        SIZE, SIZE, (118, 80), 24 - nodules.WALL_MM + 2
    )
    assert lungs[y, x]
    assert np.hypot(x - 38, y - 60) > 4 + nodules.CLEAR_MM - 1
    (blob,) = nodules.removal_sites(scene, 5, rng)
    assert np.hypot(*(blob - (38, 60))) <= 2
    far = nodules.injection_sites(scene, 3, rng)
    assert all(
        np.hypot(*(far[i] - far[j])) >= nodules.APART_MM for i in range(len(far)) for j in range(i)
    )


def test_without_stack_spacing_or_ct_nothing_is_edited(canvas):
    for lacking in ({"stack": None}, {"spacing_mm": None}, {"modality": "mri_chest"}):
        with pytest.raises(UsageError, match=r"edits CT in three dimensions"):
            edited(dataclasses.replace(canvas, **lacking), "removal")
    with pytest.raises(UsageError, match="sought in millimetres"):
        nodules.injection_sites(
            dataclasses.replace(canvas, spacing_mm=None), 1, np.random.default_rng(1)
        )
