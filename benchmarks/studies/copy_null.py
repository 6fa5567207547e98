"""The search for copies where there are none, and how much of its result follows from edges.

    python -m benchmarks.studies.copy_null --modality ct_lung

Random genuine places of four slices of each patient of fold1. A statistic that follows the edges
would call real vessels copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.data import partition, scans
from benchmarks.data.scans import Scan
from benchmarks.models import registry
from benchmarks.runner import cli
from dfd.evidence import chance_correlations, copy_move
from dfd.evidence.running_sums import FloatArray
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.predict import predict_slice
from dfd.records import Point, Region
from dfd.regions import region_of

SLICES, PLACES = 4, 32
WAYS = {
    "with": chance_correlations.tail_factor,
    "without": lambda chance, number: torch.ones(len(chance)),
}
EDGES = 1
"""Column of the covariates of a window: log of its edge strength."""


def of_slice(scan: Scan, network: torch.nn.Module) -> Iterator[tuple[float, ...]]:
    """(log edge strength, statistic with, statistic without) of random places."""
    modality = MODALITIES[scan.modality]
    prediction = predict_slice(scan.pixels, network, modality)
    radius = region_of(Point(0, "", 0.0, 0.0), scan.slice, modality).radius_px
    table = SliceEvidence(prediction, modality).windows(radius).table
    reference = copy_move.prepare(prediction, radius, modality)
    for place in np.random.default_rng(partition.SEED).permutation(len(table.centres))[:PLACES]:
        x, y = (float(value) for value in table.centres[place])
        values = [float(table.covariates[place, EDGES])]
        for tail_factor in WAYS.values():
            with patch.object(chance_correlations, "tail_factor", tail_factor):
                values.append(
                    float(copy_move.find_copies([Region(x, y, radius)], reference).statistics[0])
                )
        if np.isfinite(values).all():
            yield tuple(map(float, values))


def numbers(edges: FloatArray, statistic: FloatArray) -> dict[str, float]:
    """Spread, tail and tie to edges of one way."""
    high = np.quantile(statistic, [0.95, 0.99]) / np.median(statistic)
    tie = float(spearmanr(edges, statistic).statistic)
    return {
        "spread of the log": float(np.log(statistic).std()),
        "95 % over median": high[0],
        "99 % over median": high[1],
        "rank correlation with edges": tie,
    }


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    arguments = parser.parse_args()
    network = registry.load(None, arguments.modality).network
    series = scans.per_patient(
        scans.select_series(arguments.modality, partition.VALIDATION_FOLDS, SLICES),
        1 if arguments.quick else SLICES,
    )
    rows = [
        row
        for scan in scans.load(series[:1] if arguments.quick else series, arguments.modality)
        for row in of_slice(scan, network)
    ]
    columns = np.asarray(rows).T
    result = {way: numbers(columns[0], columns[number]) for number, way in enumerate(WAYS, start=1)}
    heads = ["tail factor", *result["with"]]
    text = cli.table(
        heads, [[way, *(f"{value:.2f}" for value in each.values())] for way, each in result.items()]
    )
    introduction = (
        f"# Copy-move evidence where nothing was copied: {arguments.modality}\n\n{len(rows)} "
        "random places of fold1.\n\n"
    )
    cli.publish(
        f"copy_null_{arguments.modality}",
        {"places": len(rows), **result},
        introduction + text,
        quick=arguments.quick,
    )


if __name__ == "__main__":
    cli.end(main)
