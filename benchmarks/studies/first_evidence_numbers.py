"""From measured rows to numbers: AUC, sensitivity, false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.data import partition
from benchmarks.detection.trials import CONTENT, GENUINE
from benchmarks.metrics.roc import FloatArray, auc, auc_interval, by_patient, sensitivity_at
from benchmarks.studies.first_evidence_report import MEASURED
from dfd.calibration import (
    SERIES,
    SLICE,
    STRONGLY_UNUSUAL,
    UNUSUAL,
    Calibration,
    combined_p,
    combined_statistic,
    leave_out,
)
from dfd.evidence import context_families


def calibrations_of(
    calibration: Calibration | None, names: Sequence[str]
) -> dict[str, Calibration] | None:
    """The calibration without each patient of ``names``, in the order of the tables.

    None where the calibration has another number of patients: then no row can be given to a
    patient.
    """
    if calibration is None or calibration.patients != len(names) or len(names) < 2:
        return None
    return {patient: leave_out({number}, calibration) for number, patient in enumerate(names)}


def rates(
    rows: Sequence[Mapping[str, Any]],
    calibration: Calibration | None,
    others: Mapping[str, Calibration] | None,
) -> dict[str, float]:
    """Share of regions at or below each threshold of the p-value.

    With the shipped calibration, and with the patient left out of it.
    """
    usable = [row for row in rows if np.isfinite(row["statistic"])]
    shipped = (
        [combined_p(row["statistics"], calibration.of(SLICE))[0] for row in usable]
        if calibration
        else []
    )
    left_out = (
        [combined_p(row["statistics"], others[row["patient"]].of(SLICE))[0] for row in usable]
        if others
        else []
    )
    return {
        f"{name} p <= {limit:g}": float(np.mean([value <= limit for value in values]))
        if values
        else float("nan")
        for name, values in (("shipped", shipped), ("patient left out", left_out))
        for limit in (UNUSUAL, STRONGLY_UNUSUAL)
    }


def summarise(
    rows: Sequence[Mapping[str, Any]], kind: str, patients: Sequence[str]
) -> dict[str, Any]:
    """AUC with interval, sensitivity, and the AUC of content alone, of one kind of edit.

    All controls are on the other side.
    """
    sides = [[row for row in rows if row["kind"] == side] for side in (kind, GENUINE)]
    parts = [_by_patient(side, "statistic", patients) for side in sides]
    pooled = [np.concatenate(side) for side in parts]
    low, high = auc_interval(parts[0], parts[1], np.random.default_rng(partition.SEED))
    return {
        "kind": kind,
        "regions": len(pooled[0]),
        "not assessable": len(sides[0]) - len(pooled[0]),
        "auc": auc(*pooled),
        "low": low,
        "high": high,
        **{
            f"found at {alarms:g}": sensitivity_at(pooled[0], pooled[1], alarms)
            for alarms in (0.05, 0.01)
        },
        **_with_neighbours([_by_patient(side, "beside", patients) for side in sides]),
        **{
            f"auc by {family}": auc(*(_of_family(side, family) for side in sides))
            for family in MEASURED
        },
        **{
            f"auc of {name}": auc(
                *(np.asarray([row[name] for row in side], dtype=np.float64) for side in sides)
            )
            for name in CONTENT
        },
    }


def _by_patient(
    rows: Sequence[Mapping[str, Any]], key: str, patients: Sequence[str]
) -> list[FloatArray]:
    return by_patient(
        [row.get(key, np.nan) for row in rows], [row["patient"] for row in rows], patients
    )


def _with_neighbours(parts: Sequence[list[FloatArray]]) -> dict[str, float]:
    """AUC with interval of the statistics with the slices above and below: edited, genuine."""
    low, high = auc_interval(parts[0], parts[1], np.random.default_rng(partition.SEED))
    return {
        "auc with neighbours": auc(*(np.concatenate(side) for side in parts)),
        "low with neighbours": low,
        "high with neighbours": high,
    }


def _of_family(rows: Sequence[Mapping[str, Any]], family: str) -> FloatArray:
    return _finite([row["statistics"].get(family, np.nan) for row in rows])


def _finite(values: Sequence[float]) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def beside_of(statistics: Mapping[str, float], calibration: Calibration | None) -> float:
    """The combination of all families where the slices above and below were at hand.

    NaN where they were not, or are not calibrated.
    """
    setting = calibration.settings.get(SERIES) if calibration else None
    compared = any(np.isfinite(statistics.get(family, np.nan)) for family in context_families())
    if setting is None or not compared:
        return float("nan")
    return combined_statistic(statistics, setting.tables)


def by_tissue(rows: Sequence[Mapping[str, Any]], kind: str) -> dict[str, float]:
    """AUC within each tissue class that holds at least ten regions of either side."""
    result = {}
    for tissue in sorted({row["tissue"] for row in rows if row["tissue"]}):
        sides = [
            np.asarray(
                [
                    row["statistic"]
                    for row in rows
                    if row["kind"] == side
                    and row["tissue"] == tissue
                    and np.isfinite(row["statistic"])
                ]
            )
            for side in (kind, GENUINE)
        ]
        if min(map(len, sides)) >= 10:
            result[tissue] = auc(*sides)
    return result


def false_alarms(
    rows: Sequence[Mapping[str, Any]],
    patients: Sequence[str],
    calibration: Calibration | None,
    others: Mapping[str, Calibration] | None,
) -> dict[str, Any]:
    """How often genuine controls are at or below each threshold, in all and by patient."""
    genuine = [row for row in rows if row["kind"] == GENUINE]
    return {
        "controls": len(genuine),
        "false alarms": rates(genuine, calibration, others),
        "false alarms by patient": {
            patient: rates(
                [row for row in genuine if row["patient"] == patient], calibration, others
            )
            for patient in patients
        },
    }
