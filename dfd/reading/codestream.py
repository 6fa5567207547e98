"""What a compressed image says of itself, read before a decoder allocates memory for it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO

from pydicom.encaps import parse_basic_offsets, parse_fragments

_JPEG_START = b"\xff\xd8\xff"
_J2K_START = b"\xff\x4f\xff\x51"
_JP2_START = b"\x00\x00\x00\x0cjP  "
"""A JPEG 2000 file around the codestream: forbidden by PS3.5 section A.4.4, and met."""
_RLE_HEADER = struct.Struct("<II")
_RLE_FIRST_OFFSET = 64
_RLE_SEGMENTS = 15
_NOT_FRAME_HEADERS = (0xC4, 0xC8, 0xCC)
"""Huffman tables, reserved, arithmetic conditioning: the C0 to CF markers that state no size."""
_LOSSLESS_FRAMES = (0xC3, 0xC7, 0xCB, 0xCF)
"""Frames that are predicted and not transformed."""
_JPEG_LS_FRAME, _SCAN = 0xF7, 0xDA
_FRAME = struct.Struct(">BHH")
"""Precision, rows, columns."""
_COD, _TILE = 0x52, 0x90
_COD_WAVELET, _IRREVERSIBLE = 9, 0
"""Place of the transform in a COD segment, and that of the 9/7 wavelet."""
END_OF_IMAGE = b"\xff\xd9"
"""Marker that ends JPEG and JPEG-LS; stuffed bits keep it out of the data."""
_SIZ_LENGTH = 43
"""Bytes from the start of a JPEG 2000 codestream to the depth of its first component."""


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size and values of a compressed image as the image itself states them."""

    rows: int
    columns: int
    precision: int
    """Bits of a value."""
    signed: bool = False
    """Only JPEG 2000 states a sign; the others hold signed values as unsigned ones of the same bits
    (PS3.5 section 8.2)."""
    lossy: bool = False
    """The image was coded with loss: a cosine transform (JPEG), a tolerance (JPEG-LS), or the 9/7
    wavelet (JPEG 2000). False where loss cannot be seen, as in a truncated JPEG 2000."""


def stated(codestream: bytes) -> Codestream | None:
    """What a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream states.

    None for RLE, which states nothing.

    Source: ITU-T T.81 B.2.2 (frame header), T.87 C.2.2 and C.2.3 (NEAR), T.800 A.5.1 (SIZ) and
    A.6.1 (COD).
    """
    if codestream.startswith(_JP2_START):
        codestream = codestream[max(0, codestream.find(_J2K_START)) :]
    if codestream.startswith(_J2K_START):
        return _j2k(codestream)
    if codestream.startswith(_JPEG_START[:2]):
        return _jpeg(codestream)
    return None


def stated_size(codestream: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a codestream; None where it states none."""
    found = stated(codestream)
    return None if found is None else (found.rows, found.columns)


def image_count(encapsulated: bytes) -> int:
    """How many compressed images lie in encapsulated pixel data: the fragments that begin one.

    The offset tables are not asked: they are often empty, and may be wrong.

    Raises:
        ValueError: ``encapsulated`` is no sequence of fragments.
    """
    buffer = BytesIO(encapsulated)
    parse_basic_offsets(buffer)
    _, places = parse_fragments(buffer)
    return sum(_begins_image(encapsulated[place + 8 : place + 16]) for place in places)


def _begins_image(head: bytes) -> bool:
    """True for the first bytes of a codestream of any kind."""
    if head.startswith((_JPEG_START, _J2K_START, _JP2_START)):
        return True
    if len(head) < _RLE_HEADER.size:
        return False
    segments, first = _RLE_HEADER.unpack(head)
    return bool(1 <= segments <= _RLE_SEGMENTS and first == _RLE_FIRST_OFFSET)


def _j2k(codestream: bytes) -> Codestream | None:
    """From the SIZ segment: grid minus image offset, depth and sign of the first component.

    And from the COD segment: the wavelet.
    """
    if len(codestream) < _SIZ_LENGTH:
        return None
    width, height, left, top = struct.unpack(">4I", codestream[8:24])
    depth = codestream[_SIZ_LENGTH - 1]
    lossy = False
    for marker, segment in _segments(codestream):
        if marker == _COD and len(segment) > _COD_WAVELET:
            lossy = segment[_COD_WAVELET] == _IRREVERSIBLE
            break
    return Codestream(height - top, width - left, (depth & 0x7F) + 1, bool(depth & 0x80), lossy)


def _jpeg(codestream: bytes) -> Codestream | None:
    """From the first frame header, and NEAR of JPEG-LS from the first scan header."""
    found = None
    for marker, segment in _segments(codestream):
        is_ls = marker == _JPEG_LS_FRAME
        if found is None and (is_ls or _is_frame(marker)) and len(segment) >= _FRAME.size:
            found = Codestream(
                *_frame_of(segment), lossy=not is_ls and marker not in _LOSSLESS_FRAMES
            )
            if not is_ls:
                break
        elif found is not None and marker == _SCAN and len(segment) > 1 + 2 * segment[0]:
            return replace(found, lossy=segment[1 + 2 * segment[0]] > 0)
    return found


def _is_frame(marker: int) -> bool:
    return 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAME_HEADERS


def _frame_of(segment: bytes) -> tuple[int, int, int]:
    """Rows, columns and precision of a frame header."""
    precision, rows, columns = _FRAME.unpack_from(segment)
    return rows, columns, precision


def _segments(codestream: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment after the first marker, up to the first scan."""
    place = 2
    while place + 4 <= len(codestream) and codestream[place] == 0xFF:
        marker = codestream[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        (length,) = struct.unpack(">H", codestream[place + 2 : place + 4])
        yield marker, codestream[place + 4 : place + 2 + length]
        if marker in (_SCAN, _TILE):
            return
        place += 2 + max(length, 2)
