"""JPEG lossless, whose decoder is an extra.

Read bit by bit where it is installed, one clear sentence where it is not.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

from dfd.errors import SeriesError
from dfd.reading import read_slice
from dfd.reading.codestream import stated_size
from tests.dicom_maker import make_pixels, make_slice
from tests.jpeg_lossless import encode

DECODER = importlib.util.find_spec("libjpeg") is not None
needs_decoder = pytest.mark.skipif(
    not DECODER, reason="the extra gpl-decoders is not installed: reading JPEG lossless is left out"
)
needs_none = pytest.mark.skipif(
    DECODER,
    reason="the extra gpl-decoders is installed: the sentence for those without it is left out",
)
SYNTAXES = [JPEGLossless, JPEGLosslessSV1]
SHAPE = (40, 56)

# Type, BitsStored, lowest and highest value: what CT and MR scanners write, and all that fits.
KINDS = {
    "unsigned 16": (np.uint16, 16, 0, 65535),
    "unsigned 12": (np.uint16, 12, 0, 4095),
    "signed 16": (np.int16, 16, -32768, 32767),
    "signed CT": (np.int16, 16, -2000, 3071),
    "signed 12": (np.int16, 12, -2048, 2047),
}


def make_jpeg(path: Path, syntax: str, images: list[np.ndarray], bits: int, **tags: object) -> Path:
    """A DICOM file with one JPEG lossless codestream per frame."""
    make_slice(
        path,
        images[0] if len(images) == 1 else np.stack(images),
        BitsStored=bits,
        HighBit=bits - 1,
        **tags,
    )
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([encode(image, bits) for image in images])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    return path


def stored(kind: str, seed: int = 1) -> np.ndarray:
    """Random values of a kind, with both ends among them: differences of every category."""
    dtype, _, lowest, highest = KINDS[kind]
    generator = np.random.default_rng(seed)
    image = generator.integers(lowest, highest, SHAPE, endpoint=True)
    image[:20] = np.clip(image[:20] // 64 + (lowest + highest) // 2, lowest, highest)
    image[3, :4] = lowest, highest, highest, lowest
    image[4, :2] = lowest, min(lowest + 32768, highest)  # the one difference of category 16
    return image.astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_the_codestream_states_its_size(kind: str) -> None:
    assert stated_size(encode(stored(kind), KINDS[kind][1])) == SHAPE


@needs_none
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_without_the_extra_the_sentence_names_it(tmp_path: Path, syntax: str) -> None:
    path = make_jpeg(tmp_path / "a.dcm", syntax, [make_pixels(SHAPE)], 16)
    with pytest.raises(
        SeriesError,
        match=(
            r"a\.dcm is compressed as JPEG Lossless.*no decoder is installed: pip install "
            r'"deepfakes-detector\[gpl-decoders\]"'
        ),
    ):
        read_slice(path)


@needs_decoder
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_values_are_read_bit_by_bit(tmp_path: Path, syntax: str, kind: str) -> None:
    image = stored(kind)
    # MR has no values below which nothing is measured, so that every stored value is compared.
    scan = read_slice(make_jpeg(tmp_path / "a.dcm", syntax, [image], KINDS[kind][1], Modality="MR"))
    np.testing.assert_array_equal(scan.pixels, image.astype(np.float32))
    assert scan.facts.compression == syntax.name


@needs_decoder
@pytest.mark.parametrize(
    ("kind", "intercept"), [("unsigned 12", -1024), ("signed CT", 0), ("signed CT", -24)]
)
def test_ct_comes_in_hu(tmp_path: Path, kind: str, intercept: int) -> None:
    image = stored(kind)
    scan = read_slice(
        make_jpeg(
            tmp_path / "a.dcm",
            JPEGLosslessSV1,
            [image],
            KINDS[kind][1],
            RescaleIntercept=str(intercept),
        )
    )
    hu = image.astype(np.float32) + intercept
    np.testing.assert_array_equal(scan.pixels[scan.valid], hu[scan.valid])
    np.testing.assert_array_equal(scan.valid, hu >= -1500)


@needs_decoder
def test_eight_bits(tmp_path: Path) -> None:
    image = np.random.default_rng(2).integers(0, 255, SHAPE, endpoint=True).astype(np.uint8)
    scan = read_slice(make_jpeg(tmp_path / "a.dcm", JPEGLosslessSV1, [image], 8, Modality="MR"))
    np.testing.assert_array_equal(scan.pixels, image.astype(np.float32))


@needs_decoder
def test_one_frame_of_several(tmp_path: Path) -> None:
    images = [stored("unsigned 12", seed) for seed in range(3)]
    path = make_jpeg(tmp_path / "a.dcm", JPEGLosslessSV1, images, 12, Modality="MR")
    np.testing.assert_array_equal(read_slice(path, 1).pixels, images[1].astype(np.float32))


@needs_decoder
def test_a_codestream_cut_short(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.dcm", JPEGLosslessSV1, [make_pixels(SHAPE)], 16)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 7 // 10])
    with pytest.raises(
        SeriesError, match=r"a\.dcm .*cut short or damaged, so copy or export it again"
    ):
        read_slice(path)


@needs_decoder
@pytest.mark.parametrize("kind", ["unsigned 12", "signed 12"])
def test_bits_above_those_stored_change_nothing(tmp_path: Path, kind: str) -> None:
    image = stored(kind)
    above = np.random.default_rng(1).integers(0, 16, SHAPE).astype(np.uint16) << 12
    dirty = (image.view(np.uint16) & 0x0FFF | above).view(image.dtype)
    path = make_jpeg(tmp_path / "a.dcm", JPEGLosslessSV1, [dirty], 16, Modality="MR")
    dataset = dcmread(path)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.save_as(path)
    np.testing.assert_array_equal(read_slice(path).pixels, image.astype(np.float32))
