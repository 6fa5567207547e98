"""Along which direction white noise moves the grain of a window.

The weights `dfd.evidence.noise` looks along.

    python -m benchmarks.studies.noise_direction

One slice of each patient of fold0 and fold2, scored by a network not trained on that patient, at
the benchmark's places: white noise of 0.6 local residuals at some, nothing at their matched
controls. Fisher's linear discriminant (Fisher 1936) of the deviations from windows alike, at each
scale; the mean over scales and modalities. Learned from genuine scans alone, as the head is.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from benchmarks.attacks.registry import ATTACKS
from benchmarks.data import partition, scans
from benchmarks.data.scans import Scan
from benchmarks.detection import trials
from benchmarks.detection.trials import Version
from benchmarks.models import assignment, registry
from benchmarks.runner import cli
from dfd.evidence import reference_windows
from dfd.evidence.noise import LARGEST_WEIGHED
from dfd.evidence.reference_windows import SCALES
from dfd.evidence.running_sums import FloatArray
from dfd.evidence.window_features import GRAIN, MEASURES
from dfd.modalities import MODALITIES
from dfd.records import Region

WITHIN = tuple(share for share in reversed(SCALES) if share <= 1.0)
"""Radii of the windows whose deviations the weights are learned from, the largest first."""
ATTACK = "white noise 0.6 x residual"
RIDGE = 0.1
"""Added to the variances (those of genuine deviations are about 1), so that a few hundred windows
do not decide between measures alike."""

DeviationPairs: TypeAlias = list[tuple[list[FloatArray], list[FloatArray]]]
"""Of each scale, the largest first: deviations of genuine and of edited windows."""


def deviations_of(version: Version, radius: float) -> Iterator[tuple[FloatArray | None, ...]]:
    """Of each edited place its deviations ``[9]`` at each scale of ``WITHIN``."""
    regions = [Region(float(x), float(y), radius) for x, y in version.centres]
    if not regions:
        return
    windows = reference_windows.measure_regions(regions, version.evidence.windows(radius))
    for place in range(len(regions)):
        yield tuple(
            deviations[place].numpy() if table.has_support[place] else None
            for table, deviations in list(zip(windows.tables, windows.deviations, strict=True))[
                : len(WITHIN)
            ]
        )


def of_slice(scan: Scan, network: Any, into: DeviationPairs) -> None:  # noqa: ANN401 - a network
    """Adds the windows of one slice."""
    setup = trials.prepare_slice(
        scan, network, np.random.default_rng([partition.SEED, zlib.crc32(scan.name.encode())])
    )
    if setup is None:
        return
    versions = (
        trials.unedited(setup),
        trials.version_of(setup, ATTACK, ATTACKS[ATTACK]),
    )
    for side, version in enumerate(versions):
        for scales in deviations_of(version, setup.places.radius) if version is not None else ():
            for number, deviation in enumerate(scales):
                if deviation is not None and np.isfinite(deviation).all():
                    into[number][side].append(
                        np.clip(deviation[GRAIN], -LARGEST_WEIGHED, LARGEST_WEIGHED)
                    )


def discriminant(genuine: FloatArray, edited: FloatArray) -> FloatArray:
    """``[7]``: weights, of unit spread over ``genuine`` ``[n, 7]``."""
    spread = np.cov(genuine.T)
    weights = np.linalg.solve(
        spread + RIDGE * np.eye(len(spread)), edited.mean(axis=0) - genuine.mean(axis=0)
    )
    return np.asarray(weights / np.sqrt(weights @ spread @ weights))


def of_modality(
    modality: str, folds: tuple[str, ...], most: int | None = None
) -> tuple[list[FloatArray], int]:
    """The weights at each scale of ``WITHIN``, and how many patients they stand on."""
    deviations: DeviationPairs = [([], []) for _ in WITHIN]
    patients = 0
    for group in assignment.of_folds(modality, folds)[0]:
        network = registry.load(group.model, modality).network
        for patient, folder in list(group.folders.items())[:most]:
            patients += 1
            for scan in scans.load(scans.of_patient(patient, folder, modality, 1)[:1], modality):
                of_slice(scan, network, deviations)
    return [
        discriminant(np.asarray(genuine), np.asarray(edited)) for genuine, edited in deviations
    ], patients


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All numbers."""
    result: dict[str, Any] = {
        "learned from": ATTACK,
        "measures": list(MEASURES[GRAIN]),
        "modalities": {},
    }
    every = []
    for modality in MODALITIES:
        scales, patients = of_modality(
            modality, partition.TRAINING_FOLDS, 1 if arguments.quick else None
        )
        result["modalities"][modality] = {
            "patients": patients,
            "scales": [scale.round(3).tolist() for scale in scales],
        }
        every.append(np.mean(scales, axis=0))
    return result | {"weights": np.mean(every, axis=0).round(2).tolist()}


def markdown(content: dict[str, Any]) -> str:
    """As read by people."""
    shares = [f"{share:g} of the radius" for share in WITHIN]
    rows = [
        [f"{modality}, {one['patients']} patients", share, *(f"{weight:.2f}" for weight in scale)]
        for modality, one in content["modalities"].items()
        for share, scale in zip(shares, one["scales"], strict=True)
    ]
    rows.append(["mean, as used", "all", *(f"{weight:.2f}" for weight in content["weights"])])
    words = (
        f"# Direction of {content['learned from']}\n\nWeights of the deviations from windows "
        "alike; "
        "unit spread over genuine windows.\n\n"
    )
    return words + cli.table(["", "window", *content["measures"]], rows)


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    content = run(arguments)
    cli.publish("noise_direction", content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
