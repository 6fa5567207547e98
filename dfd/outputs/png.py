"""PNG files of pictures that share most of their rows.

A strip of rows that stands in several of them is packed once.

The rows of a PNG form one zlib stream (Portable Network Graphics, third edition, sections 9 and
10). Blocks of deflate that refer to nothing before them and end on a whole byte may be joined as
they are (RFC 1951), and their checksums add up (RFC 1950): each strip is a chunk of its own.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRIP = 16
"""Rows that are packed together: few enough to leave out what an outline does not touch, enough to
pack well. Ours."""

_LEVEL = 1
"""zlib level: a noisy picture gains little from more. ISA-L is three times as quick, but packed the
same rows into other bytes now and then, while a run that goes on has to end in the same files."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEADER = b"\x78\x01"
_LAST_BLOCK = b"\x03\x00"
"""An empty block that says it is the last one."""
_SUB, _UP = 1, 2
"""Filters: the difference to the pixel on the left, to the pixel above."""
_ADLER = 65521


@dataclass(frozen=True, slots=True)
class Strip:
    """Some rows, packed."""

    chunk: bytes
    """A whole IDAT chunk."""
    adler: int
    """Adler-32 of the filtered rows."""
    size: int
    """Bytes of the filtered rows."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A picture and its strips from the top down."""

    pixels: NDArray[np.uint8]
    """``[H, W, 3]``, not to be changed."""
    strips: tuple[Strip, ...]


def pack(pixels: NDArray[np.uint8], like: Packed | None = None) -> Packed:
    """Pack a picture, ``[H, W, 3]``.

    Strips that are the same in ``like``, of the same shape, are taken from there, which only saves
    time.
    """
    strips = []
    for index, top in enumerate(range(0, len(pixels), STRIP)):
        rows = slice(top, top + STRIP)
        known = like is not None and np.array_equal(pixels[rows], like.pixels[rows])
        strips.append(like.strips[index] if like is not None and known else _packed(pixels[rows]))
    return Packed(pixels, tuple(strips))


def file_of(packed: Packed) -> bytes:
    """The bytes of the file.

    Pixels only, 8 bits for each of red, green and blue, no text, time or other chunk.
    """
    height, width = packed.pixels.shape[:2]
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    low, high = 1, 0
    for strip in packed.strips:
        low, high = (
            (low + strip.adler % 65536 - 1) % _ADLER,
            (high + strip.adler // 65536 + strip.size * (low - 1)) % _ADLER,
        )
    end = _chunk(b"IDAT", _LAST_BLOCK + struct.pack(">HH", high, low)) + _chunk(b"IEND", b"")
    return b"".join(
        [
            _SIGNATURE,
            header,
            _chunk(b"IDAT", _ZLIB_HEADER),
            *(strip.chunk for strip in packed.strips),
            end,
        ]
    )


def _packed(rows: NDArray[np.uint8]) -> Strip:
    """The first row against its left neighbours and the others against the row above.

    A strip does not depend on what lies above it.
    """
    filtered = np.empty((len(rows), 1 + rows.shape[1] * 3), dtype=np.uint8)
    flat = rows.reshape(len(rows), -1)
    filtered[0, 0], filtered[1:, 0] = _SUB, _UP
    filtered[0, 1:4] = flat[0, :3]
    np.subtract(flat[0, 3:], flat[0, :-3], out=filtered[0, 4:])
    np.subtract(flat[1:], flat[:-1], out=filtered[1:, 1:])
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = filtered.tobytes()
    return Strip(
        _chunk(b"IDAT", packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)),
        zlib.adler32(data),
        len(data),
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    )
