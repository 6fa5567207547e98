"""PNG: what is read back is what was packed, whatever was taken from a like picture.

Other decoders' checks hold.
"""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from dfd.outputs import png


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def opened(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        return np.asarray(image).copy()


def stream_of(data):
    """The zlib stream: the IDAT chunks joined."""
    parts, at = [], 8
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        assert zlib.crc32(data[at + 4 : at + 8 + length]) == int.from_bytes(
            data[at + 8 + length : at + 12 + length], "big"
        )
        parts.append(data[at + 8 : at + 8 + length] if kind == b"IDAT" else b"")
        at += 12 + length
    return b"".join(parts)


@pytest.mark.parametrize(
    "height", [1, 2, png.STRIP - 1, png.STRIP, png.STRIP + 1, 5 * png.STRIP + 3]
)
@pytest.mark.parametrize("width", [1, 2, 301])
def test_what_is_read_back_is_what_was_packed(height, width):
    pixels = picture(height, width)
    data = png.file_of(png.pack(pixels))
    np.testing.assert_array_equal(opened(data), pixels)
    # decompress checks the Adler-32 of the whole stream, which was added up from those of the
    # strips.
    assert len(zlib.decompress(stream_of(data))) == height * (1 + 3 * width)


@pytest.mark.parametrize("value", [0, 255])
def test_the_checksum_holds_for_long_runs_of_one_value(value):
    pixels = np.full((1200, 1000, 3), value, dtype=np.uint8)
    data = png.file_of(png.pack(pixels))
    zlib.decompress(stream_of(data))
    np.testing.assert_array_equal(opened(data), pixels)


def test_strips_that_are_the_same_are_taken_over_and_the_file_is_the_same():
    first = picture(6 * png.STRIP, 40)
    second = first.copy()
    second[2 * png.STRIP, 7] ^= 1
    packed = png.pack(first)
    taken = png.pack(second, packed)
    assert [one is other for one, other in zip(taken.strips, packed.strips, strict=True)] == [
        True,
        True,
        False,
        True,
        True,
        True,
    ]
    assert png.file_of(taken) == png.file_of(png.pack(second))
    np.testing.assert_array_equal(opened(png.file_of(taken)), second)


def test_a_picture_that_is_packed_is_not_changed():
    pixels = picture(20, 30)
    before = pixels.copy()
    png.file_of(png.pack(pixels, png.pack(pixels)))
    np.testing.assert_array_equal(pixels, before)
