"""Changes of bytes that know nothing of what the bytes mean."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence

LIMITS = (
    *(0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536),
    *(2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1),
)
"""Numbers at which lengths and sizes go over."""
LONGEST_BLOCK = 4096
BOMB_EVERY, BOMB_BYTES = 200, 300 * 2**20
"""One deflated file in so many grows to so many bytes."""

Change = Callable[[random.Random, bytes, Sequence[bytes]], tuple[bytes, str]]
"""Bytes and other files -> changed bytes, and what was done."""


def flip_bits(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """A few bits anywhere, more often near the start, where headers are."""
    changed, places = bytearray(content), []
    for _number in range(rng.choice((1, 1, 2, 4, 16, 64))):
        place = _place(rng, len(content))
        changed[place] ^= 1 << rng.randrange(8)
        places.append(place)
    return bytes(changed), f"flip a bit at {_first_places(places)}"


def set_bytes(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """A run of bytes becomes one value or random."""
    start = _place(rng, len(content))
    length = min(_length(rng), len(content) - start)
    new = bytes([rng.choice((0, 0x20, 0x5C, 0xFF))]) * length
    new = rng.randbytes(length) if rng.random() < 0.5 else new
    return content[:start] + new + content[start + length :], f"overwrite {length} at {start}"


def set_number(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """A whole number at its limits, of either byte order."""
    form = rng.choice(("<H", ">H", "<I", ">I", "<Q", "<d", "<f"))
    start = _place(rng, len(content))
    if form[1] in "df":
        packed = struct.pack(form, rng.choice((0.0, -1.0, 1e30, float("inf"), float("nan"))))
    else:
        size = struct.calcsize(form)
        packed = (rng.choice(LIMITS) % 256**size).to_bytes(size, "little" if "<" in form else "big")
    changed = content[:start] + packed + content[start + len(packed) :]
    return changed, f"number {packed.hex()} at {start}"


def truncate(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """The end is missing."""
    keep = _place(rng, len(content)) if rng.random() < 0.5 else rng.randrange(len(content))
    return content[:keep], f"keep {keep} of {len(content)} bytes"


def insert(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """Bytes that do not belong there."""
    start, length = _place(rng, len(content)), _length(rng)
    new = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return content[:start] + new + content[start:], f"insert {length} at {start}"


def delete(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """A run of bytes is missing."""
    start, length = _place(rng, len(content)), _length(rng)
    return content[:start] + content[start + length :], f"delete {length} at {start}"


def duplicate(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """A run of bytes stands there several times."""
    start, length, times = _place(rng, len(content)), _length(rng), rng.choice((1, 2, 50))
    block = content[start : start + length]
    return content[:start] + block * times + content[start:], f"repeat {length} at {start}"


def swap_blocks(rng: random.Random, content: bytes, _: Sequence[bytes]) -> tuple[bytes, str]:
    """Two runs of bytes change places."""
    length = min(_length(rng), len(content) // 2)
    first = rng.randrange(max(1, len(content) - 2 * length + 1))
    second = rng.randrange(first + length, max(first + length, len(content) - length) + 1)
    a, b = content[first : first + length], content[second : second + length]
    between, rest = content[first + length : second], content[second + length :]
    return content[:first] + b + between + a + rest, f"swap {length} at {first} and {second}"


def splice(rng: random.Random, content: bytes, others: Sequence[bytes]) -> tuple[bytes, str]:
    """The start of one file and the end of another."""
    other = rng.choice(others)
    cut, start = _place(rng, len(content)), _place(rng, len(other))
    if rng.random() < 0.3:  # at the same place, so that what is counted fits
        start = min(cut, len(other))
    return content[:cut] + other[start:], f"splice at {cut} with another file from {start}"


CHANGES: tuple[Change, ...] = (
    *(flip_bits, flip_bits, set_bytes, set_number, set_number, truncate),
    *(insert, delete, duplicate, swap_blocks, splice),
)


def damaged(
    rng: random.Random, content: bytes, others: Sequence[bytes], most: int = 3
) -> tuple[bytes, tuple[str, ...]]:
    """One to ``most`` changes, one after the other."""
    changes = []
    for _ in range(rng.randint(1, most)):
        if content:
            content, what = rng.choice(CHANGES)(rng, content, others)
            changes.append(what)
    return content, tuple(changes)


def bomb(head: bytes, content: bytes, form: int) -> bytes:
    """``head``, then ``content`` and zeros without end, deflated; made piece by piece.

    ``form`` is the window size of zlib, which also says how it is wrapped.
    """
    deflater, block = zlib.compressobj(9, zlib.DEFLATED, form), bytes(2**20)
    packed = [deflater.compress(content)]
    packed += [deflater.compress(block) for _ in range(BOMB_BYTES // len(block))]
    return head + b"".join(packed) + deflater.flush()


def _place(rng: random.Random, length: int) -> int:
    """Somewhere, as often within the first tenth as in all the rest."""
    return rng.randrange(max(1, length // 10 if rng.random() < 0.5 else length))


def _length(rng: random.Random) -> int:
    return rng.choice((1, 1, 2, 4, 8, 16, rng.randint(1, 200), rng.randint(1, LONGEST_BLOCK)))


def _first_places(places: Sequence[int]) -> str:
    return ", ".join(map(str, places[:4])) + (f" and {len(places) - 4} more" * (len(places) > 4))
