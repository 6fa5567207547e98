"""DICOM files whose header and pixels are written apart, so that they may contradict each other."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.encaps import get_frame
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.dicom_maker import make_dataset, make_slice

SYNTAXES = (
    UID("1.2.840.10008.1.2"),
    ExplicitVRLittleEndian,
    UID("1.2.840.10008.1.2.1.99"),
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
)
"""Every transfer syntax that is read without loss and without an extra."""

_ENCODED_AS = {HTJ2KLossless: JPEG2000Lossless}
"""No encoder of HTJ2K is installed: its decoder also reads plain JPEG 2000."""


def make_contradicting(
    path: Path,
    pixels: NDArray[np.generic],
    syntax: str,
    bits: int | None = None,
    **header: object,
) -> Path:
    """Write ``pixels`` with all bits of their type, then change the header.

    Args:
        path: The file.
        pixels: ``[H, W]`` or ``[frames, H, W]``; a compressed image takes sign and precision from
            their type.
        syntax: Transfer syntax, one of ``SYNTAXES``.
        bits: Precision of a compressed image where it is less than their type's.
        **header: Elements that are changed afterwards; None takes one away.
    """
    full = pixels.dtype.itemsize * 8
    if syntax == ExplicitVRBigEndian:
        return _write_big_endian(path, pixels, header)
    precision = {"BitsStored": bits, "HighBit": bits - 1} if bits else {}
    make_slice(path, pixels, syntax=_ENCODED_AS.get(UID(syntax), syntax), **precision)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    for keyword, value in ({"BitsStored": full, "HighBit": full - 1} | header).items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _write_big_endian(path: Path, pixels: NDArray[np.generic], header: dict[str, object]) -> Path:
    """The pixels in big-endian words; pydicom writes the rest."""
    dataset = make_dataset(pixels, **({"SOPInstanceUID": "1.2.3"} | header))
    if pixels.dtype.kind != "f":
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
        dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    path.write_bytes(file_meta(ExplicitVRBigEndian) + data_set(dataset, False, False))
    return path


def file_meta(syntax: str) -> bytes:
    """Preamble and a file meta information that names only the transfer syntax."""
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x10, b"UI", len(value)) + value


def data_set(dataset: object, implicit: bool, little: bool) -> bytes:
    """The bytes of a data set without file meta information."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    write_dataset(stream, dataset)
    return stream.getvalue()


def codestream_of(path: Path, frame: int = 0, frames: int = 1) -> bytes:
    """One compressed image of a file."""
    return get_frame(dcmread(path).PixelData, frame, number_of_frames=frames)


def put_fragments(path: Path, fragments: Sequence[bytes], **header: object) -> Path:
    """Replace the compressed pixels by these fragments, under an empty offset table."""
    dataset = dcmread(path)
    items = [b"", *(fragment + b"\0" * (len(fragment) % 2) for fragment in fragments)]
    dataset.PixelData = b"".join(
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items
    )
    dataset["PixelData"].is_undefined_length = True
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path
