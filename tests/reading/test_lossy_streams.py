"""Loss that a compressed image itself states, whatever the header says."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import jpeg_ls
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, UID, JPEG2000Lossless, JPEGLSLossless

from dfd.reading import read_slice
from dfd.reading.codestream import stated
from tests.dicom_maker import make_pixels, make_slice


def _j2k(pixels: np.ndarray, *, irreversible: bool) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(
        stream, "JPEG2000", no_jp2=True, irreversible=irreversible, quality_mode="rates",
        quality_layers=[4 if irreversible else 0],
    )  # fmt: skip
    return stream.getvalue()


STREAMS = {
    "9/7 wavelet": (JPEG2000Lossless, lambda pixels: _j2k(pixels, irreversible=True), True),
    "9/7 wavelet, syntax of loss": (JPEG2000, lambda pixels: _j2k(pixels, irreversible=True), True),
    "5/3 wavelet": (JPEG2000, lambda pixels: _j2k(pixels, irreversible=False), False),
    "tolerance of 8": (JPEGLSLossless, lambda pixels: jpeg_ls.encode_array(pixels, 8), True),
    "no tolerance": (JPEGLSLossless, lambda pixels: jpeg_ls.encode_array(pixels, 0), False),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_image_says_that_it_lost_something(tmp_path: Path, name: str) -> None:
    syntax, encode, lossy = STREAMS[name]
    pixels = make_pixels()
    path = make_slice(tmp_path / "a.dcm", pixels, LossyImageCompression="00")
    dataset = dcmread(path)
    code = bytes(encode(pixels))
    dataset.PixelData = encapsulate([code])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.save_as(path)
    found = stated(code)
    assert found is not None
    assert (found.rows, found.columns, found.lossy) == (*pixels.shape, lossy)
    assert read_slice(path).facts.lossy == lossy


def test_a_method_of_lossy_compression_without_a_flag(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), LossyImageCompressionMethod="ISO_15444_1")
    assert read_slice(path).facts.lossy


def test_the_sop_class_names_the_modality_where_the_header_does_not(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), Modality="CT")
    dataset = dcmread(path)
    del dataset.Modality
    dataset.save_as(path)
    assert (read_slice(path).facts.modality, read_slice(path).facts.unit) == ("CT", "HU")
