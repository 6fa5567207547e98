"""Training examples.

Hidden pixels are zero, the loss counts what is hidden and measured, draws can be repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion

from dfd.bundle.training import crops
from dfd.bundle.training.crops import (
    HideCropd,
    NormaliseNoised,
    normalised,
    other_kernel,
    place,
    turn,
)
from dfd.intensity import measured_pixels, noise_scale
from dfd.modalities import MODALITIES

LEVEL = {"ct_lung": 40.0, "mri_chest": 400.0}


def noisy(name: str = "ct_lung", shape: tuple[int, int] = (96, 112)) -> np.ndarray:
    return (LEVEL[name] + np.random.default_rng(3).normal(0.0, 12.0, shape)).astype(np.float32)


def prepared(image: np.ndarray | None = None, name: str = "ct_lung") -> dict[Any, Any]:
    image = noisy(name) if image is None else image
    return NormaliseNoised(modality=name)(
        {"image": image[None], "patient": "p1", "group": "g", "draw": 7, "spacing_mm": None}
    )


@pytest.mark.parametrize("name", MODALITIES)
def test_normalised_is_the_slice_in_units_of_its_noise(name: str) -> None:
    image = noisy(name)
    image[:, :10] = np.nan
    pixels, measured, scale = normalised(image, name)
    known = measured_pixels(image, MODALITIES[name])
    np.testing.assert_array_equal(measured, known)
    assert scale == noise_scale(image, known, MODALITIES[name])
    np.testing.assert_allclose(pixels[known] * scale, image[known], rtol=1e-5)
    np.testing.assert_allclose(pixels[:, :10] * scale, MODALITIES[name].floor or 0.0, rtol=1e-5)
    assert pixels.dtype == np.float32


def test_the_cached_item_is_small_and_keeps_who_it_is() -> None:
    data = prepared()
    assert set(data) == {"pixels", "measured", "scale", "patient", "group", "draw"}
    assert data["pixels"].shape == data["measured"].shape == (96, 112)


@pytest.mark.parametrize("varied", [False, True])
def test_an_example(varied: bool) -> None:
    example = HideCropd(size=32, varied=varied)(prepared())
    image, label = example["image"], example["label"]
    assert image.shape == label.shape == (2, 32, 32)
    assert image.dtype == label.dtype == torch.float32
    hidden = image[1] == 1
    assert hidden.any()
    assert (image[0][hidden] == 0).all()
    assert torch.equal(image[0][~hidden], label[0][~hidden])
    assert (label[1][~hidden] == 0).all()
    assert torch.equal(label[1] == 1, hidden), "all pixels of this slice are measured"


def test_pixels_that_are_not_measured_do_not_count() -> None:
    image = noisy()
    image[::2] = np.nan
    data = prepared(image)
    for draw in range(12):
        label = HideCropd(size=32)({**data, "draw": draw})["label"]
        counted = label[1] == 1
        assert counted[::2].sum() == 0 or counted[1::2].sum() == 0
        assert torch.isfinite(label).all()


@pytest.mark.parametrize("varied", [False, True])
def test_a_draw_stands_for_one_crop(varied: bool) -> None:
    hide, data = HideCropd(size=32, varied=varied), prepared()
    one, two = hide(data), hide(data)
    assert torch.equal(one["image"], two["image"])
    assert not torch.equal(one["image"], hide({**data, "draw": 8})["image"])


def test_crops_cover_the_slice(rng: np.random.Generator) -> None:
    rows, columns = np.mgrid[:40, :50]
    places = (rows * 100 + columns).astype(np.float32)
    corners = set()
    for _ in range(3000):
        pixels = places[place(np.ones((40, 50), bool), 32, rng)]
        np.testing.assert_array_equal(pixels - pixels[0, 0], places[:32, :32])
        corners.add((int(pixels[0, 0]) // 100, int(pixels[0, 0]) % 100))
    assert corners == {(r, c) for r in range(9) for c in range(19)}


def test_crops_prefer_the_body(rng: np.random.Generator) -> None:
    measured = np.zeros((128, 128), bool)
    measured[40:90, 40:90] = True
    shares = [measured[place(measured, 32, rng)].mean() for _ in range(60)]
    anywhere = np.mean(
        [measured[r : r + 32, c : c + 32].mean() for r in range(0, 97, 8) for c in range(0, 97, 8)]
    )
    assert np.mean(shares) > 2 * anywhere


@pytest.mark.parametrize("shape", [(20, 20), (8, 100), (100, 31)])
def test_small_slices_are_widened_and_the_rim_does_not_count(shape: tuple[int, int]) -> None:
    data = prepared(noisy(shape=shape))
    example = HideCropd(size=32)(data)
    assert example["image"].shape == (2, 32, 32)
    counted = example["label"][1].numpy()
    assert counted[shape[0] :].sum() == 0
    assert counted[:, shape[1] :].sum() == 0
    assert np.isfinite(example["image"].numpy()).all()


def test_an_unreadable_slice_costs_nothing() -> None:
    data = prepared(np.full((32, 32), np.nan, np.float32))
    example = HideCropd(size=64, varied=True)(data)
    assert example["label"][1].sum() == 0
    assert torch.isfinite(example["image"]).all()


def test_turns_are_the_eight_symmetries() -> None:
    pixels = np.arange(9.0).reshape(3, 3)
    measured = pixels > 4
    turned = [turn((pixels, measured), number) for number in range(8)]
    assert len({each.tobytes() for each, _ in turned}) == 8
    assert all(np.array_equal(known, each > 4) for each, known in turned)


def test_another_kernel_keeps_the_noise_scale_within_its_jitter(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(crops, "KERNEL_SHARE", 1.0)
    pixels, measured = noisy(shape=(64, 64)) / 12.0, np.ones((64, 64), bool)
    measured[20:24, 20:24] = False
    for _ in range(20):
        changed, known = other_kernel(pixels, measured, rng)
        assert (
            abs(np.log(crops._roughness(changed) / crops._roughness(pixels)))
            < crops.SCALE_JITTER + 0.01
        )
        assert not known[19, 19:25].any(), (
            "what was blended with an unmeasured neighbour is no measurement"
        )
        assert changed.dtype == np.float32
        assert np.corrcoef(changed.ravel(), pixels.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_erosion_is_that_of_scipy(rng: np.random.Generator, share: float) -> None:
    mask = rng.random((40, 33)) < share
    before = mask.copy()
    np.testing.assert_array_equal(
        crops._eroded(mask), binary_erosion(mask, iterations=crops.BLEND_REACH, border_value=1)
    )
    np.testing.assert_array_equal(mask, before)


def test_without_another_kernel_only_the_scale_changes(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(crops, "KERNEL_SHARE", 0.0)
    pixels, measured = noisy(shape=(32, 32)), np.ones((32, 32), bool)
    factors = [other_kernel(pixels, measured, rng)[0] / pixels for _ in range(30)]
    assert all(np.ptp(factor) < 1e-5 for factor in factors)
    assert (
        0.6
        < min(factor.mean() for factor in factors)
        < 0.9
        < 1.1
        < max(factor.mean() for factor in factors)
        < 1.5
    )


def test_the_cached_slice_is_not_changed_by_an_example() -> None:
    data = prepared()
    before = data["pixels"].copy(), data["measured"].copy()
    for draw in range(20):
        HideCropd(size=32, varied=True)({**data, "draw": draw})
    np.testing.assert_array_equal(data["pixels"], before[0])
    np.testing.assert_array_equal(data["measured"], before[1])
