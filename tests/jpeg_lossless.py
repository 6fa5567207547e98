"""A small JPEG lossless encoder for tests.

No library in the core writes what scanners have written for decades.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

CATEGORIES = 17
"""SSSS 0 to 16 (ITU-T T.81, table H.2)."""
CODE_BITS = 5
"""One fixed length for all categories; the code of all ones, which T.81 forbids, is not reached."""


def encode(pixels: NDArray[np.integer], bits: int) -> bytes:
    """The codestream of a greyscale image.

    Process 14, selection value 1 (each pixel is predicted by its left neighbour), no point
    transform.

    Args:
        pixels: Stored values, ``[H, W]``; negative ones are written as their two's complement of
            ``bits``.
        bits: Sample precision P, 8 to 16.

    Source: ITU-T T.81 annexes B (segments) and H (prediction, coding of differences modulo 65536).
    """
    values = pixels.astype(np.int64) & ((1 << bits) - 1)
    rows, columns = values.shape
    frame = struct.pack(">BHHB3B", bits, rows, columns, 1, 1, 0x11, 0)
    table = (
        bytes([0])
        + bytes(CATEGORIES if length == CODE_BITS else 0 for length in range(1, 17))
        + bytes(range(CATEGORIES))
    )
    scan = struct.pack(">B2B3B", 1, 1, 0x00, 1, 0, 0)
    segments = b"".join(
        marker + struct.pack(">H", len(body) + 2) + body
        for marker, body in ((b"\xff\xc3", frame), (b"\xff\xc4", table), (b"\xff\xda", scan))
    )
    return b"\xff\xd8" + segments + _entropy_coded(_differences(values, bits)) + b"\xff\xd9"


def _differences(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """What each pixel adds to its prediction, -32767 to 32768.

    The first row and all others from the left, each row's first from above (H.1.2.1).
    """
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << (bits - 1)
    difference = (values - predicted) % 65536
    return np.where(difference > 32768, difference - 65536, difference)


def _entropy_coded(differences: NDArray[np.int64]) -> bytes:
    """Category, then its low-order bits, of each difference (H.1.2.2).

    Padded with ones, FF followed by 00 (B.1.1.5).
    """
    words = []
    for difference in differences.ravel().tolist():
        category = abs(difference).bit_length()
        words.append(format(category, f"0{CODE_BITS}b"))
        if 0 < category < 16:  # 16 stands for 32768 alone and has no further bits
            words.append(
                format(
                    difference if difference > 0 else difference + (1 << category) - 1,
                    f"0{category}b",
                )
            )
    stream = "".join(words)
    stream += "1" * (-len(stream) % 8)
    return int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\x00")
