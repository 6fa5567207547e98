"""All numbers of a benchmark, and their Markdown."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.attacks.registry import ATTACKS, UNTOUCHED
from benchmarks.data import partition
from benchmarks.detection import (
    ablation,
    baseline_values,
    measurements,
    report,
    summary,
    targets,
)
from benchmarks.detection.collect import BenchmarkData, attacks_of
from benchmarks.detection.comparison import LEAST, Row
from benchmarks.detection.figures import CURVE_LABELS
from benchmarks.detection.measurements import (
    REPRESENTATIVES,
    STRENGTH,
    STRENGTHS,
    TABLE,
)


def numbers_of(arguments: argparse.Namespace, data: BenchmarkData) -> dict[str, Any]:
    """All numbers."""
    everything, tried = data.rows, {row["kind"] for row in data.rows if not row["curve"]}
    names = [
        name
        for name in attacks_of(
            arguments.modality, held_out=arguments.held_out, quick=arguments.quick
        )
        if name in tried
    ]
    baselines = baseline_values.baselines_of(arguments.modality)
    forms = summary.attacks_by_form({name: TABLE[name] for name in names})
    return {
        "modality": arguments.modality,
        "seed": partition.SEED,
        "patients": len(data.patients),
        "cohorts": data.cohorts,
        "folds without model": list(data.missing),
        "baselines": baselines,
        "calibration patients": data.calibration_patients,
        "smallest p": 1.0 / (1 + data.calibration_patients),
        "least": LEAST,
        "forms": [
            summary.form_row(everything, form, kinds, baselines) for form, kinds in forms.items()
        ],
        "families": [
            summary.attack_row(everything, name, baselines) for name in names if name in ATTACKS
        ],
        "beside": [numbers for name in names if (numbers := summary.context_row(everything, name))],
        "untouched": [
            summary.attack_row(everything, name, ()) for name in names if name in UNTOUCHED
        ],
        "false alarms": summary.false_alarms(everything),
        "ablation": ablation.lines(everything, forms),
        "targets": targets.lines(arguments.modality, everything, forms, baselines),
        "curves": {curve: summary_of_curve(everything, curve) for curve in CURVE_LABELS},
        "families left out": attacks_left_out(arguments, data.patients),
    }


def summary_of_curve(everything: Sequence[Row], curve: str) -> dict[str, Any]:
    """Family -> points. That of strength is one line through families of the table."""
    if curve == STRENGTH:
        at = {kind: strength for strength, kind in STRENGTHS.items()}
        edited = [
            {**row, "at": at[row["kind"]]}
            for row in everything
            if row["kind"] in at and row["curve"] in ("", STRENGTH)
        ]
        return {"white noise": summary.curve(everything, edited)} if edited else {}
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


def attacks_left_out(
    arguments: argparse.Namespace, patients: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Family -> why it could not be tried, and on how many patients."""
    result = {}
    for name in attacks_of(arguments.modality, held_out=arguments.held_out, quick=arguments.quick):
        reasons = Counter(
            measurements.obstacle(name, arguments.modality, patient) for patient in patients
        )
        if any(reason for reason in reasons):
            result[name] = {reason: count for reason, count in reasons.items() if reason}
    return result


def markdown(content: Mapping[str, Any]) -> str:
    """All numbers as read by people."""
    parts = (
        report.markdown(content),
        ablation.markdown(content["ablation"]),
        targets.markdown(content["targets"]),
    )
    return "\n\n".join(part for part in parts if part)
