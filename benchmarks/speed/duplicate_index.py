"""Time and memory of the search for fingerprints that occur twice, by their number.

    python -m benchmarks.speed.duplicate_index

Random fingerprints, one process for each number. A thousand of them are searched for in their
eight turns, once all are in the index; each of a repository is searched for among those before it,
half as many on average. Counted is the time of one processor. Ten million are computed from the
largest number that was measured: candidates grow in proportion.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.runner import cli
from dfd.repository import fingerprint_index
from dfd.repository.fingerprint import TURNS, turned_bits
from dfd.repository.fingerprint_index import HASHES, LARGEST_FLAT, THRESHOLD, nearest_pairs

NUMBERS = (100_000, 300_000, 1_000_000, 2_000_000, 4_000_000)
QUICK_NUMBERS = (5_000, 400_000)
SEARCHED, QUICK_SEARCHED = 1_000, 20
WHOLE, QUICK_WHOLE = 100_000, 2_000
"""Fingerprints of which all pairs are looked for, by the function that a run calls."""
LARGEST = 10_000_000
NIGHT_H = 12.0
SEED = 20261127


def random_bits(number: int) -> NDArray[np.uint8]:
    """``[number, 32]``."""
    return np.random.default_rng(SEED).integers(0, 256, (number, 32), dtype=np.uint8)


def measure(number: int, searched: int) -> dict[str, Any]:
    """Of that many fingerprints: bytes each, and milliseconds of a query in eight turns."""
    import faiss

    faiss.omp_set_num_threads(1)
    flat = number <= LARGEST_FLAT
    bits, queries = random_bits(number), random_bits(searched)
    size = fingerprint_index.CHUNK if flat else number
    before, begun = psutil.Process().memory_info().rss, time.process_time()
    indexes = []
    for start in range(0, number, size):
        index = faiss.IndexBinaryFlat(fingerprint_index.BITS) if flat else _hashed(number)
        index.add(bits[start : start + size])
        indexes.append(index)
    added = time.process_time() - begun
    grown = psutil.Process().memory_info().rss - before
    begun = time.process_time()
    for turn in range(len(TURNS)):
        query = turned_bits(queries, turn)
        for index in indexes:
            index.range_search(query, THRESHOLD + 1)
    milliseconds = 1e3 * (time.process_time() - begun) / searched
    return _line(number, grown / number, added, milliseconds) | {"measured": True}


def _hashed(number: int) -> Any:  # noqa: ANN401 - faiss has no types of its own
    return fingerprint_index.index_of(number)


def _line(number: int, bytes_each: float, added_s: float, milliseconds: float) -> dict[str, Any]:
    # Bits are held as read, without those that are equal, and in the index.
    return {
        "fingerprints": number,
        "compared": _name(number),
        "bytes each, index": bytes_each,
        "gigabytes in all": number * (bytes_each + 2 * 32) / 1e9,
        "seconds to add": added_s,
        "milliseconds a query of eight turns": milliseconds,
        "hours of one processor": number * milliseconds / 2.0 / 3.6e6,
    }


def _name(number: int) -> str:
    if number <= LARGEST_FLAT:
        return "each with each"
    tables, width = next(each[1:] for each in HASHES if number <= each[0])
    return f"{tables} hashes of {width} bits"


def on_paper(last: dict[str, Any]) -> dict[str, Any]:
    """``LARGEST`` fingerprints, from the largest number that was measured."""
    factor = LARGEST / last["fingerprints"]
    milliseconds = factor * last["milliseconds a query of eight turns"]
    line = _line(LARGEST, last["bytes each, index"], factor * last["seconds to add"], milliseconds)
    return line | {"measured": False}


def whole(number: int) -> dict[str, float]:
    """All pairs of that many random fingerprints, as a run looks for them."""
    import faiss

    faiss.omp_set_num_threads(1)
    bits = random_bits(number)
    begun = time.process_time()
    pairs = nearest_pairs(bits)
    return {"seconds": time.process_time() - begun, "pairs": float(len(pairs))}


def text_of(content: dict[str, Any]) -> str:
    """The table."""
    header = ["fingerprints", "compared", "bytes each, index", "GB in all", "ms a query"]
    header += ["hours of one processor", "of two"]
    rows = [
        [
            f"{line['fingerprints']:,}" + ("" if line["measured"] else " (computed)"),
            line["compared"],
            f"{line['bytes each, index']:.0f}",
            f"{line['gigabytes in all']:.2f}",
            f"{line['milliseconds a query of eight turns']:.3g}",
            f"{line['hours of one processor']:.2g}",
            f"{line['hours of one processor'] / 2:.2g}",
        ]
        for line in content["lines"]
    ]
    return (
        "# Search for slices that occur twice\n\n"
        "Random fingerprints, 32 bytes each; times of one processor. Each fingerprint is searched "
        "for in its eight turns among those before it. Ten million are computed from the largest "
        "number that was measured: candidates grow in proportion. Made by `python -m "
        "benchmarks.speed.duplicate_index`.\n\n"
        f"All pairs of {content['whole']['fingerprints']:,} fingerprints took "
        f"{content['whole']['seconds']:.0f} s of one processor and held "
        f"{content['whole']['pairs']:.0f} near ones.\n\n"
        f"{cli.table(header, rows)}\n\n"
        "10,000 series of 100 slices are a million fingerprints; a night of two processors has "
        f"{2 * NIGHT_H:.0f} processor hours. The limits of memory are 800 bytes a fingerprint and "
        "8 GB for ten million.\n"
    )


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    quick = arguments.quick
    numbers, searched = (QUICK_NUMBERS, QUICK_SEARCHED) if quick else (NUMBERS, SEARCHED)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        lines = [pool.submit(measure, number, searched).result() for number in numbers]
        number = QUICK_WHOLE if quick else WHOLE
        found = pool.submit(whole, number).result()
    content = {
        "lines": [*lines, on_paper(lines[-1])],
        "whole": {"fingerprints": number, **found},
    }
    cli.publish("duplicate_index", content, text_of(content), quick=quick)


if __name__ == "__main__":
    cli.end(main)
