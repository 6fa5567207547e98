"""The benchmark: every forger, every baseline.

On patients whom the network that scores them did not learn from.

    python -m benchmarks.detection.benchmark --modality ct_lung          # hours, resumable
    python -m benchmarks.detection.benchmark --modality ct_lung --quick  # minutes
    python -m benchmarks.detection.benchmark --data FOLDER               # genuine DICOM of your own

``--quick`` takes two patients, a slice each, one family of each form. A FOLDER of your own has one
sub-folder per patient and is scored by the shipped model.

Each development patient is scored by the network of his fold
(`benchmarks.models.cross_validation`), and his p-values stand on the shipped calibration without
him; a second p-value leaves out everybody who was scanned by the same manufacturer. Beside our
evidence every baseline that is there (`benchmarks.baselines`) measures the same regions. Forgers
that learned from a patient (`benchmarks.attacks.training.train`) are not used on him. Rows are kept
in runs/benchmark.

Held-out families (--held-out) and test patients (--test) are looked at once, when all choices are
frozen in a commit.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.attacks.registry import FAMILIES, UNTOUCHED
from benchmarks.data import partition, scans
from benchmarks.detection import ablation, collect, measurements, plots, report, summary, targets
from benchmarks.detection.collect import Wanted
from benchmarks.detection.measurements import (
    OFFSET,
    REPRESENTATIVES,
    SIZE,
    STRENGTH,
    STRENGTHS,
    TABLE,
)
from benchmarks.detection.summary import LEFT_OUT, Row, Sides
from benchmarks.detection.trials import GENUINE
from benchmarks.models import assignment, cross_validation, held_out_calibration, registry
from benchmarks.models.assignment import Cohort
from benchmarks.models.cross_validation import FOLDS
from benchmarks.models.held_out_calibration import Pool
from benchmarks.runner import cli
from dfd.errors import UsageError
from dfd.evidence import context_families

SLICES = 2
"""Per patient: neighbouring slices say much the same, and one takes minutes."""
MOST_JOBS = 4
QUICK_PATIENTS = 2
OWN_RESULTS = partition.ROOT / "runs" / "own_scans"
"""Numbers on scans of a user never overwrite committed ones."""
CURVE_LABELS = {
    OFFSET: "distance between click and centre of the edit (pixels)",
    SIZE: "radius of the edit (pixels)",
    STRENGTH: "strength of white noise (local residuals)",
}


@dataclass(frozen=True)
class Gathered:
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
    def standing(self) -> int:
        """On how many patients p-values stand, at least."""
        return len(self.pool.names) - int(any(name in self.pool.names for name in self.patients))


def families_of(modality: str, *, held_out: bool, quick: bool) -> tuple[str, ...]:
    """Names of what is tried."""
    wanted = {
        **UNTOUCHED,
        **(
            FAMILIES
            if not quick
            else {
                name: family
                for name, family in FAMILIES.items()
                if name in (*REPRESENTATIVES, *STRENGTHS.values())
            }
        ),
    }
    return tuple(
        name
        for name, family in wanted.items()
        if modality in family.modalities and (held_out or not family.held_out)
    )


def chosen(arguments: argparse.Namespace) -> tuple[list[Cohort], list[str]]:
    """Who is scored by what, and the folds whose model is not there yet."""
    if arguments.data and arguments.test:
        raise UsageError("--data and --test name different patients; give one of them.")
    if arguments.data:
        return [assignment.of_folder(arguments.modality, arguments.data)], []
    if arguments.test:
        shipped = registry.load(assignment.shipped(arguments.modality), arguments.modality)
        return [
            assignment.of_test(arguments.modality, shipped.model.sha256, asked=arguments.test)
        ], []
    return assignment.of_folds(
        arguments.modality, arguments.folds or (partition.LEFT_OUT if arguments.quick else FOLDS)
    )


def pool_of(modality: str) -> Pool:
    """Whose genuine regions p-values stand on: the patients of the shipped calibration."""
    found = registry.load(None, modality).calibration
    return held_out_calibration.named(
        found, [] if found is None else cross_validation.standing(modality, found), "the bundle"
    )


def collect_rows(
    arguments: argparse.Namespace, scored: Sequence[Cohort], missing: Sequence[str]
) -> Gathered:
    """Measures what is not measured yet, and judges everything."""
    loaded = {cohort.name: registry.load(cohort.model, cohort.modality) for cohort in scored}
    pool = pool_of(arguments.modality)
    families = families_of(arguments.modality, held_out=arguments.held_out, quick=arguments.quick)
    wanted = Wanted(
        families,
        1 if arguments.quick else arguments.slices,
        QUICK_PATIENTS if arguments.quick else None,
    )
    found: list[Row] = []
    told = {}
    for cohort in scored:
        sha256 = loaded[cohort.name].model.sha256
        tasks = collect.tasks_of(cohort, wanted)
        found += collect.gather(tasks, collect.ledger_of(cohort, sha256), arguments.jobs)
        told[cohort.name] = {
            "patients": len({task.listed.patient for task in tasks}),
            "slices": len(tasks),
            "weights": sha256,
        }
    return Gathered(judged(found, pool, makers_of(pool, scored)), told, missing, pool)


def makers_of(pool: Pool, scored: Sequence[Cohort]) -> dict[str, frozenset[str]]:
    """Manufacturers of the scanners of every patient who is known.

    Of the folds, of whom is scored, and of whom the p-values stand on.
    """
    told = {}
    folders = {name: folder for cohort in scored for name, folder in cohort.folders.items()}
    modality = scored[0].modality
    if scored[0].name != assignment.OWN:
        folders |= {name: partition.patient_folder(modality, name) for name in pool.names}
    for name, folder in folders.items():
        told[name] = frozenset(one.maker for one in scans.of_patient(name, folder, modality, 1))
    return told


def judged(found: Sequence[Row], pool: Pool, makers: Mapping[str, frozenset[str]]) -> list[Row]:
    """Rows with our statistic and both p-values.

    That with the manufacturer left out is NaN where nobody remains or it is not known.
    """
    known, series = all(name in makers for name in pool.names), held_out_calibration.beside(pool)
    told: list[Row] = []
    for row in found:
        patient, said = row["patient"], row["statistics"]
        alike = {
            name for name in pool.names if known and makers[name] & makers.get(patient, frozenset())
        } | {patient}
        alone, others = pool.judge({patient}), pool.judge(alike) if known else None
        p_of = {
            key: judge.p(said) if judge else math.nan
            for key, judge in zip(LEFT_OUT, (alone, others), strict=True)
        }
        told.append(
            {
                **row,
                "statistic": alone.statistic(said) if alone else math.nan,
                **p_of,
                **_with_neighbours(row, series),
            }
        )
    return told


def _with_neighbours(row: Row, series: Pool | None) -> dict[str, float]:
    """Our statistic and p-value, patient left out, where the slices above and below were at hand.

    NaN elsewhere.
    """
    compared = any(
        math.isfinite(row["statistics"].get(family, math.nan)) for family in context_families()
    )
    judge = series.judge({row["patient"]}) if series and compared else None
    said = row["statistics"]
    return {
        "statistic beside": judge.statistic(said) if judge else math.nan,
        "p beside": judge.p(said) if judge else math.nan,
    }


def summed_up(arguments: argparse.Namespace, gathered: Gathered) -> dict[str, Any]:
    """All numbers."""
    everything, tried = gathered.rows, {row["kind"] for row in gathered.rows if not row["curve"]}
    names = [
        name
        for name in families_of(
            arguments.modality, held_out=arguments.held_out, quick=arguments.quick
        )
        if name in tried
    ]
    baselines = measurements.baselines_of(arguments.modality)
    forms = summary.forms_of({name: TABLE[name] for name in names})
    return {
        "modality": arguments.modality,
        "seed": partition.SEED,
        "patients": len(gathered.patients),
        "cohorts": gathered.cohorts,
        "folds without model": list(gathered.missing),
        "baselines": baselines,
        "calibration patients": gathered.standing,
        "smallest p": 1.0 / (1 + gathered.standing),
        "least": summary.LEAST,
        "forms": [
            summary.form_row(everything, form, kinds, baselines) for form, kinds in forms.items()
        ],
        "families": [
            summary.family_row(everything, name, baselines) for name in names if name in FAMILIES
        ],
        "beside": [told for name in names if (told := summary.beside_row(everything, name))],
        "untouched": [
            summary.family_row(everything, name, ()) for name in names if name in UNTOUCHED
        ],
        "false alarms": summary.false_alarms(everything),
        "ablation": ablation.lines(everything, forms),
        "targets": targets.lines(arguments.modality, everything, forms, baselines),
        "curves": {curve: summary_of_curve(everything, curve) for curve in CURVE_LABELS},
        "families left out": left_out(arguments, gathered.patients),
    }


def summary_of_curve(everything: Sequence[Row], curve: str) -> dict[str, Any]:
    """Family -> points. That of strength is one line through families of the table."""
    if curve == STRENGTH:
        at = {kind: strength for strength, kind in STRENGTHS.items()}
        drawn = [
            {**row, "at": at[row["kind"]]}
            for row in everything
            if row["kind"] in at and row["curve"] in ("", STRENGTH)
        ]
        return {"white noise": summary.curve(everything, drawn)} if drawn else {}
    kinds = [
        name
        for name in REPRESENTATIVES
        if any(row["kind"] == name and row["curve"] == curve for row in everything)
    ]
    return {
        name: summary.curve(
            everything, [row for row in everything if row["kind"] == name and row["curve"] == curve]
        )
        for name in kinds
    }


def left_out(arguments: argparse.Namespace, patients: Sequence[str]) -> dict[str, dict[str, int]]:
    """Family -> why it could not be tried, and on how many patients."""
    told = {}
    for name in families_of(arguments.modality, held_out=arguments.held_out, quick=arguments.quick):
        reasons = Counter(
            measurements.obstacle(name, arguments.modality, patient) for patient in patients
        )
        if any(reason for reason in reasons):
            told[name] = {reason: count for reason, count in reasons.items() if reason}
    return told


def markdown(content: Mapping[str, Any]) -> str:
    """All numbers as read by people."""
    parts = (
        report.markdown(content),
        ablation.markdown(content["ablation"]),
        targets.markdown(content["targets"]),
    )
    return "\n\n".join(part for part in parts if part)


def figures(content: Mapping[str, Any], gathered: Gathered) -> dict[str, Figure]:
    """Pictures by name."""
    everything = gathered.rows
    genuine = [row for row in everything if row["kind"] == GENUINE]
    detectors = {
        "ours": summary.ours,
        **{name: summary.of_baseline(name) for name in content["baselines"]},
    }
    kinds = summary.forms_of({one["kind"]: TABLE[one["kind"]] for one in content["families"]})
    every = {
        form: Sides(
            [row for row in everything if row["kind"] in names and not row["curve"]], genuine
        )
        for form, names in kinds.items()
    }
    p_of = {
        words: {
            name: np.asarray(
                [row[key] for row in genuine if row["patient"] == name and math.isfinite(row[key])]
            )
            for name in gathered.patients
        }
        for key, words in LEFT_OUT.items()
    }
    radius = float(np.median([row["radius"] for row in genuine])) if genuine else math.nan
    mark = (radius, "radius of the region (median)")
    told = {
        "roc": plots.roc(
            {
                form: {name: of.pooled(number) for name, number in detectors.items()}
                for form, of in every.items()
            }
        ),
        "calibration": plots.calibration(
            p_of, content["calibration patients"], np.random.default_rng(partition.SEED)
        ),
    }
    for curve, points in content["curves"].items():
        if points:
            told[curve] = plots.curves(
                points, CURVE_LABELS[curve], mark if curve != STRENGTH else None
            )
    return told


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
        help="also the families that no choice was made by: once, at the end",
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
    gathered = collect_rows(arguments, *chosen(arguments))
    if not gathered.rows:
        raise UsageError(
            "Not one slice could be assessed, so there is nothing to tell; give axial slices "
            "of the modality."
        )
    content = summed_up(arguments, gathered) | {"seconds": time.monotonic() - started}
    name = f"benchmark_{arguments.modality}" + ("_test" if arguments.test else "")
    folder = cli.publish(
        name,
        content,
        markdown(content),
        quick=arguments.quick,
        folder=OWN_RESULTS if arguments.data else None,
    )
    for which, figure in figures(content, gathered).items():
        print(f"drawn: {plots.save(figure, folder / f'{name}_{which}.png')}")


if __name__ == "__main__":
    cli.end(main)
