"""Every pair of near fingerprints among millions, by binary indexes of faiss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfd.errors import UsageError
from dfd.repository.fingerprint import INVERSE, TURNS, turned_bits

if TYPE_CHECKING:
    from faiss import IndexBinary

BITS = 256
THRESHOLD = 64
"""Bits in which two fingerprints of a copy may differ: benchmarks/results/duplicate_slices.md."""
LARGEST_FLAT = 20_000
"""Fingerprints up to which each is compared with each; beyond, only those that share a hash."""
TABLES, HASH_BITS, FLIPPED = 16, 16, 1
"""Hash tables, bits of each, and how many of these may differ (multi-index hashing: Norouzi,
Punjani and Fleet, CVPR 2012). A pair that differs in 26 bits is missed once in 10,000, one in 51
bits once in 12, before the search from its other side."""
BATCH = 2_000
"""Fingerprints that are searched for at once: bounds the memory of the answers."""

Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two fingerprints that differ in few bits."""

    distance: int
    """Bits that differ."""
    first: int
    """Row of the earlier one."""
    second: int
    turn: int
    """What makes the second of the first: number in ``fingerprint.TURNS``."""


def nearest_pairs(bits: Bits, threshold: int = THRESHOLD) -> list[Pair]:
    """The pairs that join all near fingerprints of ``bits`` (``[N, 32]``), the nearest first.

    A group of n gives n - 1 pairs: where all are alike, each with the first of them. The eight
    turns of each are searched for.

    Raises:
        UsageError: faiss is not installed.
    """
    unique, first, inverse = _distinct(bits)
    pairs = [
        Pair(0, int(first[group]), row, 0)
        for row, group in enumerate(inverse)
        if first[group] != row
    ]
    index = _index_of(unique)
    joined: list[Pair] = []
    for found in _found(index, unique, threshold):
        joined = _forest([*joined, *found])
    between = [_ordered(each, first) for each in joined]
    return _forest([*pairs, *between])


def _distinct(bits: Bits) -> tuple[Bits, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct fingerprints, the first row of each, and the number of each row's.

    Thousands of equal ones would be as many millions of pairs.
    """
    rows = np.ascontiguousarray(bits).view(f"V{bits.shape[1]}").ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    return bits[first], first, inverse


def _index_of(bits: Bits) -> IndexBinary:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise UsageError(
            "Slices that occur twice are searched for with faiss, which is not installed: "
            'pip install "deepfakes-detector[screen]".'
        ) from error
    index: IndexBinary = faiss.IndexBinaryFlat(BITS)
    if len(bits) > LARGEST_FLAT:
        hashes = faiss.IndexBinaryMultiHash(BITS, TABLES, HASH_BITS)
        hashes.nflip = FLIPPED
        index = hashes
    for start in range(0, len(bits), BATCH * BATCH):
        index.add(bits[start : start + BATCH * BATCH])
    return index


def _found(index: IndexBinary, bits: Bits, threshold: int) -> Iterator[list[Pair]]:
    """Near pairs, a batch at a time; rows are those of ``bits``."""
    for start in range(0, len(bits), BATCH):
        batch = bits[start : start + BATCH]
        nearest: dict[tuple[int, int], Pair] = {}
        for turn in range(len(TURNS)):
            limits, distances, rows = index.range_search(turned_bits(batch, turn), threshold + 1)
            own = start + np.repeat(np.arange(len(batch)), np.diff(limits.astype(np.int64)))
            for place in np.flatnonzero(own != rows):
                one, other = int(own[place]), int(rows[place])
                pair = Pair(int(distances[place]), one, other, turn)
                if one > other:
                    pair = _reversed(pair)
                key = pair.first, pair.second
                nearest[key] = min(pair, nearest.get(key, pair))
        yield list(nearest.values())


def _reversed(pair: Pair) -> Pair:
    return Pair(pair.distance, pair.second, pair.first, INVERSE[pair.turn])


def _ordered(pair: Pair, rows: NDArray[np.int64]) -> Pair:
    """The pair with ``rows`` of all fingerprints instead of the distinct ones."""
    one = Pair(pair.distance, int(rows[pair.first]), int(rows[pair.second]), pair.turn)
    return one if one.first < one.second else _reversed(one)


def _forest(pairs: list[Pair]) -> list[Pair]:
    """The nearest pairs that hold each group together (Kruskal 1956)."""
    group: dict[int, int] = {}

    def root(row: int) -> int:
        while (above := group.get(row, row)) != row:
            group[row] = group.get(above, above)
            row = above
        return row

    kept = []
    for pair in sorted(pairs):
        one, other = root(pair.first), root(pair.second)
        if one != other:
            group[max(one, other)] = min(one, other)
            kept.append(pair)
    return kept
