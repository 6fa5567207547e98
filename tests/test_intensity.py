"""Noise scale, measured pixels and tissue classes of one slice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import median_filter

from dfd.intensity import (
    _median_of_nine,
    body_mask,
    brightness_scale,
    measured_pixels,
    noise_scale,
    tissue_map,
)
from dfd.modalities import MODALITIES, Modality
from dfd.records import FloatImage

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
LEVEL = {"ct_lung": 40.0, "mri_chest": 400.0}
BOTH = pytest.mark.parametrize("modality", MODALITIES.values(), ids=MODALITIES)


def noisy(modality: Modality, sigma: float, shape: tuple[int, int] = (128, 128)) -> FloatImage:
    noise = np.random.default_rng(3).normal(0.0, sigma, shape)
    return (LEVEL[modality.name] + noise).astype(np.float32)


def scale_of(image: FloatImage, modality: Modality) -> float:
    return noise_scale(image, measured_pixels(image, modality), modality)


@BOTH
def test_noise_scale_follows_the_noise(modality: Modality) -> None:
    single, double = (
        scale_of(noisy(modality, 10.0), modality),
        scale_of(noisy(modality, 20.0), modality),
    )
    assert double / single == pytest.approx(2.0, rel=0.03)
    assert 5.0 < single < 15.0


@BOTH
def test_noise_scale_does_not_see_a_few_edges(modality: Modality) -> None:
    plain = noisy(modality, 10.0)
    edged = plain.copy()
    edged[:, 37:52] += 90.0
    edged[60:63, :] -= 90.0
    edged[20:30, 80:110] += 300.0
    assert scale_of(edged, modality) == pytest.approx(scale_of(plain, modality), rel=0.06)


@BOTH
def test_noise_scale_of_integers_is_as_fine_as_that_of_floats(modality: Modality) -> None:
    image = noisy(modality, 3.0)
    assert scale_of(np.round(image), modality) == pytest.approx(scale_of(image, modality), rel=0.1)


@BOTH
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (17, 15), (64, 64)])
@pytest.mark.parametrize("value", [0.0, 40.0, np.nan])
def test_noise_scale_is_never_zero(
    modality: Modality, shape: tuple[int, int], value: float
) -> None:
    image = np.full(shape, value, dtype=np.float32)
    everything = np.isfinite(image)
    assert noise_scale(image, everything, modality) > 0
    assert noise_scale(image, np.zeros_like(everything), modality) > 0


def test_noise_is_taken_from_soft_tissue_not_from_lung() -> None:
    lung = noisy(CT, 60.0) - 800.0
    image = np.where(np.arange(128)[:, None] < 96, lung, noisy(CT, 10.0)).astype(np.float32)
    assert scale_of(image, CT) == pytest.approx(scale_of(noisy(CT, 10.0), CT), rel=0.15)


def test_noise_of_mr_is_taken_from_the_body_not_from_the_background() -> None:
    dark = np.abs(np.random.default_rng(4).normal(0, 2.0, (128, 128))) + 1.0
    image = np.where(np.arange(128)[:, None] < 80, dark, noisy(MR, 10.0)).astype(np.float32)
    assert scale_of(image, MR) == pytest.approx(scale_of(noisy(MR, 10.0), MR), rel=0.15)


def test_arguments_are_left_alone() -> None:
    image = noisy(CT, 10.0)
    image[0, 0] = np.nan
    before, measured = image.copy(), measured_pixels(image, CT)
    seen = measured.copy()
    noise_scale(image, measured, CT)
    tissue_map(image, measured, CT)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(measured, seen)


def test_measured_pixels_leave_out_what_is_not_finite_or_at_the_floor() -> None:
    image = noisy(CT, 10.0)
    image[0, :4] = np.nan, np.inf, -np.inf, -1000.0
    image[1, 0] = -999.0
    measured = measured_pixels(image, CT)
    assert not measured[0, :4].any()
    assert measured[1, 0]
    assert measured[2:].all()


@pytest.mark.parametrize(("share", "clipped"), [(0.01, True), (0.004, False)])
@pytest.mark.parametrize("value", [3071.0, -900.0])
def test_an_extreme_value_that_many_pixels_share_is_clipping(
    share: float, clipped: bool, value: float
) -> None:
    image = noisy(CT, 10.0, (100, 100))
    image.flat[: int(share * image.size)] = value
    measured = measured_pixels(image, CT)
    assert measured.flat[0] == (not clipped)
    assert measured.flat[-5000:].sum() >= 4999


def test_a_modality_without_floor_keeps_all_that_is_finite() -> None:
    from dataclasses import replace

    image = noisy(CT, 10.0) - 2000.0
    assert not measured_pixels(image, CT).any()
    assert measured_pixels(image, replace(CT, floor=None)).all()


def chest(modality: Modality) -> tuple[FloatImage, dict[str, tuple[int, int]]]:
    """A disk of tissue with a lung, on a couch, with noise in the air; and a pixel of each."""
    rows, columns = np.mgrid[:256, :256]
    noise = np.random.default_rng(6).normal(0.0, 8.0, (256, 256))
    air, tissue, lung, couch = (
        (-990.0, 40.0, -950.0, -300.0) if modality is CT else (12.0, 400.0, 14.0, 200.0)
    )
    image = np.full((256, 256), air)
    image[(rows - 110) ** 2 + (columns - 128) ** 2 <= 80**2] = tissue
    image[(rows - 110) ** 2 + (columns - 100) ** 2 <= 28**2] = lung
    image[246:250, 40:220] = couch
    image = np.maximum(image + noise, -1024.0 if modality is CT else 1.0)
    return image.astype(np.float32), {
        "tissue": (120, 170),
        "lung": (120, 100),
        "couch": (248, 128),
        "air": (20, 20),
    }


@BOTH
def test_body_holds_its_lungs_and_neither_air_nor_couch(modality: Modality) -> None:
    image, places = chest(modality)
    body = body_mask(image, measured_pixels(image, modality), modality)
    assert {name: bool(body[place]) for name, place in places.items()} == {
        "tissue": True,
        "lung": True,
        "couch": False,
        "air": False,
    }
    assert body.sum() == pytest.approx(np.pi * 80**2, rel=0.35)
    assert body.shape == image.shape


def foam_couch(image: FloatImage, top: int) -> FloatImage:
    """A slab of foam as dense as lung and 60 px thick in walls of 4 px, from row ``top`` on."""
    with_couch = image.copy()
    with_couch[top : top + 60, 20:236] = -300.0
    with_couch[top + 4 : top + 56, 24:232] = -920.0
    return with_couch


@pytest.mark.parametrize("gap", [0, 6])
def test_a_thick_couch_of_foam_that_touches_the_body_is_no_part_of_it(gap: int) -> None:
    image, places = chest(CT)
    image = foam_couch(image, 190 + gap)
    body = body_mask(image, measured_pixels(image, CT), CT)
    assert not body[230, 60:200].any()
    assert all(body[places[name]] for name in ("tissue", "lung"))
    assert body[40:180, 128].all()


def test_a_lung_that_the_field_of_view_cuts_is_still_in_the_body() -> None:
    image, _ = chest(CT)
    image[(image < -900.0) & (image > -960.0)] = -850.0
    cut = np.ascontiguousarray(image[:, 92:])  # through the middle of the lung
    body = body_mask(cut, measured_pixels(cut, CT), CT)
    assert body[105:115, :20].all()


@BOTH
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (17, 23), (64, 64)])
def test_body_of_a_slice_without_air_or_of_tiny_size(
    modality: Modality, shape: tuple[int, int]
) -> None:
    image = noisy(modality, 10.0, shape)
    everything = np.ones(shape, dtype=bool)
    assert body_mask(image, everything, modality).mean() > 0.8


def test_where_there_is_no_body_all_that_is_measured_counts() -> None:
    image = np.full((64, 64), -980.0, dtype=np.float32)
    measured = np.zeros((64, 64), dtype=bool)
    measured[:, :10] = True
    np.testing.assert_array_equal(body_mask(image, measured, CT), measured)


def test_brightness_scale_is_the_95th_percentile_of_what_is_measured() -> None:
    image = np.arange(100, dtype=np.float32).reshape(10, 10)
    upper = image >= 50
    assert brightness_scale(image, np.ones_like(upper)) == pytest.approx(94.05)
    assert brightness_scale(image, upper) > brightness_scale(image, ~upper)
    assert brightness_scale(image, np.zeros_like(upper)) == 1.0
    assert brightness_scale(-image, np.ones_like(upper)) > 0


def test_tissues_of_ct_are_hounsfield_intervals() -> None:
    values = np.array(
        [[-1100.0, -990.0, -700.0, -500.0, -100.0, -20.0, 40.0, 150.0, 3999.0, 4000.0]],
        dtype=np.float32,
    )
    labels = tissue_map(values, np.ones(values.shape, dtype=bool), CT)
    assert labels.tolist() == [[-1, 0, 0, 1, 1, 2, 2, 3, 3, -1]]
    assert (tissue_map(values, np.zeros(values.shape, dtype=bool), CT) == -1).all()


def test_tissues_of_mr_do_not_change_with_the_unit() -> None:
    image = np.linspace(0.0, 1000.0, 400, dtype=np.float32).reshape(20, 20)
    everything = np.ones(image.shape, dtype=bool)
    labels = tissue_map(image, everything, MR)
    assert set(labels.ravel()) == {-1, 0, 1, 2}
    np.testing.assert_array_equal(labels, tissue_map(image * 7.0, everything, MR))
    np.testing.assert_array_equal(
        labels, tissue_map(image, everything, MR, scale=brightness_scale(image, everything))
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (9, 4), (40, 37)])
def test_the_median_of_nine_is_that_of_scipy(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(4).integers(-9, 9, shape).astype(np.float32)
    np.testing.assert_array_equal(_median_of_nine(image), median_filter(image, size=3))
