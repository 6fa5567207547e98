"""Every pair of near fingerprints among millions, by binary indexes of faiss.

Up to ``LARGEST_FLAT`` fingerprints each is compared with each, which finds every pair. Beyond, only
those are compared that share a hash but for one bit (multi-index hashing: Norouzi, Punjani and
Fleet, CVPR 2012), which finds near pairs all but surely and far ones in part; see ``HASHES``. Cost
and memory: benchmarks/results/duplicate_index.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from dfd.errors import UsageError
from dfd.repository.fingerprint import INVERSE, TURNS, turned_bits

if TYPE_CHECKING:
    from faiss import IndexBinary

BITS = 256
THRESHOLD = 64
"""Bits in which two fingerprints of a copy may differ: benchmarks/results/duplicate_slices.md."""
LARGEST_FLAT = 300_000
"""Fingerprints up to which each is compared with each: eight minutes of one processor."""
CHUNK = 50_000
"""Fingerprints of one flat index: those of a chunk stay in the cache of a processor."""
HASHES = ((2_000_000, 14, 18), (100_000_000, 12, 20))
"""Up to how many fingerprints how many hash tables of how many bits each. The first finds 0.9997 of
the pairs that differ in 26 bits, 0.95 at 40 and 0.43 at 64; the second 0.997, 0.87 and 0.26, at a
quarter of the comparisons."""
FLIPPED = 1
"""Bits of a hash that may differ."""
BATCH = 5_000
"""Fingerprints that are searched for at once: bounds the memory of the answers."""
MOST_HELD = 5_000_000
"""Pairs that are held before they are reduced to those that join groups."""

Bits = NDArray[np.uint8]
Rows = NDArray[np.int64]
PAIRS = np.dtype([("distance", "i8"), ("first", "i8"), ("second", "i8"), ("turn", "i8")])
Pairs = NDArray[np.void]
"""``[P]`` of ``PAIRS``: the fields of ``Pair``."""


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
    copies = np.flatnonzero(first[inverse] != np.arange(len(bits)))
    equal = _pairs(np.zeros_like(copies), first[inverse[copies]], copies, np.zeros_like(copies))
    held: list[Pairs] = []
    size = 0
    for found in _found(unique, threshold):
        held, size = [*held, found], size + len(found)
        if size > MOST_HELD:
            held = [_forest(np.concatenate(held))]
            size = len(held[0])
    near = _in_order(_with_rows(np.concatenate(held), first)) if held else equal[:0]
    joined = _forest(np.concatenate([equal, near]))
    return [Pair(*pair) for pair in joined.tolist()]


def index_of(number: int) -> IndexBinary:
    """An empty index for that many fingerprints, beyond ``LARGEST_FLAT``.

    Raises:
        UsageError: faiss is not installed.
    """
    _, tables, width = next((each for each in HASHES if number <= each[0]), HASHES[-1])
    hashes = _faiss().IndexBinaryMultiHash(BITS, tables, width)
    hashes.nflip = FLIPPED
    index: IndexBinary = hashes
    return index


def _faiss() -> ModuleType:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise UsageError(
            "Slices that occur twice are searched for with faiss, which is not installed: "
            'pip install "deepfakes-detector[screen]".'
        ) from error
    return faiss


def _pairs(distance: Rows, first: Rows, second: Rows, turn: Rows) -> Pairs:
    pairs = np.empty(len(first), PAIRS)
    for name, values in zip(PAIRS.names or (), (distance, first, second, turn), strict=True):
        pairs[name] = values
    return pairs


def _distinct(bits: Bits) -> tuple[Bits, Rows, Rows]:
    """Distinct fingerprints, the first row of each, and the number of each row's.

    Thousands of equal ones would be as many millions of pairs.
    """
    rows = np.ascontiguousarray(bits).view(f"V{bits.shape[1]}").ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    return bits[first], first, inverse


def _found(bits: Bits, threshold: int) -> Iterator[Pairs]:
    """Near pairs of distinct fingerprints, a batch at a time: each with those that come before."""
    indexes: list[IndexBinary] = [] if len(bits) <= LARGEST_FLAT else [index_of(len(bits))]
    size = CHUNK if len(bits) <= LARGEST_FLAT else len(bits)
    batch = min(BATCH, size)
    for start in range(0, len(bits), batch):
        later = bits[start : start + batch]
        if start // size == len(indexes):
            indexes.append(_faiss().IndexBinaryFlat(BITS))
        # Rows of a batch lie in one index: a chunk is a whole number of batches.
        indexes[-1].add(later)
        for turn in range(len(TURNS)):
            query = turned_bits(later, turn)
            for number, index in enumerate(indexes):
                limits, distances, rows = index.range_search(query, threshold + 1)
                own = start + np.repeat(np.arange(len(later)), np.diff(limits.astype(np.int64)))
                rows = rows + number * size
                before = rows < own
                turns = np.full(int(before.sum()), INVERSE[turn])
                yield _pairs(distances[before], rows[before], own[before], turns)


def _with_rows(pairs: Pairs, rows: Rows) -> Pairs:
    """The pairs with ``rows`` of all fingerprints instead of the distinct ones."""
    return _pairs(pairs["distance"], rows[pairs["first"]], rows[pairs["second"]], pairs["turn"])


def _in_order(pairs: Pairs) -> Pairs:
    """The pairs with the earlier row first."""
    exchanged = pairs["first"] > pairs["second"]
    result = pairs.copy()
    result["first"] = np.where(exchanged, pairs["second"], pairs["first"])
    result["second"] = np.where(exchanged, pairs["first"], pairs["second"])
    result["turn"] = np.where(exchanged, np.asarray(INVERSE)[pairs["turn"]], pairs["turn"])
    return result


def _forest(pairs: Pairs) -> Pairs:
    """The nearest pairs that hold each group together, in order (Kruskal 1956)."""
    ordered = pairs[np.lexsort([pairs[name] for name in ("turn", "second", "first", "distance")])]
    ends = np.stack([ordered["first"], ordered["second"]], axis=1)
    _, nearest = np.unique(ends, axis=0, return_index=True)
    ordered = ordered[np.sort(nearest)]
    names, place = np.unique(
        np.concatenate([ordered["first"], ordered["second"]]), return_inverse=True
    )
    one, other = place.reshape(2, -1)
    # Ranks as weights: no two are equal, and none is 0, which would be no edge.
    ranks = np.arange(1.0, len(ordered) + 1.0)
    graph = coo_array((ranks, (one, other)), shape=(len(names), len(names))).tocsr()
    kept = np.sort(minimum_spanning_tree(graph).data).astype(np.int64) - 1
    joined: Pairs = ordered[kept]
    return joined
