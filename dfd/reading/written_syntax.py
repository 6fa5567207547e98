"""The transfer syntax in which a file is written, which may not be the one it names."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dfd.errors import SeriesError
from dfd.reading.content import (
    MAGIC,
    PREAMBLE_LENGTH,
    has_explicit_vr,
    starts_with_element,
)
from dfd.reading.limits import PIXELS_LIMIT

_LAST_FIRST_GROUP = 0x0028
"""Of a data set with an image: elements are written in ascending order, and the image's size has
this group."""


def check_written(stream: BinaryIO, syntax: UID, path: Path) -> None:
    """Raise SeriesError where the data set cannot be one of ``syntax``.

    ``stream`` stays where it is.

    Implicit and explicit VR may be confused: pydicom tells them apart. Byte order and deflation may
    not: what it reads then is no data set.
    """
    start = stream.tell()
    first = stream.read(8)
    stream.seek(start)
    if len(first) < 8:
        return
    if syntax == DeflatedExplicitVRLittleEndian:
        contradicts = starts_with_element(first)
    else:
        (group,) = struct.unpack(">H" if syntax == ExplicitVRBigEndian else "<H", first[:2])
        contradicts = group > _LAST_FIRST_GROUP
    if contradicts:
        raise SeriesError(
            f"{path} says that it is written as {syntax_name(syntax)} but is not: export it again"
        )


def syntax_name(syntax: UID) -> str:
    """Name of a transfer syntax for people.

    What is no UID is not repeated, since a damaged file may say anything there.
    """
    return syntax.name if syntax.is_valid else "an unnamed syntax"


def guessed_syntax(stream: BinaryIO) -> UID:
    """Transfer syntax of a data set that does not name one; ``stream`` stays where it is."""
    start = stream.tell()
    first = stream.read(8)
    stream.seek(start)
    return ExplicitVRLittleEndian if has_explicit_vr(first) else ImplicitVRLittleEndian


def preamble(syntax: str) -> bytes:
    """Preamble, magic and the one file meta element that a reader needs."""
    value = syntax.encode("ascii") + b"\0" * (len(syntax) % 2)
    return (
        bytes(PREAMBLE_LENGTH)
        + MAGIC
        + struct.pack("<HH2sH", 0x0002, 0x0010, b"UI", len(value))
        + value
    )


def rebuilt(stream: BinaryIO, syntax: str, path: Path) -> BinaryIO:
    """The rest of ``stream`` behind a preamble, in memory."""
    content = stream.read(PIXELS_LIMIT + 1)
    if len(content) > PIXELS_LIMIT:
        raise SeriesError(
            f"{path} has no DICOM preamble and is larger than {PIXELS_LIMIT // 2**20} MiB: "
            "export it again"
        )
    return BytesIO(preamble(syntax) + content)
