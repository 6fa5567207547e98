"""CT slices whose values are not in HU, and odd ones whose values are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from dfd.hounsfield import objection
from dfd.modalities import MODALITIES
from dfd.phantom import CtScan, draw_anatomy, scan_ct
from dfd.reading import read_slice
from dfd.records import FloatImage
from dfd.suitability import objections
from tests.dicom_maker import make_slice

SIDE = 192
POSITION_MM = -45.0
LOWEST = -1500.0
NOT_HU = "The values of the slice cannot be HU ("


@cache
def _phantom(seed: int = 3, kernel: str = "soft") -> FloatImage:
    """A chest in whole HU, air from -1024 on, as 12 bits store it."""
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng)
    settings = CtScan(kernel=kernel, size=SIDE)  # type: ignore[arg-type]
    return scan_ct(rng, anatomy, POSITION_MM, settings)


def _circle(share: float = 0.49) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.hypot(x, y) > share * SIDE


def _middle(pixels: FloatImage, side: int = 64) -> FloatImage:
    """The mediastinum, with no air in view."""
    body = ndimage.binary_fill_holes(pixels > -300)
    y, x = (round(place) for place in ndimage.center_of_mass(body))
    found = pixels[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2].copy()
    found[found < -200] = 40
    return found


def _set(pixels: FloatImage, where: np.ndarray, value: float) -> FloatImage:
    return np.where(where, np.float32(value), pixels)


def _objection(pixels: FloatImage) -> str:
    return objection(pixels.astype(np.float32), pixels >= LOWEST)


GENUINE: dict[str, Callable[[FloatImage], FloatImage]] = {
    "as it is": lambda hu: hu,
    "air clipped at -1000": lambda hu: np.maximum(hu, -1000),
    "not clipped": lambda hu: hu + np.random.default_rng(1).normal(0, 30, hu.shape),
    "strong noise": lambda hu: hu + np.random.default_rng(1).normal(0, 100, hu.shape),
    "slope 1.000244": lambda hu: (hu + 1024) * 1.000244 - 1024,
    "steps of 10 HU": lambda hu: np.round(hu / 10) * 10,
    "padding of -3024": lambda hu: _set(hu, _circle(), -3024),
    "padding of -2048 in most of the image": lambda hu: _set(hu, _circle(0.3), -2048),
    "-1024 outside the field of view": lambda hu: _set(hu, _circle(), -1024),
    "0 HU outside the field of view": lambda hu: _set(hu, _circle(), 0),
    "metal of 30000 HU": lambda hu: _set(hu, ~_circle(0.04), 30000),
    "metal up to the end of 12 bits": lambda hu: _set(hu, ~_circle(0.1), 3071),
    "metal that casts shadows below air": lambda hu: _set(hu, ~_circle(0.04), -1400),
    "contrast medium": lambda hu: _set(hu, ~_circle(0.12), 450),
    "no air in view": _middle,
    "no air, and bone": lambda hu: _set(_middle(hu), np.arange(64) % 16 == 0, 900),
    "no air, and contrast medium": lambda hu: _set(_middle(hu), np.arange(64) % 3 == 0, 400),
    "water": lambda hu: np.random.default_rng(1).normal(0, 10, hu.shape),
    "no lung": lambda hu: _set(hu, ndimage.binary_fill_holes(hu > -300) & (hu < -200), 40),
    "dense lung": lambda hu: np.where(hu < -500, np.maximum(hu, hu / 2 - 250), hu)[40:150, 30:160],
    "the upper half": lambda hu: hu[: SIDE // 2],
    "the right half": lambda hu: hu[:, SIDE // 2 :],
}

STORED = 1024.0
NOT_IN_HU: dict[str, tuple[Callable[[FloatImage], FloatImage], str]] = {
    "intercept lost": (lambda hu: hu + STORED, "air lies near"),
    "intercept lost of values that are HU + 1000": (lambda hu: hu + 1000, "air lies near"),
    "intercept of the other sign": (
        lambda hu: hu + 2 * STORED,
        "as only metal is|tissue lies near",
    ),
    "intercept twice": (lambda hu: hu - STORED, "air lies near -20"),
    "intercept twice, clipped": (lambda hu: np.maximum(hu, -1000) - 1000, "air|denser|tissue"),
    "intercept of -500": (lambda hu: hu + 524, "tissue lies near|air"),
    "intercept of -800": (lambda hu: hu + 224, "the air around the body lies near -7"),
    "intercept of -1300": (lambda hu: hu - 276, "the air around the body lies near -1|tissue"),
    "slope 10": (lambda hu: (hu + STORED) * 10 - STORED, "metal|beyond"),
    "slope 10 of signed values": (lambda hu: hu * 10, "air lies near -9|metal|beyond"),
    "slope 3": (lambda hu: (hu + STORED) * 3 - STORED, "as only metal is|tissue lies near"),
    "slope 2": (lambda hu: (hu + STORED) * 2 - STORED, "tissue lies near"),
    "slope 2 of signed values": (lambda hu: hu * 2, "air lies near -19"),
    "slope 2 without intercept": (lambda hu: (hu + STORED) * 2, "metal|air lies near"),
    "slope 1.5": (lambda hu: (hu + STORED) * 1.5 - STORED, "tissue lies near"),
    "slope 0.5": (lambda hu: (hu + STORED) * 0.5 - STORED, "tissue lies near -4|nothing in it"),
    "slope 0.5 of signed values": (lambda hu: hu / 2, "air around the body lies near -5|air lies"),
    "slope 0.1": (lambda hu: (hu + STORED) * 0.1 - STORED, "denser than -500, so it shows no body"),
    "no sign": (lambda hu: np.where(hu < 0, hu + 65536, hu), "it reaches 655.., beyond what any"),
    "no sign in 12 bits": (lambda hu: np.mod(hu, 4096), "as only metal is"),
    "no sign, and an intercept": (
        lambda hu: np.mod(hu, 4096) - STORED,
        "as only metal is|air lies",
    ),
    "inverted within 12 bits": (lambda hu: 4095 - (hu + STORED) - STORED, "as only metal is"),
    "inverted about water": (lambda hu: -hu, "air|tissue"),
    "inverted about its maximum": (lambda hu: hu.max() - hu - 24, "air|tissue|metal"),
    "shifted by 4 bits": (lambda hu: (hu + STORED) * 16 - STORED, "beyond|metal"),
    "cut to a window of soft tissue": (lambda hu: np.clip(hu, -160, 240), "lowest value, -160"),
    "cut to a wider window": (lambda hu: np.clip(hu, -200, 300), "lowest value, -200"),
    "cut at water": (lambda hu: np.clip(hu, 0, 3000), "lowest value, 0"),
    "bytes exchanged": (
        lambda hu: (hu + STORED).astype(np.uint16).byteswap().astype(np.float32),
        "beyond",
    ),
}


@pytest.mark.parametrize("name", GENUINE)
@pytest.mark.parametrize(("seed", "kernel"), [(3, "soft"), (5, "sharp")])
def test_odd_slices_in_hu_are_taken(name: str, seed: int, kernel: str):
    assert _objection(GENUINE[name](_phantom(seed, kernel))) == ""


@pytest.mark.parametrize("name", NOT_IN_HU)
@pytest.mark.parametrize(("seed", "kernel"), [(3, "soft"), (5, "sharp"), (8, "soft")])
def test_slices_that_are_not_in_hu_are_refused_with_the_reason(name: str, seed: int, kernel: str):
    change, reason = NOT_IN_HU[name]
    found = _objection(change(_phantom(seed, kernel)))
    assert found.startswith(NOT_HU)
    assert found.endswith(
        "): check its RescaleSlope and RescaleIntercept, or give the original slice"
    )
    assert any(one in found for one in reason.split("|")) or "reaches 655" in found, found


@pytest.mark.parametrize("padding", [-2000, -3024])
@pytest.mark.parametrize("name", ["intercept lost", "slope 2", "slope 0.5 of signed values"])
def test_padding_hides_nothing(name: str, padding: float):
    pixels = _set(NOT_IN_HU[name][0](_phantom()), _circle(), padding)
    assert _objection(pixels).startswith(NOT_HU)


def test_without_any_measurement_nothing_is_said():
    pixels = np.zeros((40, 40), np.float32)
    assert objection(pixels, np.zeros((40, 40), bool)) == ""


def test_a_constant_slice_does_not_end_the_run():
    for value in (-1000.0, -500.0, 0.0, 2000.0, 32767.0):
        assert isinstance(_objection(np.full((40, 40), value, np.float32)), str)


def _dicom(path: Path, stored: np.ndarray, **tags: object) -> str:
    """What the CT model says of a file."""
    return objections(read_slice(make_slice(path, stored, **tags)), MODALITIES["ct_lung"]).refusal


def test_files_with_a_wrong_rescale_or_sign(tmp_path: Path):
    hu = _phantom()
    unsigned, signed = (hu + 1024).astype(np.uint16), hu.astype(np.int16)
    assert _dicom(tmp_path / "a", unsigned) == ""
    assert _dicom(tmp_path / "b", signed, RescaleIntercept="0") == ""
    assert "air lies near" in _dicom(tmp_path / "c", unsigned, RescaleIntercept="0")
    assert _dicom(tmp_path / "d", unsigned, RescaleSlope="10").startswith(NOT_HU)
    assert "beyond" in _dicom(tmp_path / "e", signed, RescaleIntercept="0", PixelRepresentation=0)
    assert _dicom(tmp_path / "f", unsigned, PhotometricInterpretation="MONOCHROME1") == ""
    inverted = (4095 - unsigned).astype(np.uint16)
    tags = {"PhotometricInterpretation": "MONOCHROME1"}
    assert _dicom(tmp_path / "g", inverted, **tags).startswith(NOT_HU)
    # The same values rightly said: the slope turns them around again.
    assert _dicom(tmp_path / "h", inverted, RescaleSlope="-1", RescaleIntercept="3071") == ""


@pytest.mark.parametrize("padding", [-2048, -2000, -3024])
def test_padding_without_its_tag_is_no_measurement(tmp_path: Path, padding: int):
    hu = _set(_phantom(), _circle(), padding)
    path = make_slice(tmp_path / "a", hu.astype(np.int16), RescaleIntercept="0")
    scan = read_slice(path)
    np.testing.assert_array_equal(scan.valid, ~_circle())
    assert objections(scan, MODALITIES["ct_lung"]).refusal == ""


def test_mr_is_not_asked_where_its_air_lies(tmp_path: Path):
    path = make_slice(tmp_path / "a", (_phantom() + 1024).astype(np.uint16), Modality="MR")
    assert objections(read_slice(path), MODALITIES["mri_chest"]).refusal == ""


def test_a_volume_in_hu_is_asked_too(tmp_path: Path):
    path = make_slice(tmp_path / "a", (_phantom() + 1024).astype(np.uint16))
    scan = read_slice(path)
    nifti = replace(
        scan, facts=replace(scan.facts, modality="", bits_stored=32), pixels=scan.pixels / 2
    )
    assert objections(nifti, MODALITIES["ct_lung"]).refusal.startswith(NOT_HU)


@pytest.mark.real_data
def test_no_real_slice_is_refused(data_root: Path):
    for folder in ("ct", "ct2"):
        for path in sorted((data_root / folder).rglob("*.dcm")):
            scan = read_slice(path)
            assert objection(scan.pixels, scan.valid) == "", path
