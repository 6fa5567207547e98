"""How far apart the fingerprints of different slices are, and how near those of copies stay.

    DFD_DATA=FOLDER python -m benchmarks.studies.duplicate_slices          # development patients
    DFD_DATA=FOLDER python -m benchmarks.studies.duplicate_slices --test   # once, all chosen

All pairs of slices of ct, ct2 and mr below DFD_DATA; with ``--test`` those of which one slice at
least is of a patient kept for the test. Every twelfth slice is changed in each way.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from benchmarks.data import partition
from benchmarks.runner import cli
from benchmarks.studies.duplicate_slices_changes import CHANGES
from benchmarks.studies.duplicate_slices_data import FOLDERS, Measured, measured_slices
from benchmarks.studies.duplicate_slices_report import text_of
from dfd.records import FloatImage
from dfd.repository.duplicate_match import (
    IDENTICAL,
    SAME_NOISE,
    SAME_SERIES,
    SAME_STUDY,
    match_of,
    may_share_raw_data,
)
from dfd.repository.fingerprint import TURNS, measure_fingerprint, turned_bits
from dfd.repository.fingerprint_index import BITS, THRESHOLD
from dfd.repository.pixel_check import PixelCheck, compare_pixels

DEVELOPMENT, HELD_OUT = "development", "held out"
NO_PIXELS = PixelCheck(identical=False, correlation=0.0)
EVERY = 12
TAIL = 1e-3
"""Share of pairs to which the tail is fitted."""
NEAREST, QUICK_NEAREST = 2_000, 20
"""Pairs of two patients whose pixels are compared."""
LIMITS = (48, 56, 64, 72, 80)
"""Candidates for the limit of distance."""
PLACE_MM = 0.01
OTHER_PATIENT = "two patients"


def kind_of(one: Measured, other: Measured) -> str:
    """What two different slices have in common."""
    if one.patient != other.patient:
        return OTHER_PATIENT
    first, second = one.ref.position_mm, other.ref.position_mm
    away = float("inf") if first is None or second is None else abs(first - second)
    if one.series != other.series:
        same = away < PLACE_MM and one.ref.acquired and one.ref.acquired == other.ref.acquired
        return "one acquisition, two reconstructions" if same else "one patient, two series"
    if away < PLACE_MM:
        return "one position, two phases"
    if away < one.thickness_mm - PLACE_MM:
        return "one series, overlapping"
    return "one series, next" if away < 2 * one.thickness_mm else "one series, further apart"


def all_distances(bits: NDArray[np.uint8]) -> NDArray[np.int16]:
    """``[8, N, N]``: bits that differ between each slice after each turn and each other."""
    signs = np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1
    return np.stack(
        [
            (BITS - (np.unpackbits(turned_bits(bits, turn), axis=1) * 2.0 - 1) @ signs.T) / 2
            for turn in range(len(TURNS))
        ]
    ).astype(np.int16)


def false_matches(single: NDArray[np.int16], best: NDArray[np.int16]) -> dict[str, Any]:
    """The tail of the distances of slices of two patients.

    ``binomial``: bits behave as so many independent ones as their variance says; ``exponential``:
    the tail goes on as steeply as the lowest thousandth begins, which is too pessimistic for a
    bounded sum. Both for a pair, its eight turns included.
    """
    effective = round(BITS**2 / 4 / float(single.var()))
    start = float(np.quantile(best, TAIL))
    return {
        "pairs": len(best),
        "smallest": int(best.min()),
        "within threshold": int((best <= THRESHOLD).sum()),
        "pairs in the tail": int((best <= start).sum()),
        "upper bound at 95 % from the count alone": 3.0 / len(best),
        "effective bits": effective,
        "binomial": float(
            len(TURNS)
            * binom.cdf(round(THRESHOLD / BITS * effective), effective, single.mean() / BITS)
        ),
        "exponential": exponential_tail(best, THRESHOLD),
    }


def exponential_tail(best: NDArray[np.int16], limit: int) -> float:
    """Share of pairs within ``limit`` bits, by the slope of the lowest thousandth."""
    start = float(np.quantile(best, TAIL))
    slope = float((start - best[best <= start]).mean()) + 0.5
    return float((best <= start).mean()) * float(np.exp((limit - start) / slope))


def check_of(one: Measured, other: Measured, turn: int) -> PixelCheck:
    """What the pixels of two slices have in common."""
    return compare_pixels(one.pixels, other.pixels, turn) or NO_PIXELS


def nearest_of(
    slices: Sequence[Measured], distances: NDArray[np.int16], pairs: NDArray[np.bool_], number: int
) -> dict[str, Any]:
    """Correlations of noise of the nearest among ``pairs`` ``[N, N]``."""
    best, turns = distances.min(axis=0), distances.argmin(axis=0)
    rows = np.argwhere(pairs)
    order = np.argsort(best[pairs], kind="stable")[:number]
    found = [
        check_of(slices[a], slices[b], int(turns[a, b])).correlation
        for a, b in rows[order].tolist()
    ]
    return {
        "pairs": len(found),
        "median": float(np.median(found)),
        "99 %": float(np.quantile(found, 0.99)),
        "largest": max(found),
    }


def kinds(
    slices: Sequence[Measured], distances: NDArray[np.int16], *, test: bool
) -> list[dict[str, Any]]:
    """Distances and correlations by what two slices have in common."""
    best, turns = distances.min(axis=0), distances.argmin(axis=0)
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for first, second in itertools.combinations(range(len(slices)), 2):
        one, other = slices[first], slices[second]
        if test and not (one.held_out or other.held_out):
            continue
        name = one.folder if one.folder == other.folder else "ct, ct2, mr"
        groups.setdefault((name, kind_of(one, other)), []).append((first, second))
    lines = []
    for (folder, kind), pairs in sorted(groups.items()):
        values = np.asarray([best[pair] for pair in pairs])
        near = [
            (slices[a], slices[b], int(turns[a, b])) for a, b in pairs if best[a, b] <= THRESHOLD
        ]
        checks = [check_of(*each) for each in near]
        shared = [match_of(check, one_object=False) in (SAME_NOISE, IDENTICAL) for check in checks]
        apart = [
            check.identical or not may_share_raw_data(_relation(one, other), one.lie, other.lie)
            for (one, other, _), check in zip(near, checks, strict=True)
        ]
        lines.append(
            {
                "folder": folder,
                "kind": kind,
                "pairs": len(pairs),
                "smallest": int(values.min()),
                "median": float(np.median(values)),
                "near": len(near),
                "same noise": sum(shared),
                "listed": sum(a and b for a, b in zip(shared, apart, strict=True)),
                "largest correlation": max(
                    (check.correlation for check in checks), default=float("nan")
                ),
            }
        )
    return lines


def _relation(one: Measured, other: Measured) -> str:
    if one.patient != other.patient:
        return OTHER_PATIENT
    return SAME_SERIES if one.series == other.series else SAME_STUDY


def recalls(slices: Sequence[Measured]) -> list[dict[str, Any]]:
    """How many changed copies are found, by bundle and change."""
    rng = np.random.default_rng(partition.SEED)
    found: dict[tuple[str, str], list[tuple[int, PixelCheck]]] = {}
    for one in slices[::EVERY]:
        for name, change in CHANGES.items():
            answer = _copy_found(one, change(one.pixels, rng))
            found.setdefault((FOLDERS[one.folder], name), []).append(answer)
    return [
        _recall(modality, name, values)
        for (modality, name), values in sorted(found.items(), key=lambda item: item[0][0])
    ]


def _copy_found(one: Measured, changed: FloatImage) -> tuple[int, PixelCheck]:
    """Distance of a changed copy, and what its pixels have in common with the slice."""
    bits = measure_fingerprint(changed).bits
    if bits is None:
        return BITS, NO_PIXELS
    both = np.stack([one.bits, np.frombuffer(bits, np.uint8)])
    each = all_distances(both)[:, 0, 1]
    turn = int(each.argmin())
    return int(each[turn]), compare_pixels(one.pixels, changed, turn) or NO_PIXELS


def _recall(modality: str, name: str, values: list[tuple[int, PixelCheck]]) -> dict[str, Any]:
    near = [distance <= THRESHOLD for distance, _ in values]
    matches = [match_of(check, one_object=False) for _, check in values]
    return {
        "modality": modality,
        "change": name,
        "slices": len(values),
        "median distance": float(np.median([distance for distance, _ in values])),
        "median correlation": float(np.median([check.correlation for _, check in values])),
        "near": float(np.mean(near)),
        "same noise": float(
            np.mean(
                [a and b in (SAME_NOISE, IDENTICAL) for a, b in zip(near, matches, strict=True)]
            )
        ),
        "identical": float(
            np.mean([a and b == IDENTICAL for a, b in zip(near, matches, strict=True)])
        ),
    }


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument("--test", action="store_true", help="the patients kept for the test")
    arguments = parser.parse_args()
    test, quick = arguments.test, arguments.quick
    slices, without = measured_slices(test=test, quick=quick)
    distances = all_distances(np.stack([one.bits for one in slices]))
    best = distances.min(axis=0)
    patients = np.unique([one.patient for one in slices], return_inverse=True)[1]
    held_out = np.asarray([one.held_out for one in slices])
    pairs = np.triu(patients[:, None] != patients[None], 1)
    if test:
        pairs &= held_out[:, None] | held_out[None]
    content = {
        "side": HELD_OUT if test else DEVELOPMENT,
        "slices": int(held_out.sum()) if test else len(slices),
        "without": without,
        "threshold": THRESHOLD,
        "false matches": {
            "slices": len(slices),
            "patients": len(set(patients.tolist())),
            **false_matches(distances[:, pairs], best[pairs]),
        },
        "correlations": nearest_of(slices, distances, pairs, QUICK_NEAREST if quick else NEAREST),
        "kinds": kinds(slices, distances, test=test),
        "limits": {str(limit): exponential_tail(best[pairs], limit) for limit in LIMITS},
        "recall": recalls([one for one in slices if one.held_out or not test]),
    }
    name = "duplicate_slices_test" if test else "duplicate_slices"
    cli.publish(name, content, text_of(content), quick=quick)


if __name__ == "__main__":
    cli.end(main)
