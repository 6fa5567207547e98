"""How far apart the fingerprints of different slices are, and how near those of copies stay.

    DFD_DATA=FOLDER python -m benchmarks.studies.duplicate_slices

All pairs of slices of ct, ct2 and mr below DFD_DATA, those of patients kept for the test among
them: nothing here is trained or calibrated. Every twelfth slice is changed in each way.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from benchmarks.data import partition, scans
from benchmarks.data.volumes import ALL_SLICES
from benchmarks.runner import cli
from benchmarks.studies.duplicate_slices_changes import CHANGES
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import FloatImage, SliceRef
from dfd.repository.duplicates import COPY_CORRELATION, COPY_DISTANCE
from dfd.repository.fingerprint import (
    TURNS,
    measure_fingerprint,
    turned_bits,
)
from dfd.repository.fingerprint_index import BITS, THRESHOLD
from dfd.repository.pixel_check import residual_correlation

FOLDERS = {"ct": "ct_lung", "ct2": "ct_lung", "mr": "mri_chest"}
EVERY = 12
QUICK_PATIENTS = 2
TAIL = 1e-3
"""Share of pairs to which the tail is fitted."""
PLACE_MM = 0.01
OTHER_PATIENT = "two patients"


@dataclass(frozen=True)
class Measured:
    """A slice with a fingerprint."""

    folder: str
    patient: str
    series: str
    thickness_mm: float
    ref: SliceRef
    pixels: FloatImage
    bits: NDArray[np.uint8]


def measured_slices(quick: bool) -> tuple[list[Measured], dict[str, int]]:
    """All slices with a fingerprint, and how many have none, by reason."""
    slices: list[Measured] = []
    without: dict[str, int] = {}
    for folder, modality in FOLDERS.items():
        patients = sorted(each for each in (partition.data_root() / folder).iterdir())
        for patient in [p for p in patients if p.is_dir()][: QUICK_PATIENTS if quick else None]:
            for series in scans.of_patient(patient.name, patient, modality, ALL_SLICES):
                for ref in series.refs:
                    scan = read_slice(ref.path, ref.frame)
                    pixels = pixels_of(scan)
                    found = measure_fingerprint(pixels)
                    if found.bits is None:
                        without[found.reason] = without.get(found.reason, 0) + 1
                        continue
                    bits = np.frombuffer(found.bits, np.uint8)
                    thickness = scan.facts.thickness_mm or 0.0
                    name = f"{patient.name}/{series.series}"
                    slices.append(
                        Measured(folder, patient.name, name, thickness, ref, pixels, bits)
                    )
    return slices, without


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
    excess = start - best[best <= start]
    slope = float(excess.mean()) + 0.5
    share = float((best <= start).mean())
    return {
        "pairs": len(best),
        "smallest": int(best.min()),
        "within threshold": int((best <= THRESHOLD).sum()),
        "upper bound at 95 % from the count alone": 3.0 / len(best),
        "effective bits": effective,
        "binomial": float(
            len(TURNS)
            * binom.cdf(round(THRESHOLD / BITS * effective), effective, single.mean() / BITS)
        ),
        "exponential": share * float(np.exp((THRESHOLD - start) / slope)),
    }


def kinds(slices: Sequence[Measured], distances: NDArray[np.int16]) -> list[dict[str, Any]]:
    """Distances and correlations by what two slices have in common."""
    best, turns = distances.min(axis=0), distances.argmin(axis=0)
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for first, second in itertools.combinations(range(len(slices)), 2):
        one, other = slices[first], slices[second]
        name = one.folder if one.folder == other.folder else "ct, ct2, mr"
        groups.setdefault((name, kind_of(one, other)), []).append((first, second))
    lines = []
    for (folder, kind), pairs in sorted(groups.items()):
        values = np.asarray([best[pair] for pair in pairs])
        near = [pair for pair in pairs if best[pair] <= THRESHOLD]
        correlations = [
            residual_correlation(slices[a].pixels, slices[b].pixels, int(turns[a, b])) or 0.0
            for a, b in near
        ]
        lines.append(
            {
                "folder": folder,
                "kind": kind,
                "pairs": len(pairs),
                "smallest": int(values.min()),
                "median": float(np.median(values)),
                "within threshold": len(near),
                "called a copy": sum(
                    best[pair] <= COPY_DISTANCE or correlation >= COPY_CORRELATION
                    for pair, correlation in zip(near, correlations, strict=True)
                ),
                "largest correlation": max(correlations, default=float("nan")),
            }
        )
    return lines


def recalls(slices: Sequence[Measured]) -> list[dict[str, Any]]:
    """How many changed copies are found, by folder and change."""
    rng = np.random.default_rng(partition.SEED)
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for one in slices[::EVERY]:
        for name, change in CHANGES.items():
            changed = change(one.pixels, rng)
            bits = measure_fingerprint(changed).bits
            distance, correlation = BITS, 0.0
            if bits is not None:
                both = np.stack([one.bits, np.frombuffer(bits, np.uint8)])
                each = all_distances(both)[:, 0, 1]
                distance, turn = int(each.min()), int(each.argmin())
                correlation = residual_correlation(one.pixels, changed, turn) or 0.0
            modality = FOLDERS[one.folder]
            found.setdefault((modality, name), []).append((distance, correlation))
    return [
        {
            "modality": modality,
            "change": name,
            "slices": len(values),
            "median distance": float(np.median([distance for distance, _ in values])),
            "found": float(np.mean([distance <= THRESHOLD for distance, _ in values])),
            "called a copy": float(
                np.mean(
                    [
                        distance <= COPY_DISTANCE
                        or (distance <= THRESHOLD and correlation >= COPY_CORRELATION)
                        for distance, correlation in values
                    ]
                )
            ),
        }
        for (modality, name), values in sorted(found.items(), key=lambda item: item[0][0])
    ]


def text_of(content: dict[str, Any]) -> str:
    tail = content["false matches"]
    header = ["folder", "what two slices have in common", "pairs", "smallest distance", "median"]
    header += [f"within {THRESHOLD}", "called a copy", "largest correlation"]
    between = [
        [
            *(line["folder"], line["kind"], str(line["pairs"]), str(line["smallest"])),
            *(f"{line['median']:g}", str(line["within threshold"]), str(line["called a copy"])),
            f"{line['largest correlation']:.2f}" if line["within threshold"] else "",
        ]
        for line in content["kinds"]
    ]
    copies = [
        [
            *(line["modality"], line["change"], str(line["slices"])),
            *(f"{line['median distance']:g}", f"{line['found']:.2f}"),
            f"{line['called a copy']:.2f}",
        ]
        for line in content["recall"]
    ]
    changed = ["bundle", "change", "slices", "median distance", "found", "called a copy"]
    return (
        f"# Slices that occur twice\n\n{content['slices']} slices have a fingerprint, "
        f"{sum(content['without'].values())} none. Found: at most {THRESHOLD} of {BITS} bits "
        f"differ. Called a copy: at most {COPY_DISTANCE}, or the noise correlates by "
        f"{COPY_CORRELATION} or more. The constants were chosen on these same scans.\n\n"
        "## Slices of two patients\n\n"
        f"{tail['pairs']} pairs, eight turns each: {tail['within threshold']} within the "
        f"threshold, the smallest distance {tail['smallest']}. The count alone says below "
        f"{tail['upper bound at 95 % from the count alone']:.1g} a pair (95 %); the rest is "
        f"extrapolated: {tail['binomial']:.1g} where the bits behave as the "
        f"{tail['effective bits']} independent ones that their variance says, "
        f"{tail['exponential']:.1g} where the tail goes on as steeply as its lowest thousandth, "
        "which is too pessimistic for a bounded sum.\n\n"
        f"## Different slices\n\n{cli.table(header, between)}\n\n"
        f"## Changed copies\n\n{cli.table(changed, copies)}\n"
    )


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    slices, without = measured_slices(arguments.quick)
    distances = all_distances(np.stack([one.bits for one in slices]))
    patients = np.unique([one.patient for one in slices], return_inverse=True)[1]
    pairs = np.triu(patients[:, None] != patients[None], 1)
    content = {
        "slices": len(slices),
        "without": without,
        "threshold": THRESHOLD,
        "false matches": false_matches(distances[:, pairs], distances.min(axis=0)[pairs]),
        "kinds": kinds(slices, distances),
        "recall": recalls(slices),
    }
    cli.publish("duplicate_slices", content, text_of(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
