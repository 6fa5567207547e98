"""Elements of a DICOM header as bytes: a first look that costs half of reading the header."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from pydicom.dataelem import RawDataElement
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from dfd.reading.content import MAGIC, PREAMBLE_LENGTH, has_magic
from dfd.reading.guard import READ_ERRORS
from dfd.reading.quiet import quiet

READ_BYTES = 2**16
"""Of the beginning of a file; a header that is longer is not looked at here."""
_PIXELS = 0x7FE0_0000
_META_LENGTH = struct.Struct("<HH2sHI")
_SYNTAX = 0x0002_0010


@dataclass(frozen=True, slots=True)
class RawHeader:
    """What stands before the pixels."""

    syntax: bytes
    """UID of the transfer syntax."""
    elements: dict[int, bytes | None]
    """Tag -> value as it is written."""


def raw_header(path: Path, tags: tuple[int, ...]) -> RawHeader | None:
    """The elements ``tags`` of a file that is written as most are.

    None where it is not (no preamble, gzipped, deflated, big endian), holds sequences among
    ``tags``, or cannot be read: nothing is said of it then.
    """
    try:
        with path.open("rb", buffering=0) as file:
            content = file.read(READ_BYTES)
        with quiet():
            return _parsed(content, tags) if has_magic(content) else None
    except READ_ERRORS:
        return None


def _parsed(content: bytes, tags: tuple[int, ...]) -> RawHeader | None:
    start = PREAMBLE_LENGTH + len(MAGIC)
    group, element, _, _, length = _META_LENGTH.unpack_from(content, start)
    if (group, element) != (2, 0):
        return None
    begin = start + _META_LENGTH.size
    meta = data_element_generator(BytesIO(content[begin : begin + length]), False, True)
    syntax = next((each.value for each in meta if each.tag == _SYNTAX), None)
    uid = (syntax or b"").decode("ascii").strip(" \0")
    if not uid or uid in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        return None
    stream = BytesIO(content)
    stream.seek(begin + length)
    ended = False

    def is_pixels(tag: BaseTag, *_: object) -> bool:
        nonlocal ended
        ended = int(tag) >= _PIXELS
        return ended

    elements: dict[int, bytes | None] = {}
    for each in data_element_generator(
        stream, uid == ImplicitVRLittleEndian, True, is_pixels, specific_tags=_as_tags(tags)
    ):
        if not isinstance(each, RawDataElement) or each.VR == "SQ":
            return None
        elements[int(each.tag)] = each.value
    return RawHeader(uid.encode(), elements) if ended else None


@lru_cache(4)
def _as_tags(tags: tuple[int, ...]) -> list[BaseTag | int]:
    return [BaseTag(tag) for tag in tags]
