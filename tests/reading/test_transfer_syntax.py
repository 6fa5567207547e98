"""Data sets that are written in another way than their transfer syntax says."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from dfd.errors import SeriesError
from dfd.reading import read_facts, read_slice
from tests.dicom_maker import make_dataset, make_pixels, make_slice
from tests.reencode import data_set, file_meta

PIXELS = make_pixels((3, 40, 48))
NAMED = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "implicit big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def _dataset(**tags: object) -> Dataset:
    return make_dataset(PIXELS, SOPInstanceUID="1.2.3", **tags)


def _written(how: str) -> bytes:
    """The data set without file meta information."""
    big = how.endswith("big endian")
    dataset = _dataset()
    if big:
        dataset.PixelData = PIXELS.astype(">u2").tobytes()
    content = data_set(dataset, how.startswith("implicit"), not big)
    if how != "deflated":
        return content
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


READABLE = {
    ("implicit", "explicit"),
    ("explicit", "implicit"),
    ("big endian", "implicit big endian"),
    *((how, how) for how in NAMED if how != "implicit big endian"),
}


@pytest.mark.filterwarnings("ignore:Expected")  # pydicom's own, when the test asks it
@pytest.mark.parametrize("written", NAMED)
@pytest.mark.parametrize("named", [how for how in NAMED if how != "implicit big endian"])
def test_pixels_are_those_of_pydicom_or_refused(tmp_path: Path, named: str, written: str):
    path = tmp_path / "a.dcm"
    path.write_bytes(file_meta(NAMED[named]) + _written(written))
    if (named, written) in READABLE:
        for frame in range(3):
            found = read_slice(path, frame).pixels
            np.testing.assert_array_equal(found, dcmread(path).pixel_array[frame] - 1024.0)
            np.testing.assert_array_equal(found, PIXELS[frame] - 1024.0)
        return
    for read in (lambda file: read_slice(file, 0), read_facts):
        with pytest.raises(
            SeriesError, match=r"says that it is written as .* but is not: export it again|damaged"
        ):
            read(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_a_compressed_image_under_an_implicit_header(tmp_path: Path, syntax: str):
    path = make_slice(tmp_path / "a.dcm", PIXELS[0], syntax=syntax)
    dataset = dcmread(path)
    value = dataset.PixelData + bytes.fromhex("feffdde0 00000000")
    del dataset.PixelData, dataset.file_meta
    element = bytes.fromhex("e07f1000 ffffffff") + value
    path.write_bytes(file_meta(syntax) + data_set(dataset, True, True) + element)
    np.testing.assert_array_equal(read_slice(path).pixels, PIXELS[0] - 1024.0)


def test_without_file_meta_information_the_first_element_tells(tmp_path: Path):
    path = tmp_path / "a"
    for how in ("implicit", "explicit"):
        path.write_bytes(_written(how))
        np.testing.assert_array_equal(read_slice(path, 1).pixels, PIXELS[1] - 1024.0)


@pytest.mark.parametrize("written", ["explicit", "big endian"])
def test_a_syntax_that_is_no_uid_is_not_repeated(tmp_path: Path, written: str):
    path = tmp_path / "a.dcm"
    path.write_bytes(file_meta("Canary^Identity\n") + _written(written))
    with pytest.raises(SeriesError, match="an unnamed syntax") as caught:
        read_slice(path, 0)
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.3.46.670589.33.1.4.1"])
@pytest.mark.parametrize("written", ["implicit", "explicit"])
def test_a_vendors_own_syntax_is_refused_by_its_number(tmp_path: Path, syntax: str, written: str):
    # GE's 1.2.840.113619.5.2 has an implicit header in little and pixels in big endian.
    path = tmp_path / "a.dcm"
    path.write_bytes(file_meta(syntax) + _written(written))
    with pytest.raises(
        SeriesError,
        match=rf"is written in a vendor's own transfer syntax, {syntax}, for which no decoder is "
        "installed: export it uncompressed, as Explicit VR Little Endian",
    ):
        read_slice(path, 0)
    assert read_facts(path).modality == "CT"
