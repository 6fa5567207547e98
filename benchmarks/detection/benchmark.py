"""The benchmark: every attack, every baseline, on patients that no network was trained on.

    python -m benchmarks.detection.benchmark --modality ct_lung          # hours, resumable
    python -m benchmarks.detection.benchmark --modality ct_lung --quick  # minutes
    python -m benchmarks.detection.benchmark --data FOLDER               # genuine DICOM of your own

``--quick`` takes two patients, a slice each, one attack of each form. A FOLDER of your own has one
sub-folder per patient and is scored by the shipped model.

Each development patient is scored by a network not trained on that patient
(`benchmarks.models.cross_validation`), and the p-values stand on the shipped calibration without
the patient; a second p-value leaves out everybody scanned by the same manufacturer. Every baseline
(`benchmarks.baselines`) measures the same regions. An attack whose network was trained on a patient
(`benchmarks.attacks.training.train`) is not used on that patient. Rows are kept in runs/benchmark.

Held-out attacks (--held-out) and test patients (--test) are looked at once, when all choices are
frozen in a commit.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.data import partition
from benchmarks.detection import collect, plots
from benchmarks.detection.collect import BenchmarkData, TrialPlan, attacks_of
from benchmarks.detection.comparison import Row
from benchmarks.detection.figures import figures
from benchmarks.detection.p_values import manufacturers_of, pool_of, with_p_values
from benchmarks.detection.results import markdown, numbers_of
from benchmarks.models import assignment, registry
from benchmarks.models.assignment import PatientGroup
from benchmarks.models.cross_validation import FOLDS
from benchmarks.runner import cli
from dfd.errors import UsageError

SLICES = 2
"""Per patient: neighbouring slices say much the same, and one takes minutes."""
MOST_JOBS = 4
QUICK_PATIENTS = 2
OWN_RESULTS = partition.ROOT / "runs" / "own_scans"
"""Numbers on scans of a user never overwrite committed ones."""


def groups_of(arguments: argparse.Namespace) -> tuple[list[PatientGroup], list[str]]:
    """Who is scored by what, and the folds whose model is not there yet."""
    if arguments.data and arguments.test:
        raise UsageError("--data and --test name different patients; give one of them.")
    if arguments.data:
        return [assignment.of_folder(arguments.modality, arguments.data)], []
    if arguments.test:
        shipped = registry.load(assignment.shipped(arguments.modality), arguments.modality)
        return [
            assignment.of_test(arguments.modality, shipped.model.sha256, confirmed=arguments.test)
        ], []
    return assignment.of_folds(
        arguments.modality,
        arguments.folds or (partition.VALIDATION_FOLDS if arguments.quick else FOLDS),
    )


def collect_rows(
    arguments: argparse.Namespace, scored: Sequence[PatientGroup], missing: Sequence[str]
) -> BenchmarkData:
    """Measures what is not measured yet, and adds the p-values."""
    loaded = {group.name: registry.load(group.model, group.modality) for group in scored}
    pool = pool_of(arguments.modality)
    attacks = attacks_of(arguments.modality, held_out=arguments.held_out, quick=arguments.quick)
    plan = TrialPlan(
        attacks,
        1 if arguments.quick else arguments.slices,
        QUICK_PATIENTS if arguments.quick else None,
    )
    rows: list[Row] = []
    groups = {}
    for group in scored:
        sha256 = loaded[group.name].model.sha256
        tasks = collect.tasks_of(group, plan)
        rows += collect.gather(tasks, collect.ledger_of(group, sha256), arguments.jobs)
        groups[group.name] = {
            "patients": len({task.source.patient for task in tasks}),
            "slices": len(tasks),
            "weights": sha256,
        }
    return BenchmarkData(
        with_p_values(rows, pool, manufacturers_of(pool, scored)), groups, missing, pool
    )


def arguments_of() -> argparse.Namespace:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--folds",
        nargs="+",
        choices=FOLDS,
        help="only these (default: every fold whose model is there)",
    )
    parser.add_argument(
        "--slices", type=int, default=SLICES, help="per patient (default: %(default)s)"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(MOST_JOBS, os.cpu_count() or 1),
        help="slices at once, a process each (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="genuine DICOM, one sub-folder per patient, in place of the development patients",
    )
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="also the attacks that no choice was made by: once, at the end",
    )
    parser.add_argument(
        "--test",
        action="store_true",
        help="the test patients, scored by the shipped model: once, at the end",
    )
    arguments = parser.parse_args()
    if arguments.slices < 1 or arguments.jobs < 1:
        raise UsageError(
            f"--slices {arguments.slices} --jobs {arguments.jobs}: both must be at least 1."
        )
    return arguments


def main() -> None:
    arguments = arguments_of()
    started = time.monotonic()
    data = collect_rows(arguments, *groups_of(arguments))
    if not data.rows:
        raise UsageError(
            "Not one slice could be assessed, so there is nothing to tell; give axial slices "
            "of the modality."
        )
    content = numbers_of(arguments, data) | {"seconds": time.monotonic() - started}
    name = f"benchmark_{arguments.modality}" + ("_test" if arguments.test else "")
    folder = cli.publish(
        name,
        content,
        markdown(content),
        quick=arguments.quick,
        folder=OWN_RESULTS if arguments.data else None,
    )
    for which, figure in figures(content, data).items():
        print(f"drawn: {plots.save(figure, folder / f'{name}_{which}.png')}")


if __name__ == "__main__":
    cli.end(main)
