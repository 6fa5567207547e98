"""Pixels that are more or fewer than the header says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dfd.errors import SeriesError
from dfd.reading import read_slice
from tests.dicom_maker import make_pixels, make_slice
from tests.reencode import SYNTAXES, codestream_of, make_contradicting, put_fragments

NATIVE = SYNTAXES[:4]
COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless)


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize(
    "lie",
    [{"Columns": 47}, {"Rows": 39}, {"Columns": 47, "Rows": 39}, {"Columns": 49}, {"Rows": 41}],
    ids=str,
)
def test_a_header_of_another_size_is_refused_with_both_numbers(
    tmp_path: Path, syntax: str, lie: dict[str, int]
):
    path = make_contradicting(tmp_path / "a.dcm", make_pixels((40, 48)), syntax, **lie)
    rows, columns = lie.get("Rows", 40), lie.get("Columns", 48)
    with pytest.raises(
        SeriesError,
        match=rf"a\.dcm has pixels that cannot be decoded: its header says 1 frame\(s\) of "
        rf"{rows} x {columns} pixels of 2 byte\(s\), {rows * columns * 2} bytes, but it holds "
        r"3840: correct Rows, Columns and NumberOfFrames",
    ):
        read_slice(path)


def test_rows_and_columns_exchanged_are_not_told_by_the_length(tmp_path: Path):
    # 40 x 48 and 48 x 40 have the same length: nothing in the file contradicts the header.
    path = make_contradicting(
        tmp_path / "a.dcm", make_pixels((40, 48)), ExplicitVRLittleEndian, Rows=48, Columns=40
    )
    assert read_slice(path).pixels.shape == (48, 40)


@pytest.mark.parametrize("bits", [8, 32])
def test_bits_of_another_size_are_refused(tmp_path: Path, bits: int):
    header = {"BitsAllocated": bits, "BitsStored": 8, "HighBit": 7}
    path = make_contradicting(tmp_path / "a.dcm", make_pixels(), ExplicitVRLittleEndian, **header)
    with pytest.raises(SeriesError, match="but it holds 3840: correct Rows"):
        read_slice(path)


@pytest.mark.parametrize("syntax", [*NATIVE, *COMPRESSED])
@pytest.mark.parametrize("frames", [None, 1, 2, 4])
def test_another_number_of_frames_is_refused(tmp_path: Path, syntax: str, frames: int | None):
    path = make_contradicting(
        tmp_path / "a.dcm", make_pixels((3, 40, 48)), syntax, NumberOfFrames=frames
    )
    sentence = (
        "but it holds 11520: correct Rows"
        if syntax in NATIVE
        else rf"says {frames or 1} frame\(s\) in its header but holds 3 compressed image\(s\)"
    )
    with pytest.raises(SeriesError, match=sentence):
        read_slice(path, 0 if frames and frames > 1 else None)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_floating_point_pixels_of_another_size(tmp_path: Path, syntax: str, keyword: str):
    pixels = make_pixels().astype(np.float32)
    path = make_slice(tmp_path / "a.dcm", pixels, syntax=syntax)
    np.testing.assert_array_equal(read_slice(path).pixels, pixels - 1024)
    make_slice(tmp_path / "a.dcm", pixels, syntax=syntax, **{keyword: 35})
    with pytest.raises(SeriesError, match="but it holds 7680: correct Rows"):
        read_slice(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_the_byte_that_makes_a_length_even_is_no_pixel(tmp_path: Path, syntax: str):
    pixels = (make_pixels((41, 49)) % 250).astype(np.uint8)
    path = make_slice(tmp_path / "a.dcm", pixels, syntax=syntax)
    assert len(dcmread(path).PixelData) == 41 * 49 + 1
    np.testing.assert_array_equal(read_slice(path).pixels, pixels - 1024.0)


@pytest.mark.parametrize("extra", [2, 512])
def test_more_bytes_than_padding_are_refused(tmp_path: Path, extra: int):
    path = make_slice(tmp_path / "a.dcm", make_pixels())
    dataset = dcmread(path)
    dataset.PixelData += bytes(extra)
    dataset.save_as(path)
    with pytest.raises(SeriesError, match=f"but it holds {3840 + extra}: correct"):
        read_slice(path)


def test_one_frame_of_many_is_read_where_it_lies(tmp_path: Path):
    pixels = make_pixels((5, 100, 120))
    for syntax in NATIVE:
        path = make_contradicting(tmp_path / "a.dcm", pixels, syntax, NumberOfFrames=5)
        for frame in (0, 4):
            np.testing.assert_array_equal(read_slice(path, frame).pixels, pixels[frame] - 1024.0)


def test_pixels_wrapped_as_compressed_ones_under_a_syntax_that_is_not(tmp_path: Path):
    path = make_slice(tmp_path / "a.dcm", make_pixels())
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([dataset.PixelData])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    dataset.save_as(path)
    path.write_bytes(
        path.read_bytes().replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.1\0\0\0")
    )
    with pytest.raises(SeriesError, match="not compressed but wraps them as compressed ones"):
        read_slice(path)


def test_no_pixels_at_all(tmp_path: Path):
    path = make_slice(tmp_path / "a.dcm", make_pixels())
    dataset = dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(SeriesError, match="has pixels that cannot be decoded"):
        read_slice(path)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_jpeg_ls_image_without_its_end_is_not_decoded(
    tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
):
    # The decoder needs ten seconds to find that some of them have no end.
    path = make_slice(tmp_path / "a.dcm", make_pixels(), syntax=JPEGLSLossless)
    stream = codestream_of(path).rstrip(b"\0")
    put_fragments(path, [stream[: int(len(stream) * share)]])
    monkeypatch.setattr(
        "dfd.reading.decoding.pixel_array", lambda *_, **__: pytest.fail("was decoded")
    )
    with pytest.raises(SeriesError, match="cut short or damaged, so copy or export it again"):
        read_slice(path)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("frames", [None, 1])
@pytest.mark.parametrize("last", [b"", None])
def test_a_frame_in_three_fragments_under_an_empty_offset_table(
    tmp_path: Path, syntax: str, frames: int | None, last: bytes | None
):
    path = make_slice(tmp_path / "a.dcm", make_pixels(), syntax=syntax, NumberOfFrames=frames)
    stream = codestream_of(path)
    parts = [stream[:500], stream[500:1200], stream[1200:]]
    put_fragments(path, parts if last is None else [*parts, last])
    np.testing.assert_array_equal(read_slice(path).pixels, make_pixels() - 1024.0)


@pytest.mark.parametrize("last", [b"", None])
def test_frames_in_fragments_under_an_empty_offset_table(tmp_path: Path, last: bytes | None):
    pixels = make_pixels((3, 40, 48))
    path = make_slice(tmp_path / "a.dcm", pixels, syntax=JPEGLSLossless)
    parts: list[bytes] = []
    for frame in range(3):
        stream = codestream_of(path, frame, 3)
        parts += [stream[:600], stream[600:]]
    put_fragments(path, parts if last is None else [*parts, last])
    for frame in range(3):
        np.testing.assert_array_equal(read_slice(path, frame).pixels, pixels[frame] - 1024.0)
