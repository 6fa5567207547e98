"""What the search for copies costs a point, and what quicker ways of it still find.

    python -m benchmarks.studies.copy_search_cost --modality ct_lung

Copies of four kinds are pasted into slices of fold1, one kind at a time, and searched for by each
way. Costs are processor seconds on one core, which other work on the machine hardly changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.attacks.registry import ATTACKS
from benchmarks.data import partition, scans
from benchmarks.detection import trials
from benchmarks.metrics.roc import auc
from benchmarks.models import registry
from benchmarks.runner import cli
from dfd.evidence import copy_move, copy_peaks
from dfd.evidence.best_matches import QUICK, THOROUGH, WHOLE_PIXELS, Effort
from dfd.modalities import MODALITIES
from dfd.records import Region

PER_PATIENT = 4
"""Slices."""
COPIES = (
    "copy-move, hard edge",
    "copy-move, feathered 3 px",
    "copy-move, rotated up to 15 degrees",
    "copy-move, scaled 0.9 to 1.1",
)


@dataclass(frozen=True)
class Way:
    """How copies are searched for."""

    effort: Effort = THOROUGH
    change: Callable[[], AbstractContextManager[Any]] = nullcontext


def _together(count: int) -> AbstractContextManager[Any]:
    return patch.object(copy_peaks, "AT_ONCE", {"cpu": count})


WAYS: Mapping[str, Way] = {
    "as it is": Way(),
    "1 template at once": Way(change=partial(_together, 1)),
    "2 templates at once": Way(change=partial(_together, 2)),
    "half as many places looked at": Way(replace(THOROUGH, turned=THOROUGH.turned // 2)),
    "one place refined": Way(replace(THOROUGH, refined=1)),
    "middle of the region only": Way(replace(THOROUGH, around=False)),
    "whole pixels, neither turned nor resized": Way(WHOLE_PIXELS),
    "proposed by tiles, as in screening": Way(QUICK),
}


def versions(modality: str, *, quick: bool) -> Iterator[tuple[trials.Version, float]]:
    """Each slice as it is and under each kind of copy, and the radius of its regions."""
    network = registry.load(None, modality).network
    found = scans.select_series(modality, partition.VALIDATION_FOLDS, PER_PATIENT)
    series = scans.per_patient(found, 1 if quick else PER_PATIENT)[: 1 if quick else None]
    for number, scan in enumerate(scans.load(series, modality)):
        setup = trials.prepare_slice(scan, network, np.random.default_rng([partition.SEED, number]))
        if setup is None:
            continue
        yield trials.unedited(setup), setup.places.radius
        for kind in COPIES[: 1 if quick else None]:
            version = trials.version_of(setup, kind, ATTACKS[kind])
            if version is not None:
                yield version, setup.places.radius


def measured(modality: str, *, quick: bool) -> list[dict[str, Any]]:
    """A row for each way: seconds for each region, AUC of each kind of copy."""
    values: dict[str, dict[str, list[float]]] = {name: {} for name in WAYS}
    seconds, regions = dict.fromkeys(WAYS, 0.0), 0
    for version, radius in versions(modality, quick=quick):
        places = [Region(float(x), float(y), radius) for x, y in version.centres]
        regions += len(places)
        reference = copy_move.prepare(version.evidence.prediction, radius, MODALITIES[modality])
        for name, way in WAYS.items():
            with way.change():
                started = time.process_time()
                found = copy_move.find_copies(places, reference, way.effort).statistics
                seconds[name] += time.process_time() - started
            values[name].setdefault(version.kind, []).extend(found[np.isfinite(found)].tolist())
    return [
        {
            "way": name,
            "milliseconds": 1000.0 * seconds[name] / max(regions, 1),
            "auc": {
                kind: auc(np.array(each), np.array(values[name][trials.GENUINE]))
                for kind, each in values[name].items()
                if kind != trials.GENUINE and each
            },
        }
        for name in WAYS
    ]


def markdown(modality: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """As read by people."""
    kinds = [kind for kind in COPIES if kind in rows[0]["auc"]]
    cells = [
        [row["way"], f"{row['milliseconds']:.1f}", *(f"{row['auc'][kind]:.3f}" for kind in kinds)]
        for row in rows
    ]
    heads = ["way", "milliseconds a region", *kinds]
    return (
        f"# The search for copies: {modality}\n\nProcessor time on one core; AUC of copy evidence "
        "alone against genuine places of the same slices of fold1.\n\n" + cli.table(heads, cells)
    )


def main() -> None:
    """Command line."""
    parser = cli.parser(__doc__, model=False)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = measured(arguments.modality, quick=arguments.quick)
    content = {"modality": arguments.modality, "ways": rows}
    name = f"copy_search_cost_{arguments.modality}"
    cli.publish(name, content, markdown(arguments.modality, rows), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
