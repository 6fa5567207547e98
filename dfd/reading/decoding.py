"""Stored pixels of a DICOM file: one frame decoded, of the size and bits that the header says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options, pixel_array
from pydicom.tag import Tag
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from dfd.errors import SeriesError
from dfd.reading.codestream import END_OF_IMAGE, Codestream, image_count, stated
from dfd.reading.guard import Source, open_source, reading
from dfd.reading.header import ImageShape
from dfd.reading.header_values import text_of, value_of
from dfd.reading.stored_bits import stored_values
from dfd.reading.written_syntax import syntax_name

GPL_SYNTAXES = ("1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
"""JPEG extended and both JPEG lossless: their decoder, pylibjpeg-libjpeg, is GPL and therefore not
in the core."""
_GPL_MODULE = "libjpeg"
_INSTALL = 'pip install "deepfakes-detector[gpl-decoders]"'
_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
"""Deflated image frames: no decoder inflates them up to a limit."""
_STANDARD_ROOT = "1.2.840.10008."
"""Of the UIDs that DICOM gives; all others are a vendor's."""

_PLUGIN_OF = {
    str(RLELossless): "pydicom",
    **dict.fromkeys(map(str, JPEGLSTransferSyntaxes), "pyjpegls"),
    **dict.fromkeys(
        map(str, (JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)), "pylibjpeg"
    ),
}
"""One decoder per compression, so that all machines read the same values. pylibjpeg-rle is faster
(1 instead of 7 ms) but on damaged data it panics with a BaseException that would end the run;
Pillow moves signed JPEG 2000 values by a rule of its own."""

_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_UNDEFINED_LENGTH = 0xFFFFFFFF
_LARGE = 2**16
"""Bytes; longer elements stay in the file until they are needed, so that one frame of many is read
alone."""
_UNCORRECTED: dict[str, Any] = {
    "correct_unused_bits": False,
    "apply_j2k_sign_correction": False,
    "apply_jls_sign_correction": False,
}
"""pydicom drops bits above BitsStored in some syntaxes and not in others: here ``stored_values``
does it for all."""


def decode_stored(path: Path, shape: ImageShape, index: int) -> tuple[NDArray[np.generic], bool]:
    """Stored values ``[H, W]`` of frame ``index`` (zero-based) in the file's own type.

    Only that frame is decoded. Besides: whether its compressed image says that it lost something.

    Raises:
        SeriesError: No decoder installed, pixels missing, cut short, of another size or number than
            the header says, or a compressed image whose values contradict the header.
    """
    with reading(path), open_source(path) as source:
        syntax = UID(text_of(value_of(source.meta, "TransferSyntaxUID")))
        _check_decoder(syntax, path)
        with reading(path, "has pixels that cannot be decoded"):
            try:
                decoded, stream = _decoded(source, syntax, shape, index, path)
            except RuntimeError as error:
                if syntax not in GPL_SYNTAXES or importlib.util.find_spec(_GPL_MODULE) is not None:
                    raise
                raise _no_decoder(syntax, path) from error
    if decoded.shape != (shape.rows, shape.columns):
        raise SeriesError(
            f"{path} decodes to {decoded.shape} instead of {(shape.rows, shape.columns)}: "
            "export it again"
        )
    native = decoded.astype(decoded.dtype.newbyteorder("="), copy=False)
    return stored_values(native, shape, stream, path), stream is not None and stream.lossy


def _decoded(
    source: Source, syntax: UID, shape: ImageShape, index: int, path: Path
) -> tuple[NDArray[np.generic], Codestream | None]:
    """The frame, and what its codestream states where it is compressed."""
    if not syntax.is_encapsulated:
        return _read_native(source, syntax, shape, index, path), None
    dataset = dcmread(source.stream)
    _check_images(dataset.PixelData, shape.frames, path)
    frame = get_frame(dataset.PixelData, index, number_of_frames=shape.frames)
    if syntax in JPEGLSTransferSyntaxes and END_OF_IMAGE not in frame:
        # CharLS counts zeros for ten seconds before it finds that the data have ended.
        raise EOFError("the compressed image has no end")
    stream = stated(frame)
    if stream is not None and (stream.rows, stream.columns) != (shape.rows, shape.columns):
        raise SeriesError(
            f"{path} says {shape.rows} x {shape.columns} pixels in its header but "
            f"{stream.rows} x {stream.columns} in its compressed image: export it again"
        )
    plugin = _PLUGIN_OF.get(syntax, "")
    decoded = pixel_array(dataset, index=index, raw=True, decoding_plugin=plugin, **_UNCORRECTED)
    return np.asarray(decoded), stream


def _read_native(
    source: Source, syntax: UID, shape: ImageShape, index: int, path: Path
) -> NDArray[np.generic]:
    """The frame of a file that is not compressed, read where the header's parser found the pixels.

    The data set may be written in another way than its transfer syntax says (explicit instead of
    implicit VR): a second parser that believes the syntax would begin at another byte.
    """
    dataset = dcmread(source.stream, defer_size=_LARGE)
    keyword, element = _pixel_element(dataset)
    _check_length(element.length, keyword, shape, path)
    place = {"pixel_keyword": keyword, "pixel_vr": element.VR or "OW"}
    options = as_pixel_options(dataset) | _UNCORRECTED | place
    source.stream.seek(element.value_tell)
    decoded, _ = get_decoder(syntax).as_array(source.stream, index=index, raw=True, **options)
    return np.asarray(decoded)


def _pixel_element(dataset: Dataset) -> tuple[str, RawDataElement]:
    """Keyword and place of the only element with pixels.

    Raises:
        AttributeError: None, or several.
    """
    found = [keyword for keyword in _PIXEL_KEYWORDS if keyword in dataset]
    if len(found) != 1:
        raise AttributeError(f"{len(found)} elements hold pixels")
    element = dataset.get_item(Tag(found[0]), keep_deferred=True)
    if not isinstance(element, RawDataElement):
        raise AttributeError("the pixels were no plain element")
    return found[0], element


def _check_length(length: int, keyword: str, shape: ImageShape, path: Path) -> None:
    """Raise SeriesError where native pixels have more or fewer bytes than the header says.

    A byte that makes their number even is no pixel (PS3.5 section 8.1.1).
    """
    if length == _UNDEFINED_LENGTH:
        raise SeriesError(
            f"{path} says that its pixels are not compressed but wraps them as compressed ones: "
            "export it again"
        )
    size = {"FloatPixelData": 4, "DoubleFloatPixelData": 8}.get(keyword, shape.bits_allocated // 8)
    expected = shape.rows * shape.columns * shape.frames * size
    if length not in (expected, expected + expected % 2):
        raise SeriesError(
            f"{path} has pixels that cannot be decoded: its header says {shape.frames} frame(s) of "
            f"{shape.rows} x {shape.columns} pixels of {size} byte(s), {expected} bytes, but "
            "it holds "
            f"{length}: correct Rows, Columns and NumberOfFrames, or export it again"
        )


def _check_images(encapsulated: bytes, frames: int, path: Path) -> None:
    """Raise SeriesError where a file holds another number of compressed images than of frames."""
    count = image_count(encapsulated)
    if count not in (0, frames):
        raise SeriesError(
            f"{path} says {frames} frame(s) in its header but holds {count} compressed image(s): "
            "correct NumberOfFrames, or export it again"
        )


def _check_decoder(syntax: UID, path: Path) -> None:
    """Raise SeriesError where no installed decoder reads ``syntax``."""
    try:
        available = get_decoder(syntax).is_available and syntax != _DEFLATED_FRAMES
    except NotImplementedError:
        available = False
    if not available:
        raise _no_decoder(syntax, path)


def _no_decoder(syntax: UID, path: Path) -> SeriesError:
    """The error for a transfer syntax that cannot be read here."""
    if syntax.is_valid and not syntax.startswith(_STANDARD_ROOT):
        kind = f"is written in a vendor's own transfer syntax, {syntax}"
        mend = "export it uncompressed, as Explicit VR Little Endian"
    else:
        kind = f"is compressed as {syntax_name(syntax)}"
        mend = _INSTALL if syntax in GPL_SYNTAXES else "export it uncompressed"
    return SeriesError(f"{path} {kind}, for which no decoder is installed: {mend}")
