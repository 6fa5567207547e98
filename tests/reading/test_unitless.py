"""Intensities without a unit.

The same slice in whatever scale and with whatever offset it was written.
"""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from dfd.reading import read_slice
from dfd.reading.unitless import in_steps, zero_level
from dfd.records import Slice
from tests.dicom_maker import make_slice

SHAPE = (40, 48)
FACTORS = st.floats(-4.0, 4.0).map(lambda power: 10.0**power)
SHIFTS = st.one_of(st.just(0.0), st.floats(-1e4, 1e4))


def stored(seed: int = 3) -> NDArray[np.uint16]:
    """An MR-like slice of whole numbers: a dark background with zeros, bright tissue, noise."""
    rng = np.random.default_rng(seed)
    image = rng.rayleigh(4.0, SHAPE)
    image[8:32, 10:40] += 300.0 + rng.normal(0.0, 12.0, (24, 30))
    image[:, :6] = 0.0
    return np.rint(image).astype(np.uint16)


def off_lattice(seed: int = 4) -> NDArray[np.float64]:
    """The same as an interpolation leaves it: no step of which all values are multiples."""
    image = stored(seed).astype(np.float64)
    moved = (
        0.618034 * image
        + 0.381966 * np.roll(image, 1, axis=1) * np.linspace(0.9, 1.1, SHAPE[0])[:, None]
    )
    moved[:, :6] = 0.0
    return moved


def stated(scan: Slice) -> NDArray[np.float64]:
    """The values that the file states."""
    return scan.pixels.astype(np.float64) * scan.rescale.slope + scan.rescale.intercept


def test_a_slice_of_whole_numbers_from_zero_stays_as_it_is() -> None:
    values = stored().astype(np.float64)
    pixels, rescale = in_steps(values, np.ones(SHAPE, dtype=bool))
    np.testing.assert_array_equal(pixels, values)
    assert (rescale.slope, rescale.intercept) == (1.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(factor=FACTORS, shift=SHIFTS, single=st.booleans())
def test_scale_and_offset_of_whole_numbers_change_no_bit(
    factor: float, shift: float, single: bool
) -> None:
    """In double precision always.

    In single precision where the offset leaves the steps in the file.
    """
    values = stored().astype(np.float64)
    scaled = values * factor + shift
    if single:
        scaled = scaled.astype(np.float32).astype(np.float64)
        if np.spacing(np.float32(abs(shift) + 400 * factor)) > 0.02 * factor:
            return
    pixels, rescale = in_steps(scaled, np.ones(SHAPE, dtype=bool))
    np.testing.assert_array_equal(pixels, values)
    assert rescale.slope == pytest.approx(factor, rel=1e-3)
    np.testing.assert_allclose(
        pixels * rescale.slope + rescale.intercept, scaled, atol=0.05 * factor
    )


@settings(max_examples=60, deadline=None)
@given(factor=FACTORS, shift=st.floats(-1e4, 1e4))
def test_scale_and_offset_of_other_numbers_change_nothing_but_rounding(
    factor: float, shift: float
) -> None:
    whole = np.ones(SHAPE, dtype=bool)
    plain, _ = in_steps(off_lattice(), whole)
    # Doubles keep 1e-16 of the offset.
    pixels, _ = in_steps(off_lattice() * factor + shift * factor, whole)
    np.testing.assert_allclose(pixels, plain, rtol=1e-6, atol=1e-6)
    assert np.percentile(plain[plain > 0], 95) == pytest.approx(1000.0)


@pytest.mark.parametrize("factor", [2, 16])
def test_whole_numbers_that_were_spread_are_brought_together(factor: int) -> None:
    pixels, rescale = in_steps(stored().astype(np.float64) * factor, np.ones(SHAPE, dtype=bool))
    np.testing.assert_array_equal(pixels, stored())
    assert rescale.slope == factor


def test_a_few_negative_values_of_interpolation_are_not_the_zero_level() -> None:
    values = stored().astype(np.float64)
    values[20, 20:24] = -7.0
    assert zero_level(values.ravel()) == 0.0
    pixels, _ = in_steps(values, np.ones(SHAPE, dtype=bool))
    assert (pixels[20, 20:24] == -7.0).all()


def test_a_smooth_histogram_has_no_spike_to_begin_from() -> None:
    """Single levels of a noisy background hold much of a slice by themselves.

    And zero is still below them.
    """
    values = np.rint(np.random.default_rng(1).rayleigh(5.5, 20_000))
    values[:5] = 0.0
    assert np.bincount(values.astype(int)).max() > 0.05 * values.size
    assert zero_level(values[5:][values[5:] > 0]) == 1.0


def test_saturation_is_not_the_zero_level() -> None:
    values = stored().astype(np.float64) + 5.0 + np.arange(48) * 1e-3
    values[10:20, 12:30] = 4095.0
    assert zero_level(values.ravel()) == values.min()


def test_padding_does_not_decide_the_scale() -> None:
    values = stored().astype(np.float64)
    valid = np.ones(SHAPE, dtype=bool)
    values[:, -4:], valid[:, -4:] = np.finfo(np.float64).max, False
    pixels, rescale = in_steps(values, valid)
    np.testing.assert_array_equal(pixels[valid], stored()[valid])
    assert np.isfinite(pixels).all()
    assert rescale.slope == 1.0


@pytest.mark.parametrize("tiny", [1e-40, 1e-300, 0.004])
def test_a_value_hardly_above_zero_does_not_decide_the_step(tiny: float) -> None:
    values = np.random.default_rng(1).gamma(2.0, 200.0, SHAPE)
    values[0, 0], values[0, 1] = 0.0, tiny
    pixels, rescale = in_steps(values, np.ones(SHAPE, dtype=bool))
    assert np.isfinite(pixels).all()
    np.testing.assert_allclose(
        pixels * rescale.slope + rescale.intercept, values, rtol=1e-5, atol=1e-2
    )


def private_scale(path: Path) -> Path:
    """Philips' own scale slope and intercept beside the standard's."""
    dataset = dcmread(path)
    block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0D, "FL", 12.5)
    block.add_new(0x0E, "FL", 0.0034)
    dataset.save_as(path)
    return path


def real_world(slope: float, intercept: float) -> Dataset:
    mapping = Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, intercept
    mapping.LUTLabel = "US"
    return mapping


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"RescaleSlope": "0.0001", "RescaleIntercept": "0"},
        {"RescaleSlope": "10000", "RescaleIntercept": "-10000"},
        {"RescaleSlope": "0.0123456789", "RescaleIntercept": "9999.5"},
        {"RealWorldValueMappingSequence": [real_world(0.002, -3.0)]},
    ],
)
def test_no_scale_of_the_header_changes_a_pixel(tmp_path: Path, tags: dict[str, object]) -> None:
    plain = read_slice(make_slice(tmp_path / "a", stored(), Modality="MR"))
    scaled = read_slice(private_scale(make_slice(tmp_path / "b", stored(), Modality="MR", **tags)))
    np.testing.assert_array_equal(scaled.pixels, plain.pixels)
    slope, intercept = (
        float(str(tags.get("RescaleSlope", 1))),
        float(str(tags.get("RescaleIntercept", 0))),
    )
    np.testing.assert_allclose(stated(scaled), stored() * slope + intercept, rtol=1e-12)


def test_a_negative_slope_turns_dark_and_bright_around(tmp_path: Path) -> None:
    plain = read_slice(make_slice(tmp_path / "a", stored(), Modality="MR"))
    turned = (1000 - stored().astype(int)).astype(np.uint16)
    scan = read_slice(
        make_slice(
            tmp_path / "b", turned, Modality="MR", RescaleSlope="-0.5", RescaleIntercept="500"
        )
    )
    np.testing.assert_array_equal(scan.pixels, plain.pixels)
    np.testing.assert_allclose(stated(scan), stored() * 0.5)


@pytest.mark.parametrize("kind", ["int16", "scaled int16", "float32 0..1", "float64 shifted"])
def test_a_nifti_of_any_scale_gives_the_pixels_of_the_dicom_file(tmp_path: Path, kind: str) -> None:
    plain = read_slice(make_slice(tmp_path / "a", stored(), Modality="MR"))
    values, header = stored().T[:, :, None].astype(np.float64), nibabel.Nifti1Header()
    if kind == "float32 0..1":
        image = nibabel.Nifti1Image((values / values.max()).astype(np.float32), np.eye(4))
    elif kind == "float64 shifted":
        image = nibabel.Nifti1Image(values * 3.7 - 10_000.0, np.eye(4))
    else:
        header.set_data_dtype(np.int16)
        image = nibabel.Nifti1Image(values.astype(np.int16), np.eye(4), header)
    if kind == "scaled int16":
        image.header.set_slope_inter(0.0031, -2.0)
    nibabel.save(image, tmp_path / "a.nii.gz")
    scan = read_slice(tmp_path / "a.nii.gz", 0, "stored")
    np.testing.assert_array_equal(scan.pixels, plain.pixels)
    assert scan.facts.unit == "stored"


@pytest.mark.parametrize("factor", [1e-300, 1e300, 1e-150, 1e140])
def test_absurd_scales_neither_warn_nor_hang(factor: float) -> None:
    for values in (
        stored() * factor,
        off_lattice() * factor,
        np.where(stored() > 200, 1.7e308, stored() * 1.0),
    ):
        pixels, rescale = in_steps(values.astype(np.float64), np.ones(SHAPE, dtype=bool))
        assert np.isfinite(pixels).all()
        assert rescale.slope > 0
