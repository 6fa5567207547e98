"""Copies of a phantom slice keep their fingerprint; everything else has another."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from openjpeg.utils import decode, encode_array

from dfd.phantom import CtScan, MrScan, draw_anatomy, mr_slice, scan_ct
from dfd.phantom.ct import count_photons, project, reconstruct
from dfd.records import FloatImage
from dfd.repository import pixel_check
from dfd.repository.duplicate_match import SHARED_NOISE
from dfd.repository.fingerprint import (
    INVERSE,
    TURNS,
    Fingerprint,
    fingerprint_of,
    measure_fingerprint,
    turned,
    turned_bits,
)
from dfd.repository.fingerprint_index import THRESHOLD
from dfd.repository.pixel_check import PixelCheck, compare_pixels

SIZE = 256
UNRELATED = 85
"""Unrelated bits differ in 128 of 256, standard deviation 8: fewer than 86 once in ten million."""


@pytest.fixture(scope="module")
def ct() -> FloatImage:
    rng = np.random.default_rng(1)
    return scan_ct(rng, draw_anatomy(rng), 0.0, CtScan(size=SIZE))


@pytest.fixture(scope="module")
def mr() -> FloatImage:
    rng = np.random.default_rng(2)
    return mr_slice(rng, draw_anatomy(rng), 0.0, MrScan())


@pytest.fixture(params=["ct", "mr"])
def pixels(request: pytest.FixtureRequest) -> FloatImage:
    image: FloatImage = request.getfixturevalue(request.param)
    return image


def distance(one: bytes | None, other: bytes | None) -> int:
    assert one is not None
    assert other is not None
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def test_a_fingerprint_is_32_balanced_bytes(pixels: FloatImage) -> None:
    bits = fingerprint_of(pixels)
    assert bits is not None
    assert len(bits) == 32
    assert 80 < int.from_bytes(bits).bit_count() < 176


@pytest.mark.parametrize("turn", range(8), ids=TURNS)
def test_a_turned_slice_has_the_same_bits_in_another_order(pixels: FloatImage, turn: int) -> None:
    plain = np.frombuffer(fingerprint_of(pixels) or b"", np.uint8)
    expected = turned_bits(plain[None], turn)[0].tobytes()
    assert distance(fingerprint_of(turned(pixels, turn)), expected) <= 1
    if turn:
        assert distance(expected, plain.tobytes()) > UNRELATED


@pytest.mark.parametrize("turn", range(8), ids=TURNS)
def test_each_turn_is_undone_by_its_inverse(turn: int) -> None:
    image = np.arange(12).reshape(3, 4)
    assert np.array_equal(turned(turned(image, turn), INVERSE[turn]), image)


def test_turns_do_what_their_names_say() -> None:
    image = np.array([[1, 2], [3, 4]])
    found = {TURNS[turn]: turned(image, turn).tolist() for turn in range(8)}
    assert found["turned by 90 degrees anticlockwise"] == [[2, 4], [1, 3]]
    assert found["turned by 90 degrees clockwise"] == [[3, 1], [4, 2]]
    assert found["turned by 180 degrees"] == [[4, 3], [2, 1]]
    assert found["mirrored left to right"] == [[2, 1], [4, 3]]
    assert found["mirrored top to bottom"] == [[3, 4], [1, 2]]


def test_a_straight_line_of_the_values_changes_nothing(pixels: FloatImage) -> None:
    assert distance(fingerprint_of(pixels * 0.37 + 1100), fingerprint_of(pixels)) <= 1


def test_padding_shift_and_crop_of_air_change_nothing(pixels: FloatImage) -> None:
    plain = fingerprint_of(pixels)
    padded = np.pad(pixels, ((13, 30), (7, 41)), constant_values=float(pixels.min()))
    missing = np.pad(pixels, ((13, 30), (7, 41)), constant_values=np.nan)
    for changed in (padded, missing, np.roll(pixels, (3, -4), (0, 1)), pixels[5:-7, 3:-6]):
        assert distance(fingerprint_of(changed), plain) <= 1


def test_mild_jpeg_2000_stays_below_the_threshold(ct: FloatImage) -> None:
    stored = np.round(ct + 1024).astype(np.uint16)
    changed = np.asarray(decode(encode_array(stored, compression_ratios=[6])), np.float32)
    assert not np.array_equal(changed, stored)
    assert 0 < distance(fingerprint_of(changed), fingerprint_of(ct)) <= THRESHOLD


def test_another_patient_has_another_fingerprint(ct: FloatImage) -> None:
    rng = np.random.default_rng(4)
    other = scan_ct(rng, draw_anatomy(rng), 0.0, CtScan(size=SIZE))
    assert distance(fingerprint_of(ct), fingerprint_of(other)) > UNRELATED


def test_the_very_same_anatomy_scanned_again_is_not_called_the_same_noise() -> None:
    """Edges shared to a fraction of a pixel, as no two scans of a person share them."""
    anatomy = draw_anatomy(np.random.default_rng(3))
    one, other = (scan_ct(np.random.default_rng(seed), anatomy, 0.0, CtScan()) for seed in (4, 5))
    check = compare_pixels(one, other, 0)
    assert check is not None
    assert not check.identical
    assert check.correlation < SHARED_NOISE


def test_another_kernel_of_the_same_photons_has_the_same_noise_and_other_pixels() -> None:
    rng = np.random.default_rng(6)
    anatomy = draw_anatomy(rng)
    soft, sharp = (CtScan(kernel=name, size=SIZE) for name in ("soft", "sharp"))
    rays = count_photons(rng, project(anatomy.section(0.0), anatomy.hu, soft), soft)
    check = compare_pixels(reconstruct(rays, soft), reconstruct(rays, sharp), 0)
    assert check is not None
    assert not check.identical
    assert check.correlation > SHARED_NOISE


def test_the_pixel_check_follows_turn_and_crop(ct: FloatImage) -> None:
    copy = turned(ct, 5)[4:-6, 8:-3]
    assert compare_pixels(ct, copy, 5) == PixelCheck(identical=True, correlation=1.0)
    scaled = compare_pixels(ct, copy * 2 + 7, 5)
    assert scaled is not None
    assert not scaled.identical
    assert scaled.correlation == pytest.approx(1.0, abs=1e-3)
    wrong = compare_pixels(ct, copy, 0)
    assert wrong is not None
    assert wrong.correlation < SHARED_NOISE


def test_one_changed_pixel_is_not_identical(ct: FloatImage) -> None:
    changed = ct.copy()
    changed[5, 7] += 1
    check = compare_pixels(ct, changed, 0)
    assert check is not None
    assert not check.identical
    assert check.correlation > 0.999


@pytest.mark.parametrize("step", [(1, 0), (-2, 2), (2, -1)])
def test_anchors_that_are_off_by_a_pixel_or_two_are_put_right(
    ct: FloatImage, step: tuple[int, int]
) -> None:
    """The noise stays, and a blob is moved under it: the anchor follows the blob."""
    anchor = measure_fingerprint(ct).anchor
    assert anchor is not None
    moved = (anchor[0] + step[0], anchor[1] + step[1])
    with patch.object(
        pixel_check,
        "measure_fingerprint",
        side_effect=[Fingerprint(None, anchor), Fingerprint(None, moved)],
    ):
        check = compare_pixels(ct, ct * 2, 0)
    assert check is not None
    # Windows around other places weigh the noise a little differently.
    assert check.correlation > 0.99


def test_slices_without_noise_are_not_compared() -> None:
    image = np.pad(np.ones((100, 100), np.float32), 78)
    assert compare_pixels(image, image + 1, 0) is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((256, 256)), "The slice is blank"),
        (np.full((256, 256), np.nan), "The slice is blank"),
        (np.zeros((0, 0)), "The slice is blank"),
        (np.pad(np.ones((100, 100)), 78), "No part of the slice"),
        (np.random.default_rng(0).normal(size=(40, 40)), "No part of the slice"),
        (np.random.default_rng(0).normal(size=(2, 512)), "No part of the slice"),
        (np.random.default_rng(0).normal(size=(1, 1)), "The slice is blank"),
    ],
    ids=["zeros", "nan", "no pixels", "painted", "small", "narrow", "one pixel"],
)
def test_a_slice_without_noise_has_no_fingerprint(image: FloatImage, reason: str) -> None:
    found = measure_fingerprint(image.astype(np.float32))
    assert found.bits is None
    assert found.reason.startswith(reason)
    assert found.reason.endswith(".")
