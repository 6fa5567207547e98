"""The rows of all slices, measured on several cores where wanted.

Rows that an earlier run left behind are read.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.attacks.registry import ATTACKS, UNTOUCHED
from benchmarks.data import partition, scans
from benchmarks.detection import baseline_values, measurements
from benchmarks.detection.comparison import Row
from benchmarks.detection.measurements import REPRESENTATIVES, STRENGTHS, Task
from benchmarks.models.assignment import OWN, PatientGroup
from benchmarks.models.held_out_calibration import Pool
from benchmarks.runner.checkpoint import DIGITS, Ledger, Rows, code_digest

logger = logging.getLogger(__name__)

CODE = (
    "benchmarks/detection/measurements.py",
    "benchmarks/detection/baseline_values.py",
    "benchmarks/detection/variants.py",
    "benchmarks/baselines/*.py",
)
"""What rows follow from beside ``benchmarks.runner.checkpoint.CODE``."""
CURVE_SLICES = 1
"""Slices per patient on which the curves are measured: a curve needs as many edits again as
half the table."""


@dataclass(frozen=True)
class TrialPlan:
    """What is to be tried, and on how much."""

    attacks: tuple[str, ...]
    slices: int
    """Per patient, spread over all series."""
    patients: int | None = None
    """Only the first so many of each group."""


@dataclass(frozen=True)
class BenchmarkData:
    """All that was measured."""

    rows: list[Row]
    cohorts: Mapping[str, Mapping[str, Any]]
    missing: Sequence[str]
    """Folds without a model."""
    pool: Pool

    @property
    def patients(self) -> list[str]:
        """Who was scored, sorted."""
        return sorted({str(row["patient"]) for row in self.rows})

    @property
    def calibration_patients(self) -> int:
        """On how many patients p-values stand, at least."""
        return len(self.pool.names) - int(any(name in self.pool.names for name in self.patients))


def attacks_of(modality: str, *, held_out: bool, quick: bool) -> tuple[str, ...]:
    """Names of the attacks to try."""
    candidates = {
        **UNTOUCHED,
        **(
            ATTACKS
            if not quick
            else {
                name: attack
                for name, attack in ATTACKS.items()
                if name in (*REPRESENTATIVES, *STRENGTHS.values())
            }
        ),
    }
    return tuple(
        name
        for name, attack in candidates.items()
        if modality in attack.modalities and (held_out or not attack.held_out)
    )


def tasks_of(group: PatientGroup, plan: TrialPlan) -> list[Task]:
    """One task for each slice, a slice of every patient before the next of anyone."""
    few = replace(
        group,
        folders={name: group.folders[name] for name in list(group.folders)[: plan.patients]},
    )
    series = scans.per_patient(few.select_series(plan.slices), plan.slices)
    numbered, count_of = [], dict.fromkeys(few.folders, 0)
    for one in measurements.slices_of(series):
        parts = measurements.parts_of(
            plan.attacks,
            group.modality,
            one.patient,
            curves=count_of[one.patient] < CURVE_SLICES,
        )
        baselines = baseline_values.baselines_of(group.modality, group.folders)
        place = count_of[one.patient]
        count_of[one.patient] += 1
        numbered.append(
            (
                place,
                Task(
                    one,
                    group.folders[one.patient],
                    group.modality,
                    group.model,
                    tuple(parts),
                    tuple(baselines),
                ),
            )
        )
    return [task for _, task in sorted(numbered, key=lambda pair: pair[0])]


def ledger_of(group: PatientGroup, weights_sha256: str) -> Ledger:
    """What is done already of ``group``, with these weights, this code and these baselines.

    A change of any begins anew.
    """
    marks = [
        weights_sha256[:DIGITS],
        code_digest(CODE),
        baseline_values.baselines_mark(group.modality, group.folders)[:DIGITS],
    ]
    if group.name == OWN:
        marks.append(f"{zlib.crc32(str(sorted(map(str, group.folders.values()))).encode()):08x}")
    return Ledger(
        partition.ROOT
        / "runs"
        / "benchmark"
        / "_".join([group.modality, group.name.replace(" ", "_"), *marks, ".jsonl"]).replace(
            "_.", "."
        )
    )


def gather(tasks: Sequence[Task], ledger: Ledger, jobs: int) -> list[dict[str, Any]]:
    """Rows of all ``tasks``, with scanner, kernel and manufacturer.

    Every slice is kept as soon as it is done; only this process writes.
    """
    todo = [rest for task in tasks if (rest := _undone(task, ledger)).parts]
    for number, (task, measured) in enumerate(_worked(todo, jobs), 1):
        ledger.add(task.name, measured)
        logger.info(
            "%s: %d regions (slice %d of %d)",
            task.name,
            sum(map(len, measured.values())),
            number,
            len(todo),
        )
    rows = []
    for task in tasks:
        facts = {
            "scanner": task.source.scanner,
            "kernel": task.source.kernel,
            "maker": task.source.maker,
        }
        rows += [
            {**row, **facts}
            for part in task.parts
            for row in ledger.done[task.name, part.key(task.modality)]
        ]
    return rows


def _undone(task: Task, ledger: Ledger) -> Task:
    """The same with the parts that are missing."""
    return replace(
        task,
        parts=tuple(
            part for part in task.parts if (task.name, part.key(task.modality)) not in ledger.done
        ),
    )


def _worked(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, dict[str, Rows]]]:
    """Tasks with their rows, as they come."""
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, measurements.measure(task)
        return
    os.environ |= dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )  # read by the processes as they start
    with ProcessPoolExecutor(
        min(jobs, len(tasks)), multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)
    ) as pool:
        running = {pool.submit(measurements.measure, task): task for task in tasks}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
