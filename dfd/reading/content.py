"""What a file is, told by its first bytes and not by its name."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

MAGIC = b"DICM"
PREAMBLE_LENGTH = 128
HEAD_LENGTH = 1024
"""Bytes that are looked at: preamble, magic and the first file meta elements, the storage class
among them."""

_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_HEAD = 4 * HEAD_LENGTH
"""Bytes of a gzipped file that are inflated to look at its content: its own header holds a file
name."""

NIFTI_ENDINGS = (".nii", ".nii.gz")
_DIRECTORY_CLASS = re.compile(rb"1\.2\.840\.10008\.1\.3\.10(?![0-9.])")
"""Media Storage Directory, PS3.4 table B.5-1: an index of a disk, not an image."""
_FIRST_GROUPS = (0x0002, 0x0008)
_LONG_VRS = frozenset((b"OB", b"OW", b"OF", b"OD", b"SQ", b"UN", b"UT"))
_VRS = _LONG_VRS | frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()
)
_LONGEST_FIRST_VALUE = 1024
"""Bytes; the first element of a real file is a length, a character set, an image type or a UID."""


def is_nifti(path: Path) -> bool:
    """True for names ending in ``.nii`` or ``.nii.gz``, in any case (NIfTI may be compressed.

    So its magic is not at hand).
    """
    return path.name.lower().endswith(NIFTI_ENDINGS)


def has_magic(head: bytes) -> bool:
    """True where ``head``.

    (the first bytes of a file) shows the DICOM preamble of PS3.10 section 7.1.
    """
    return head[PREAMBLE_LENGTH : PREAMBLE_LENGTH + 4] == MAGIC


def is_gzip(head: bytes) -> bool:
    """True where ``head`` (the first bytes of a file) begins a gzip file (RFC 1952)."""
    return head.startswith(_GZIP_MAGIC)


def starts_with_element(head: bytes) -> bool:
    """True where ``head`` looks like the first element of a data set written without preamble.

    As old exporters do.
    """
    if len(head) < 8:
        return False
    group, element = struct.unpack("<HH", head[:4])
    if group not in _FIRST_GROUPS or element > 0x0100:
        return False
    length: int = (
        struct.unpack("<H", head[6:8])[0]
        if head[4:6] in _VRS - _LONG_VRS
        else struct.unpack("<I", head[4:8])[0]
    )
    return length <= _LONGEST_FIRST_VALUE and length % 2 == 0


def has_explicit_vr(head: bytes) -> bool:
    """True where the element at the start of ``head`` names its value representation (explicit VR.

    Little endian).
    """
    return head[4:6] in _VRS


def is_dicom(path: Path) -> bool:
    """True where the content of ``path``, gzipped or not.

    Is a DICOM data set that may hold an image; a DICOMDIR is not.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as stream:
        head = stream.read(_GZIP_HEAD)
    head = _inflated_head(head) if is_gzip(head) else head[:HEAD_LENGTH]
    if has_magic(head):
        return _DIRECTORY_CLASS.search(head) is None
    return starts_with_element(head)


def _inflated_head(zipped: bytes) -> bytes:
    """The first bytes in a gzip file; empty where it is damaged."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(zipped, HEAD_LENGTH)
    except zlib.error:
        return b""
