"""Size of a compressed image as its own codestream states it, read before any decoder allocates memory for it."""

from __future__ import annotations

import struct

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"
_NOT_FRAME_HEADERS = (0xC4, 0xC8, 0xCC)
"""Huffman tables, reserved, arithmetic conditioning: the C0 to CF markers that state no size."""
_JPEG_LS_FRAME = 0xF7


def stated_size(codestream: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream; None where it states none, as RLE does not.

    Source: ITU-T T.81 B.2.2 (frame header), T.87 C.2.2, T.800 A.5.1 (SIZ).
    """
    if codestream.startswith(_J2K_START):
        return _j2k_size(codestream)
    if codestream.startswith(_JPEG_START):
        return _jpeg_size(codestream)
    return None


def _j2k_size(codestream: bytes) -> tuple[int, int] | None:
    """Size from the SIZ segment: reference grid minus image offset."""
    if len(codestream) < 24:
        return None
    width, height, left, top = struct.unpack(">4I", codestream[8:24])
    return height - top, width - left


def _jpeg_size(codestream: bytes) -> tuple[int, int] | None:
    """Size from the first frame header, found by walking the marker segments."""
    place = len(_JPEG_START)
    while place + 9 <= len(codestream) and codestream[place] == 0xFF:
        marker = codestream[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        length, _, rows, columns = struct.unpack(">HBHH", codestream[place + 2 : place + 9])
        if marker == _JPEG_LS_FRAME or (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAME_HEADERS):
            return rows, columns
        place += 2 + length
    return None
