"""How far a change of the code moves the statistics of evidence.

    python -m benchmarks.studies.statistic_drift --record runs/drift/before.jsonl   # one commit
    python -m benchmarks.studies.statistic_drift --record runs/drift/after.jsonl    # another
    python -m benchmarks.studies.statistic_drift --compare runs/drift/before.jsonl \
        runs/drift/after.jsonl

500 regions of each modality in slices of development patients: three radii, a third of the slices
alone, a third with the slices above and below, a third with their series; in every fourth slice a
disk is copied, so that the search for copies finds some. Each region is measured as a point and as
a place of a screened slice (``quick``). A record that was stopped goes on.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from benchmarks.data import partition, scans
from benchmarks.metrics.drift import LIMIT, relative_differences
from benchmarks.models import registry
from benchmarks.runner import cli
from benchmarks.runner.checkpoint import Ledger, Rows, code_digest
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.intensity import assessed_pixels
from dfd.modalities import MODALITIES, Modality
from dfd.prediction.masks import disk
from dfd.prediction.predict import predict_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import Context, FloatImage, Point, Prediction, Region, Slice
from dfd.regions import region_of

SLICES = 50
"""Of each modality."""
QUICK_SLICES = 2
SIZES = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.7, 1.4, 1.4)
"""Radii of the regions of one slice, in radii of the modality."""
COPY_EVERY = 4
"""One slice of so many has a copied disk."""
SURROUNDINGS = ("alone", "neighbours", "series")
GROUPS = {"point": False, "screening": True}
"""Way of measuring -> ``quick``."""

Key: TypeAlias = tuple[str, str, str]
"""Modality, family, group."""
Values: TypeAlias = dict[Key, dict[tuple[str, int], float]]
"""For each slice and number of a region, the statistic."""


def slices_to_measure(modality: str, most: int) -> Iterator[Slice]:
    """At most ``most`` slices that scoring would take, as many of each development patient."""
    folds = (*partition.TRAINING_FOLDS, *partition.VALIDATION_FOLDS)
    share = -(-2 * most // len(partition.patients(modality, folds)))
    chosen = scans.per_patient(scans.select_series(modality, folds, share), share)
    usable = [scan.slice for scan in scans.load(chosen, modality)]
    yield from (usable[index] for index in scans.spread(len(usable), most))


def regions_in(pixels: FloatImage, like: Region, modality: Modality, seed: int) -> list[Region]:
    """A region for each of ``SIZES`` at random assessed pixels.

    Drawn from the pixels alone: any version of the code draws the same.
    """
    rows, columns = np.nonzero(assessed_pixels(pixels, modality))
    drawn = np.random.default_rng([partition.SEED, seed]).permutation(len(rows))
    return [
        replace(
            like, x=float(columns[place]), y=float(rows[place]), radius_px=size * like.radius_px
        )
        for size, place in zip(SIZES, drawn, strict=False)
    ]


def with_copy(pixels: FloatImage, source: Region, target: Region) -> FloatImage:
    """``pixels`` with the disk of ``source`` pasted over that of ``target``."""
    height, width = pixels.shape
    shift = (round(source.y - target.y), round(source.x - target.x))
    inside = disk(height, width, (target.x, target.y), target.radius_px)
    moved = np.roll(pixels, (-shift[0], -shift[1]), axis=(0, 1))
    return np.where(inside, moved, pixels)


def context_of(scan: Slice, surroundings: str) -> Context | None:
    """The slices around ``scan``, as far as ``surroundings`` (of ``SURROUNDINGS``) says."""
    if surroundings == "alone":
        return None
    return AdjacentSlices(others=surroundings == "series").of(scan)[0]


def digest_of(prediction: Prediction) -> str:
    """Digest of mean, spread and z of a prediction."""
    arrays = np.stack([prediction.mean, prediction.spread, prediction.z]).astype(np.float32)
    return hashlib.sha256(arrays.tobytes()).hexdigest()[:12]


def measured(scan: Slice, number: int, network: torch.nn.Module, modality: Modality) -> Rows:
    """A row for each region of the slice, group and family: its statistic.

    ``number``: of the slice, chooses what surrounds it and whether a disk is copied.
    """
    pixels = pixels_of(scan)
    like = region_of(Point(0, "", 0.0, 0.0), scan, modality)
    regions = regions_in(pixels, like, modality, number)
    if number % COPY_EVERY == 0 and len(regions) > 1:
        pixels = with_copy(pixels, regions[0], regions[1])
    prediction = predict_slice(pixels, network, modality)
    surroundings = SURROUNDINGS[number % len(SURROUNDINGS)]
    context = context_of(scan, surroundings)
    rows: Rows = []
    for group, quick in GROUPS.items():
        evidence = SliceEvidence(prediction, modality, context)
        for place, pieces in enumerate(evidence.measure_all(regions, quick=quick)):
            rows += [
                {"group": group, "region": place, "family": each.family, "value": each.statistic}
                for each in pieces
            ]
    about = {"prediction": digest_of(prediction), "surroundings": surroundings}
    return [{**row, **about} for row in rows]


def record(path: Path, *, quick: bool) -> None:
    """Measures all slices of both modalities and keeps the rows in ``path``, slice by slice."""
    torch.set_num_threads(1)  # sums of several threads are rounded in another order
    ledger, part = Ledger(path), code_digest(("benchmarks/studies/statistic_drift.py",))
    for modality in MODALITIES.values():
        network = registry.load(None, modality.name).network
        count = QUICK_SLICES if quick else SLICES
        for number, scan in enumerate(slices_to_measure(modality.name, count)):
            name = f"{modality.name} {number} {scan.ref.path.parent.name}/{scan.ref.path.name}"
            if (name, part) not in ledger.done:
                ledger.add(name, {part: measured(scan, number, network, modality)})
                print(name, flush=True)


def read(path: Path) -> tuple[Values, dict[str, str]]:
    """The statistics of a record, and for each slice the digest of its prediction.

    Where a slice was measured by several versions of the code, the last counts.
    """
    values: Values = defaultdict(dict)
    digests: dict[str, str] = {}
    for (name, _), rows in Ledger(path).done.items():
        for row in rows:
            key = (name.split()[0], row["family"], row["group"])
            values[key][name, row["region"]] = float(row["value"])
            digests[name] = row["prediction"]
    return values, digests


def compare(old: Values, new: Values) -> list[dict[str, object]]:
    """For each modality, family and group how far the statistics of ``new`` lie from ``old``."""
    result: list[dict[str, object]] = []
    for key in sorted(set(old) | set(new)):
        names = sorted(set(old.get(key, {})) & set(new.get(key, {})))
        pairs = np.asarray([(old[key][name], new[key][name]) for name in names]).reshape(-1, 2)
        drift = relative_differences(pairs[:, 0], pairs[:, 1])
        one_sided = len(set(old.get(key, {})) ^ set(new.get(key, {})))
        result.append(
            {
                **dict(zip(("modality", "family", "group"), key, strict=True)),
                "regions": len(names),
                "in one record only": one_sided,
                "largest": float(drift.max(initial=0.0)),
                "99 %": float(np.quantile(drift, 0.99, method="higher")) if len(drift) else 0.0,
                "beyond": int((drift > LIMIT).sum()),
            }
        )
    return result


def publish(paths: Sequence[Path], *, quick: bool) -> None:
    """Compares two records, prints the table and writes it among the results."""
    (old, old_digests), (new, new_digests) = (read(path) for path in paths)
    rows = compare(old, new)
    changed = sum(new_digests.get(name) != digest for name, digest in old_digests.items())
    slices = len(old_digests)
    heads = ["modality", "family", "group", "regions", "largest", "99 %", f"beyond {LIMIT:g}"]
    cells = [
        [
            *(str(row[key]) for key in ("modality", "family", "group", "regions")),
            *(f"{row[key]:.2g}" for key in ("largest", "99 %")),
            str(row["beyond"]),
        ]
        for row in rows
    ]
    text = (
        "# Drift of statistics\n\nRelative difference of each statistic between two versions of "
        f"the code, on the same regions of {slices} slices; predictions differ in {changed} of "
        f"them.\n\n{cli.table(heads, cells)}"
    )
    content = {"slices": slices, "predictions that differ": changed, "limit": LIMIT, "rows": rows}
    cli.publish("statistic_drift", content, text, quick=quick)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="two slices, results to runs/quick")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--record", type=Path, metavar="FILE", help="where the statistics go")
    way.add_argument("--compare", type=Path, nargs=2, metavar=("OLD", "NEW"), help="two records")
    arguments = parser.parse_args()
    if arguments.record:
        record(arguments.record, quick=arguments.quick)
    else:
        publish(arguments.compare, quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
