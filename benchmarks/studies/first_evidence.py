"""How well the evidence tells manipulations from genuine places, on patients left out of training.

    python -m benchmarks.studies.first_evidence --modality ct_lung          # eleven simple ones
    python -m benchmarks.studies.first_evidence --modality ct_lung --all    # all not held out

``--model runs/ct.ckpt`` names another model; ``--all`` needs `benchmarks.attacks.training.train
--train` first.

Patients of fold1: the network was not trained on them, but early stopping and the shipped
calibration saw them; false-alarm rates are therefore also given with a calibration that leaves the
patient out. Each edit fills the region of the modality's own radius, is pasted back into the
untouched slice (outside the mask not one value changes) and rounded to whole numbers. Up to 4 edits
of one kind, 4 radii apart, share a slice and a prediction. Of four places alike in mean and edge
strength one is drawn to be edited; the others, in the untouched slice, are the genuine controls.
Slices done are kept in runs/first_evidence and not done again.
"""

from __future__ import annotations

import argparse
import logging
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.attacks import SIMPLE_EDITS
from benchmarks.attacks.registry import ATTACKS, UNTOUCHED, Attack
from benchmarks.data import partition, scans
from benchmarks.data.volumes import find_stack, volumes
from benchmarks.detection import trials
from benchmarks.models import cross_validation, registry
from benchmarks.models.registry import Loaded
from benchmarks.runner import cli
from benchmarks.runner.checkpoint import Ledger, code_digest
from benchmarks.studies.first_evidence_numbers import (
    beside_of,
    by_tissue,
    calibrations_of,
    false_alarms,
    rates,
    summarise,
)
from benchmarks.studies.first_evidence_report import markdown
from dfd.calibration import (
    SLICE,
    Calibration,
    combined_statistic,
)
from dfd.modalities import MODALITIES

logger = logging.getLogger(__name__)

SLICES, SLICES_OF_ALL = 4, 2
"""Per patient, spread over all series; fewer where every attack is tried, which takes some minutes
a slice."""


def gather(arguments: argparse.Namespace, loaded: Loaded) -> list[dict[str, Any]]:
    """Rows of all slices; those that an earlier run left behind are taken as they are."""
    modality = MODALITIES[arguments.modality]
    count = SLICES_OF_ALL if arguments.all else SLICES
    series = scans.per_patient(
        scans.select_series(modality.name, partition.VALIDATION_FOLDS, count), count
    )
    if arguments.quick:
        series = [
            scans.SelectedSeries(one.patient, one.series, one.scanner, one.kernel, one.refs[:1])
            for one in series[:2]
        ]
    attacks = attacks_of(arguments)
    stacks = list(volumes(modality.name, partition.VALIDATION_FOLDS))
    ledger = _store(arguments, loaded)
    rows = []
    for scan in scans.load(series, modality.name):
        if (scan.name, "") not in ledger.done:
            rng = np.random.default_rng([partition.SEED, zlib.crc32(scan.name.encode())])
            ledger.add(
                scan.name,
                {
                    "": trials.trials_of(
                        scan, loaded.network, rng, attacks, find_stack(stacks, scan.slice.ref)
                    )
                },
            )
            logger.info("%s: %d regions", scan.name, len(ledger.done[scan.name, ""]))
        rows += ledger.done[scan.name, ""]
    return rows


def attacks_of(arguments: argparse.Namespace) -> dict[str, Attack]:
    """The attacks to try. Held-out attacks are never among them.

    They are looked at once, when all choices are frozen.
    """
    if not arguments.all:
        return {name: Attack("", edit) for name, edit in SIMPLE_EDITS.items()}
    return {
        name: attack
        for name, attack in {**UNTOUCHED, **ATTACKS}.items()
        if not attack.held_out and arguments.modality in attack.modalities
    }


def _store(arguments: argparse.Namespace, loaded: Loaded) -> Ledger:
    """The slices done, with these weights and this code: a change of either begins anew."""
    kind = "all_" if arguments.all else ""
    weights = loaded.model.sha256[:12]
    name = f"{kind}{arguments.modality}_{weights}_{code_digest()}.jsonl"
    return Ledger(partition.ROOT / "runs" / "first_evidence" / name)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All numbers."""
    started = time.monotonic()
    loaded = registry.load(arguments.model, arguments.modality)
    patients = partition.patients(arguments.modality, partition.VALIDATION_FOLDS)
    calibration = loaded.calibration
    # A model of one's own was calibrated on whom its training left out.
    calibration_patients = (
        patients
        if arguments.model or calibration is None
        else cross_validation.standing(arguments.modality, calibration)
    )
    others = calibrations_of(calibration, calibration_patients)
    rows = _with_statistics(gather(arguments, loaded), calibration)
    scored = [patient for patient in patients if any(row["patient"] == patient for row in rows)]
    return {
        "modality": arguments.modality,
        "weights_sha256": loaded.model.sha256,
        "seed": partition.SEED,
        "patients": len(scored),
        "slices": len({row["slice"] for row in rows}),
        "calibration patients": calibration.patients if calibration else 0,
        **false_alarms(rows, scored, calibration, others),
        "kinds": [
            {
                **summarise(rows, kind, scored),
                **rates([row for row in rows if row["kind"] == kind], calibration, others),
                "tissues": by_tissue(rows, kind),
            }
            for kind in attacks_of(arguments)
        ],
        "seconds": time.monotonic() - started,
    }


def _with_statistics(
    rows: Sequence[Mapping[str, Any]], calibration: Calibration | None
) -> list[dict[str, Any]]:
    """The rows with the combination of all families: lone slice, and with its neighbours."""
    tables = calibration.of(SLICE).tables if calibration else {}
    return [
        {
            **row,
            "statistic": combined_statistic(row["statistics"], tables),
            "beside": beside_of(row["statistics"], calibration),
        }
        for row in rows
    ]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--all",
        action="store_true",
        help="every attack that is not held out, in place of the simple ones",
    )
    arguments = parser.parse_args()
    content = run(arguments)
    cli.publish(
        f"{'families' if arguments.all else 'first_evidence'}_{arguments.modality}",
        content,
        markdown(content),
        quick=arguments.quick,
    )


if __name__ == "__main__":
    cli.end(main)
