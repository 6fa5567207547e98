"""Copies under any transform: are they separated from genuine places, and is their source shown?

    python -m benchmarks.studies.any_copy --modality ct_lung

Copies of each kind and radius are pasted into slices of fold1 and asked about somewhat beside their
middle. The statistic is that of copy evidence alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks.any_copy import KINDS, Copied, Kind, pasted
from benchmarks.data import partition, scans
from benchmarks.detection import trials
from benchmarks.metrics.roc import auc, auc_interval, by_patient
from benchmarks.models import registry
from benchmarks.runner import cli
from dfd.evidence import copy_move
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.prediction.predict import predict_slice
from dfd.records import FloatImage, Region

PER_PATIENT = 4
"""Slices."""
RADII_PX = (10.0, 15.0, 20.0)
OFFSET_RADII = 0.3
"""Farthest that a place asked about lies from the middle of a copy."""
CLEAR_RADII = 1.6
"""How much around the other copies of a slice none is taken from, in their radii."""
NEAR_PX = 3.0
"""Of the true source, as it is shown."""


@dataclass
class Found:
    """What was measured of one kind and radius."""

    statistics: list[float] = field(default_factory=list)
    near: list[bool] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    """Whose each is."""

    def add(self, statistics: Sequence[float], patient: str) -> None:
        """Statistics of places of one patient."""
        self.statistics.extend(statistics)
        self.patients.extend([patient] * len(statistics))

    def of(self, patients: Sequence[str]) -> list[NDArray[np.float64]]:
        """Finite statistics of each of ``patients``."""
        return by_patient(self.statistics, self.patients, patients)


Measured = dict[tuple[str, float], Found]


def copies_in(
    setup: trials.SliceSetup, kind: Kind, radius: float, rng: np.random.Generator
) -> tuple[FloatImage, list[tuple[tuple[int, int], Copied]]]:
    """The slice with copies at all its places, and each copy.

    None is taken from where another is put, or its source would be gone.
    """
    whole = setup.canvas.pixels
    pixels, copies = whole, []
    for x, y in setup.places.edited:
        others = [each for each in setup.places.edited if tuple(each) != (x, y)]
        kept = whole.copy()
        for column, row in others:
            middle = (float(column), float(row))
            kept[disk(whole.shape[0], whole.shape[1], middle, CLEAR_RADII * radius)] = np.nan
        copied = pasted(replace(setup.canvas, pixels=kept), (int(y), int(x)), radius, kind, rng)
        if copied is not None:
            changed = (copied.pixels != whole) & np.isfinite(copied.pixels)
            pixels = np.where(changed, copied.pixels, pixels)
            copies.append(((int(y), int(x)), copied))
    return pixels, copies


def measure(setup: trials.SliceSetup, found: Measured, *, quick: bool) -> None:
    """Adds the genuine places of a slice and its copies of all kinds to ``found``."""
    modality, radius = MODALITIES[setup.scan.modality], setup.places.radius
    reference = copy_move.prepare(setup.evidence.prediction, radius, modality)
    genuine = [Region(float(x), float(y), radius) for x, y in setup.places.genuine]
    statistics = copy_move.find_copies(genuine, reference).statistics
    patient = setup.scan.source.patient
    found.setdefault((trials.GENUINE, 0.0), Found()).add(statistics.tolist(), patient)
    for name, kind in list(KINDS.items())[: 1 if quick else None]:
        for size in RADII_PX[: 1 if quick else None]:
            rng = setup.generator(f"{name} {size}")
            pixels, copies = copies_in(setup, kind, size, rng)
            if copies:
                prediction = predict_slice(pixels, setup.network, modality)
                reference = copy_move.prepare(prediction, radius, modality)
                asked = [asked_beside(*each, size, rng) for each in copies]
                add = partial(found.setdefault((name, size), Found()).add, patient=patient)
                found[name, size].near += _ask(reference, asked, radius, add)


def asked_beside(
    middle: tuple[int, int], copied: Copied, size: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(row, column) of a click on a copy of radius ``size``, and of what it truly shows."""
    turn, away = rng.uniform(0, 2 * np.pi), OFFSET_RADII * size * np.sqrt(rng.random())
    steps = np.rint([away * np.sin(turn), away * np.cos(turn)])
    return np.array(middle) + steps, copied.source_of(steps)


def _ask(
    reference: copy_move.CopyMoveReference,
    asked: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    radius: float,
    add: Callable[[Sequence[float]], None],
) -> list[bool]:
    """Asks about copies; gives whether the source of each is shown, and ``add`` the statistics."""
    regions = [Region(float(click[1]), float(click[0]), radius) for click, _ in asked]
    measured = copy_move.find_copies(regions, reference)
    add(measured.statistics.tolist())
    near = []
    for number, (_, source) in enumerate(asked):
        record = measured[number]
        off = np.inf
        if record.source_x is not None and record.source_y is not None:
            off = float(np.hypot(record.source_y - source[0], record.source_x - source[1]))
        near.append(off <= NEAR_PX)
    return near


def setups(modality: str, *, quick: bool) -> Iterator[trials.SliceSetup]:
    """Slices of fold1 with places to edit."""
    network = registry.load(None, modality).network
    chosen = scans.select_series(modality, partition.VALIDATION_FOLDS, PER_PATIENT)
    series = scans.per_patient(chosen, 1 if quick else PER_PATIENT)[: 1 if quick else None]
    for number, scan in enumerate(scans.load(series, modality)):
        rng = np.random.default_rng([partition.SEED, number])
        setup = trials.prepare_slice(scan, network, rng)
        if setup is not None:
            yield setup


def rows_of(found: Measured) -> list[dict[str, Any]]:
    """A row for each kind and radius."""
    names = sorted(set(found[trials.GENUINE, 0.0].patients))
    genuine = found[trials.GENUINE, 0.0].of(names)
    limit = float(np.quantile(np.concatenate(genuine), 0.95))
    rows = []
    for (name, radius), each in found.items():
        if name == trials.GENUINE:
            continue
        own = each.of(names)
        rng = np.random.default_rng(partition.SEED)
        rows.append(
            {
                "kind": name,
                "radius_px": radius,
                "copies": len(each.statistics),
                "auc": auc(np.concatenate(own), np.concatenate(genuine)),
                "interval": list(auc_interval(own, genuine, rng)),
                "above 95 % of genuine": float((np.concatenate(own) > limit).mean()),
                "source within 3 px": float(np.mean(each.near)),
            }
        )
    return rows


def markdown(modality: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """As read by people."""
    heads = list(rows[0])
    cells = [[_cell(head, each) for head, each in row.items()] for row in rows]
    return (
        f"# Copies under any transform: {modality}\n\nCopy evidence alone, on slices of fold1, "
        "against genuine places of the same slices; intervals over patients.\n\n"
        + cli.table(heads, cells)
    )


def _cell(head: str, value: Any) -> str:  # noqa: ANN401 - what a row holds
    if isinstance(value, list):
        return " to ".join(f"{each:.2f}" for each in value)
    return f"{value:.3f}" if isinstance(value, float) and head != "radius_px" else f"{value}"


def main() -> None:
    """Command line."""
    arguments = cli.parser(__doc__, model=False).parse_args()
    torch.set_num_threads(1)
    found: Measured = {}
    for setup in setups(arguments.modality, quick=arguments.quick):
        measure(setup, found, quick=arguments.quick)
    rows = rows_of(found)
    content = {"modality": arguments.modality, "kinds": rows}
    name = f"any_copy_{arguments.modality}"
    cli.publish(name, content, markdown(arguments.modality, rows), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
