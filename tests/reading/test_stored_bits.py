"""Which bits are the value of a pixel: the same under every compression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from dfd.errors import SeriesError
from dfd.reading import read_facts, read_series, read_slice
from dfd.reading.codestream import Codestream, stated
from dfd.reading.header import ImageShape
from dfd.reading.stored_bits import stored_values
from tests.dicom_maker import make_pixels, make_slice
from tests.reencode import SYNTAXES, codestream_of, make_contradicting, put_fragments

COMPRESSED = (JPEG2000Lossless, JPEGLSLossless)
NATIVE = SYNTAXES[:4]
SHAPE = (40, 48)


def _values(bits: int, signed: bool, seed: int = 1) -> np.ndarray:
    """Every kind of value that fits into ``bits``, both ends among them."""
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values = np.random.default_rng(seed).integers(lowest, highest, SHAPE, endpoint=True)
    values[0, :2] = lowest, highest
    return values.astype(np.int16 if signed else np.uint16)


def _dirty(values: np.ndarray, bits: int, seed: int) -> np.ndarray:
    """``values`` with random bits above the lower ``bits``."""
    above = np.random.default_rng(seed).integers(0, 2 ** (16 - bits), values.shape) << bits
    kept = values.astype(np.int64) & (2**bits - 1)
    return (above | kept).astype(np.uint16).view(values.dtype)


def _header(bits: int, signed: bool) -> dict[str, object]:
    return {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(signed)}


def _stored(path: Path) -> np.ndarray:
    """Stored values, read as MR, which has none that are no measurement."""
    dataset = dcmread(path)
    dataset.Modality, dataset.RescaleIntercept, dataset.RescaleSlope = "MR", "0", "1"
    dataset.save_as(path)
    return _stated(path)


def _stated(path: Path) -> np.ndarray:
    """What an MR file states, which is read in steps of its own scale."""
    scan = read_slice(path)
    return scan.pixels * scan.rescale.slope + scan.rescale.intercept


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    syntax=st.sampled_from(SYNTAXES),
    bits=st.integers(9, 16),
    signed=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_bits_above_those_stored_change_nothing(
    tmp_path: Path, syntax: str, bits: int, signed: bool, seed: int
):
    values = _values(bits, signed, seed)
    path = make_contradicting(
        tmp_path / "a.dcm",
        _dirty(values, bits, seed),
        syntax,
        Modality="MR",
        RescaleIntercept="0",
        **_header(bits, signed),
    )
    np.testing.assert_array_equal(_stated(path), values.astype(np.float64))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_overlay_above_the_values_is_no_part_of_a_ct(tmp_path: Path, syntax: str):
    ring = make_pixels()
    ring[10:12, 10:30] |= 1 << 12
    header = {"BitsStored": 12, "HighBit": 11}
    path = make_contradicting(tmp_path / "a.dcm", ring, syntax, **header)
    np.testing.assert_array_equal(read_slice(path).pixels, make_pixels() - 1024.0)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint32, np.int32])
def test_pixels_of_other_sizes(tmp_path: Path, syntax: str, kind: type):
    values = (make_pixels() % 100).astype(kind)
    if values.itemsize == 4 and syntax not in NATIVE:
        pytest.skip("the encoders write up to 16 bits")
    header = {"Modality": "MR", "RescaleIntercept": "0"}
    path = make_contradicting(tmp_path / "a.dcm", values, syntax, **header)
    np.testing.assert_array_equal(_stated(path), values.astype(np.float64))


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("bits", [12, 13, 15, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_a_stream_of_just_the_stored_bits(tmp_path: Path, syntax: str, bits: int, signed: bool):
    values = _values(bits, signed)
    path = make_contradicting(tmp_path / "a.dcm", values, syntax, bits, **_header(bits, signed))
    found = stated(codestream_of(path))
    assert found == Codestream(*SHAPE, bits, signed and syntax == JPEG2000Lossless)
    np.testing.assert_array_equal(_stored(path), values.astype(np.float32))


@pytest.mark.parametrize("precision", [12, 13, 16])
def test_signed_values_in_an_unsigned_jpeg_2000(tmp_path: Path, precision: int):
    # As encoders write that know no sign: the bits are those of the signed values.
    values = _values(precision, signed=True)
    unsigned = values.view(np.uint16) & (2**precision - 1)
    path = make_contradicting(
        tmp_path / "a.dcm", unsigned, JPEG2000Lossless, precision, **_header(precision, True)
    )
    np.testing.assert_array_equal(_stored(path), values.astype(np.float32))


def test_a_signed_jpeg_2000_whose_values_are_not_negative(tmp_path: Path):
    path = make_contradicting(
        tmp_path / "a.dcm", make_pixels().astype(np.int16), JPEG2000Lossless, **_header(12, False)
    )
    np.testing.assert_array_equal(read_slice(path).pixels, make_pixels() - 1024.0)


def test_negative_values_under_a_header_without_sign_are_refused(tmp_path: Path):
    path = make_contradicting(
        tmp_path / "a.dcm", _values(12, True), JPEG2000Lossless, 12, **_header(12, False)
    )
    with pytest.raises(
        SeriesError,
        match=r"says unsigned pixels in its header but its compressed image holds negative ones",
    ):
        read_slice(path)


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_stream_of_fewer_bits_than_are_stored(tmp_path: Path, syntax: str):
    values = _values(12, signed=False)
    path = make_contradicting(tmp_path / "a.dcm", values, syntax, 12, **_header(16, False))
    np.testing.assert_array_equal(_stored(path), values.astype(np.float32))


def test_a_signed_stream_of_fewer_bits_keeps_its_sign(tmp_path: Path):
    values = _values(12, signed=True)
    path = make_contradicting(tmp_path / "a.dcm", values, JPEG2000Lossless, 12, **_header(16, True))
    np.testing.assert_array_equal(_stored(path), values.astype(np.float32))


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_an_unsigned_stream_of_fewer_bits_may_hold_a_sign_or_not(tmp_path: Path, syntax: str):
    low = _values(12, signed=False)
    path = make_contradicting(tmp_path / "a.dcm", low, syntax, 13, **_header(16, True))
    np.testing.assert_array_equal(_stored(path), low.astype(np.float32))
    high = _values(13, signed=False)
    path = make_contradicting(tmp_path / "a.dcm", high, syntax, 13, **_header(16, True))
    with pytest.raises(
        SeriesError,
        match=r"signed pixels of 16 bits in its header but its compressed image holds 13 bits",
    ):
        read_slice(path)


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_stream_of_more_bits_than_are_allocated(tmp_path: Path, syntax: str):
    header = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    path = make_contradicting(tmp_path / "a.dcm", make_pixels(), syntax, **header)
    with pytest.raises(SeriesError, match=r"8 bits a pixel in its header .* holds 16 bits"):
        read_slice(path)


def test_a_jpeg_2000_file_around_the_codestream(tmp_path: Path):
    values = _dirty(_values(12, True), 12, 1)
    path = make_contradicting(tmp_path / "a.dcm", values, JPEG2000Lossless, **_header(12, True))
    plain = codestream_of(path)
    boxes = bytes.fromhex("0000000c6a5020200d0a870a 00000014667479706a703220 000000006a703220")
    head = bytes.fromhex("0000002d6a703268 00000016696864 72") + bytes.fromhex(
        "00000028 00000030 0001 0f 07 00 00 0000000f 636f6c72 01 00 00 00000011"
    )
    wrapped = boxes + head + (len(plain) + 8).to_bytes(4, "big") + b"jp2c" + plain
    assert stated(wrapped) == stated(plain)
    put_fragments(path, [wrapped])
    np.testing.assert_array_equal(_stored(path), _values(12, True).astype(np.float32))


def test_floating_point_pixels_have_no_unused_bits():
    values = np.array([[1.5, -2.5]], np.float32)
    shape = ImageShape(1, 2, 1, 32, 12, True, False)
    np.testing.assert_array_equal(stored_values(values, shape, None, Path("a")), values)


@pytest.mark.parametrize(("bits", "highest"), [(12, 15), (12, 12), (16, 11), (12, 0)])
def test_bits_that_do_not_begin_at_the_lowest_are_refused(tmp_path: Path, bits: int, highest: int):
    path = make_slice(tmp_path / "a.dcm", make_pixels(), BitsStored=bits, HighBit=highest)
    sentence = rf"a\.dcm says HighBit {highest} for {bits} stored bits, .*bit {bits - 1}: export"
    for read in (read_slice, read_facts):
        with pytest.raises(SeriesError, match=sentence):
            read(path)
    assert [skipped.path for skipped in read_series(tmp_path)[1]] == [path]


@pytest.mark.parametrize("stored", [None, 12])
def test_a_header_without_high_bit_is_read(tmp_path: Path, stored: int | None):
    path = make_slice(tmp_path / "a.dcm", make_pixels(), BitsStored=stored or 16, HighBit=None)
    np.testing.assert_array_equal(read_slice(path).pixels, make_pixels() - 1024.0)
