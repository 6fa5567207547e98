"""Elements of a DICOM header as bytes: a first look that costs a tenth of reading the header.

Only what is written as the standard says is looked at; pydicom has the word on everything else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from dfd.reading.content import MAGIC, PREAMBLE_LENGTH, has_magic

READ_BYTES = 2**16
"""Of the beginning of a file; a header that is longer is not looked at here."""
_PIXELS, _CHARACTER_SET = 0x7FE0_0000, 0x0008_0005
_META, _META_LENGTH, _SYNTAX = 0x0002_0000, struct.Struct("<HH2sHI"), 0x0002_0010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
_UNDEFINED = 0xFFFF_FFFF
_TAG, _SHORT, _LONG = struct.Struct("<HH"), struct.Struct("<H"), struct.Struct("<I")
_LONG_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
_VRS = frozenset(vr.value.encode() for vr in VR if len(vr.value) == 2)
_DEFLATED, _BIG_ENDIAN, _IMPLICIT = (
    uid.encode()
    for uid in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian)
)
_END = struct.pack("<HH2s6x", 0x7FE0, 0x0010, b"OW")
_DEEPEST = 16
"""Sequences within sequences."""


@dataclass(frozen=True, slots=True)
class RawHeader:
    """What stands before the pixels."""

    syntax: bytes
    """UID of the transfer syntax."""
    elements: dict[int, bytes | None]
    """Tag -> value as it is written, with all items where it is a sequence."""


def raw_header(path: Path, tags: tuple[int, ...]) -> RawHeader | None:
    """The elements ``tags`` of a file that is written as most are, and its character set.

    None where it is not (no preamble, gzipped, deflated, big endian, tags out of order), or cannot
    be read: nothing is said of it then.
    """
    try:
        with path.open("rb", buffering=0) as file:
            content = file.read(READ_BYTES)
        return _parsed(content, tags) if has_magic(content) else None
    except (OSError, ValueError, IndexError, struct.error):
        return None


def _parsed(content: bytes, tags: tuple[int, ...]) -> RawHeader | None:
    start = PREAMBLE_LENGTH + len(MAGIC)
    group, element, _, _, length = _META_LENGTH.unpack_from(content, start)
    begin = start + _META_LENGTH.size
    if (group << 16 | element) != _META:
        return None
    # The end of the group ends the search as pixels do.
    meta = _Elements(content[: begin + length] + _END, implicit=False)
    syntax = (meta.wanted(begin, frozenset((_SYNTAX,))).get(_SYNTAX) or b"").strip(b" \0")
    if syntax in (b"", _DEFLATED, _BIG_ENDIAN):
        return None
    elements = _Elements(content, implicit=syntax == _IMPLICIT)
    return RawHeader(syntax, elements.wanted(begin + length, _as_set(tags)))


@lru_cache(4)
def _as_set(tags: tuple[int, ...]) -> frozenset[int]:
    return frozenset((*tags, _CHARACTER_SET))


class _Elements:
    """Elements in little endian, PS3.5 section 7.1; ValueError where they are not as it says."""

    def __init__(self, content: bytes, *, implicit: bool) -> None:
        self.content, self.implicit = content, implicit

    def wanted(self, at: int, tags: frozenset[int]) -> dict[int, bytes | None]:
        """Values of ``tags`` from ``at`` to the pixels, which must come; None: there is none."""
        found: dict[int, bytes | None] = {}
        before = -1
        while True:
            tag, vr, begin, length = self._element(at)
            if tag >= _PIXELS:
                return found
            if tag <= before:
                raise ValueError
            before, undefined = tag, length == _UNDEFINED
            at = self._after_items(begin, vr, _DEEPEST) if undefined else begin + length
            if tag in tags:
                found[tag] = self.content[begin:at] or None

    def _element(self, at: int) -> tuple[int, bytes, int, int]:
        """(tag, VR, where its value begins, length); the VR is empty where none is written."""
        group, element = _TAG.unpack_from(self.content, at)
        tag = group << 16 | element
        vr = self.content[at + 4 : at + 6]
        if self.implicit or group == _ITEM >> 16:
            return tag, b"", at + 8, _LONG.unpack_from(self.content, at + 4)[0]
        if vr in _LONG_VRS:
            return tag, vr, at + 12, _LONG.unpack_from(self.content, at + 8)[0]
        if vr not in _VRS:
            raise ValueError
        return tag, vr, at + 8, _SHORT.unpack_from(self.content, at + 6)[0]

    def _after_items(self, at: int, vr: bytes, depth: int) -> int:
        """Where a sequence of undefined length ends that begins at ``at``."""
        if vr not in (b"SQ", b"") or not depth:
            raise ValueError
        while True:
            tag, _, at, length = self._element(at)
            if tag == _SEQUENCE_END:
                return at
            if tag != _ITEM:
                raise ValueError
            at = self._after_item(at, depth) if length == _UNDEFINED else at + length

    def _after_item(self, at: int, depth: int) -> int:
        """Where an item of undefined length ends whose elements begin at ``at``."""
        while True:
            tag, vr, at, length = self._element(at)
            if tag == _ITEM_END:
                return at
            at = self._after_items(at, vr, depth - 1) if length == _UNDEFINED else at + length
