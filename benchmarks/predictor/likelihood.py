"""Does the network predict hidden pixels better than local statistics and linear prediction?

And is its spread accurate on scanners that it was not trained on?

    python -m benchmarks.predictor.likelihood --modality ct_lung --model runs/ct.ckpt

Patients of fold1 (left out of training; early stopping and calibration saw them). All pixels that
scoring assesses, hidden as scoring hides them. Likelihood in nats per pixel, in HU or stored units,
without the constant log(2 pi) / 2; smaller is better. References are fitted on fold0 and fold2, the
folds of the network. Energy of z (1 = accurate spread) per scanner, kernel and tissue, before and
after a factor per tissue that half of the slice's blocks fit for the other half.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.data import partition, scans
from benchmarks.data.scans import Scan, SelectedSeries
from benchmarks.metrics.bootstrap import mean_interval
from benchmarks.models import registry
from benchmarks.predictor import references, spread_calibration
from benchmarks.predictor.likelihood_report import count_accurate, markdown
from benchmarks.predictor.references import Reference, Samples, nll
from benchmarks.runner import cli
from dfd.bundle.training.crops import normalised
from dfd.intensity import body_mask, tissue_map
from dfd.modalities import MODALITIES, Modality
from dfd.prediction.predict import predict_slice

PER_SERIES = 6
PIXELS_PER_SLICE = 3000
"""Drawn from each training slice for the references: a million numbers per weight in all."""
FEWEST_PIXELS = 1000
"""Cells with fewer pixels say nothing."""
NETWORK = "network"


@dataclass(frozen=True)
class SliceResult:
    """What one slice says."""

    source: SelectedSeries
    pixels: int
    nll: Mapping[str, float]
    """Sum over pixels per predictor."""
    energies: Mapping[str, tuple[int, float, float, float]]
    """Tissue -> pixels, and sums of the energy of z: as predicted, cut at
    ``spread_calibration.LARGEST_Z``, cut after the scan's own factor."""


def fit_references(modality: str, per_series: int) -> list[Reference]:
    """All references, fitted on the folds that the network is trained on."""
    rng = np.random.default_rng(partition.SEED)
    parts = []
    for scan in scans.load(
        scans.select_series(modality, partition.TRAINING_FOLDS, per_series), modality
    ):
        pixels, measured, _ = normalised(scan.pixels, modality)
        body = body_mask(scan.pixels, measured, MODALITIES[modality])
        parts.append(references.sample(pixels, measured, body, PIXELS_PER_SLICE, rng))
    samples = Samples.joined(parts)
    return [
        fit(samples)
        for fit in (references.fit_local, references.fit_linear, references.fit_linear_deviation)
    ]


def measure(
    scan: Scan, network: torch.nn.Module, fitted: Sequence[Reference], modality: Modality
) -> SliceResult:
    """Likelihoods and energies of one slice."""
    prediction = predict_slice(scan.pixels, network, modality)
    valid = prediction.assessed
    sums = {
        NETWORK: float(
            nll(scan.pixels[valid], prediction.mean[valid], prediction.spread[valid]).sum()
        )
    }
    pixels, measured, scale = normalised(scan.pixels, modality.name)
    for reference in fitted:
        mean, spread = reference.predict(pixels, measured)
        # In units of the noise scale a density is larger by that scale.
        sums[reference.name] = float(
            (nll(pixels[valid], mean[valid], spread[valid]) + np.log(scale)).sum()
        )
    labels = tissue_map(prediction.mean, valid, modality)
    after = spread_calibration.corrected(prediction.z, labels, len(modality.tissues))
    energies = {}
    for number, tissue in enumerate(modality.tissues):
        here = labels == number
        plain, cut = (
            prediction.z[here].astype(np.float64) ** 2,
            spread_calibration.energy(prediction.z[here]),
        )
        energies[tissue.name] = (
            int(here.sum()),
            float(plain.sum()),
            float(cut.sum()),
            float(spread_calibration.energy(after[here]).sum()),
        )
    return SliceResult(scan.source, int(valid.sum()), sums, energies)


def likelihood_rows(
    results: Sequence[SliceResult], learned: Sequence[SelectedSeries]
) -> list[dict[str, Any]]:
    """One row per series.

    Likelihood of each predictor, and whether scanner and kernel occur in training.
    """
    scanners, pairs = (
        {one.scanner for one in learned},
        {(one.scanner, one.kernel) for one in learned},
    )
    grouped: dict[tuple[str, str], list[SliceResult]] = defaultdict(list)
    for result in results:
        grouped[result.source.patient, result.source.series].append(result)
    rows = []
    for (patient, series), members in sorted(grouped.items()):
        one, pixels = members[0].source, sum(member.pixels for member in members)
        new = (
            "scanner"
            if one.scanner not in scanners
            else "kernel"
            if (one.scanner, one.kernel) not in pairs
            else ""
        )
        values = {
            name: sum(member.nll[name] for member in members) / pixels for name in members[0].nll
        }
        rows.append(
            {
                "patient": patient,
                "series": series,
                "scanner": one.scanner,
                "kernel": one.kernel,
                "new": new,
                "slices": len(members),
                "pixels": pixels,
                "nll": values,
            }
        )
    return rows


def pooled(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over patients, and how much worse each reference is, with interval over patients.

    A patient counts as the mean of the series.
    """
    names = list(rows[0]["nll"])
    patients = sorted({row["patient"] for row in rows})
    means = {
        name: [
            float(np.mean([row["nll"][name] for row in rows if row["patient"] == patient]))
            for patient in patients
        ]
        for name in names
    }
    result: dict[str, Any] = {
        "patients": len(patients),
        "nll": {name: float(np.mean(values)) for name, values in means.items()},
        "worse": {},
    }
    for name in names:
        if name == NETWORK:
            continue
        worse = np.asarray(means[name]) - np.asarray(means[NETWORK])
        low, high = mean_interval(list(worse), np.random.default_rng(partition.SEED))
        result["worse"][name] = {
            "mean": float(worse.mean()),
            "low": low,
            "high": high,
            "smallest": float(worse.min()),
            "series won": _won(rows, name),
        }
    return result


def _won(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    return f"{sum(row['nll'][NETWORK] < row['nll'][name] for row in rows)} of {len(rows)}"


def energy_cells(
    results: Sequence[SliceResult], learned: Sequence[SelectedSeries]
) -> list[dict[str, Any]]:
    """One cell per scanner, kernel and tissue."""
    pairs = {(one.scanner, one.kernel) for one in learned}
    sums: dict[tuple[str, str, str], NDArray[np.float64]] = defaultdict(lambda: np.zeros(4))
    for result in results:
        for tissue, values in result.energies.items():
            sums[result.source.scanner, result.source.kernel, tissue] += np.asarray(values)
    return [
        {
            "scanner": scanner,
            "kernel": kernel,
            "tissue": tissue,
            "new": (scanner, kernel) not in pairs,
            "pixels": int(values[0]),
            "uncut": values[1] / values[0],
            "before": values[2] / values[0],
            "after": values[3] / values[0],
        }
        for (scanner, kernel, tissue), values in sorted(sums.items())
        if values[0] >= FEWEST_PIXELS
    ]


def slice_cells(results: Sequence[SliceResult]) -> list[dict[str, float]]:
    """One cell per slice and tissue.

    Stricter, since slices of one scanner cannot make up for each other.
    """
    cells = (
        values
        for result in results
        for values in result.energies.values()
        if values[0] >= FEWEST_PIXELS
    )
    return [{"before": cut / pixels, "after": after / pixels} for pixels, _, cut, after in cells]


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All numbers."""
    started = time.monotonic()
    modality = MODALITIES[arguments.modality]
    loaded = registry.load(arguments.model, modality.name)
    per_series = 1 if arguments.quick else PER_SERIES
    learned, left_out = (
        scans.select_series(modality.name, folds, per_series)
        for folds in (partition.TRAINING_FOLDS, partition.VALIDATION_FOLDS)
    )
    fitted = fit_references(modality.name, per_series)
    results = [
        measure(scan, loaded.network, fitted, modality)
        for scan in scans.load(left_out[:2] if arguments.quick else left_out, modality.name)
    ]
    rows, single = likelihood_rows(results, learned), slice_cells(results)
    return {
        "modality": modality.name,
        "unit": "HU" if modality.unit == "HU" else "stored units",
        "weights_sha256": loaded.model.sha256,
        "seed": partition.SEED,
        "slices per series": per_series,
        "references": [
            {
                "name": one.name,
                "deviation window": 2 * one.deviation_half + 1,
                "constant": one.constant,
                "slope": one.slope,
            }
            for one in fitted
        ],
        "series": rows,
        "pooled": pooled(rows),
        "energy": energy_cells(results, learned),
        "slice cells": {
            "all": len(single),
            "before": count_accurate(single, "before"),
            "after": count_accurate(single, "after"),
        },
        "seconds": time.monotonic() - started,
    }


def main() -> None:
    arguments = cli.parser(__doc__).parse_args()
    content = run(arguments)
    cli.publish(
        f"likelihood_{arguments.modality}", content, markdown(content), quick=arguments.quick
    )


if __name__ == "__main__":
    cli.end(main)
