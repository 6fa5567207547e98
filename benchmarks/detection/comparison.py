"""Edited regions against genuine ones: AUC, sensitivity and shares, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import partition
from benchmarks.detection.trials import GENUINE
from benchmarks.metrics.bootstrap import DRAWS, interval, intervals
from benchmarks.metrics.roc import FloatArray, auc, by_patient, sensitivity_at
from dfd.calibration import STRONGLY_UNUSUAL, UNUSUAL

Row: TypeAlias = Mapping[str, Any]
Number: TypeAlias = Callable[[Row], float]
"""What is read of a row; NaN where it was not measured."""
ALARMS = (0.05, 0.01)
LIMITS = (UNUSUAL, STRONGLY_UNUSUAL)
STRONG = f"p <= {STRONGLY_UNUSUAL:g}"
P_VALUES = {"p": "patient left out", "p maker": "manufacturer left out"}
"""Key of a row -> what its p-value stands on."""
LEAST = 10
"""Regions on either side below which a group of scans has no number."""


def ours(row: Row) -> float:
    """Our own statistic."""
    return float(row["statistic"])


def of_baseline(name: str) -> Number:
    """What the baseline ``name`` says of a region."""
    return lambda row: float(row.get("baselines", {}).get(name, math.nan))


def of_evidence(family: str) -> Number:
    """The statistic of one family of evidence alone."""
    return lambda row: float(row["statistics"].get(family, math.nan))


def of_content(name: str) -> Number:
    """What needs no look at noise."""
    return lambda row: float(row[name])


Parts: TypeAlias = tuple[list[FloatArray], list[FloatArray]]
"""Values of each patient: edited, genuine."""
PatientIndices: TypeAlias = Sequence[int] | range | NDArray[np.int64]
"""Numbers of patients, repeated as drawn."""


@dataclass(frozen=True)
class Comparison:
    """Edited regions and controls of the patients on whom an edit was tried."""

    edited: Sequence[Row]
    genuine: Sequence[Row]

    @property
    def patients(self) -> list[str]:
        """Whose regions these are, sorted."""
        return sorted({row["patient"] for row in self.edited})

    def parts(self, number: Number, patients: Sequence[str]) -> Parts:
        """Finite values of each patient: edited, genuine."""
        both = (self.edited, self.genuine)
        edited, genuine = (
            by_patient([number(row) for row in rows], [row["patient"] for row in rows], patients)
            for rows in both
        )
        return edited, genuine

    def paired(self, baseline: Number, patients: Sequence[str]) -> tuple[Parts, Parts]:
        """Our own values and those of ``baseline``, of patients on whom it was tried.

        Others are empty (it may have been trained on them).
        """
        theirs = self.parts(baseline, patients)
        met = [bool(len(edited) + len(genuine)) for edited, genuine in zip(*theirs, strict=True)]
        edited, genuine = (
            [
                values if both_measured else np.empty(0)
                for values, both_measured in zip(side, met, strict=True)
            ]
            for side in self.parts(ours, patients)
        )
        return (edited, genuine), theirs

    def pooled(self, number: Number) -> tuple[FloatArray, FloatArray]:
        """Finite values: edited, genuine."""
        return _pooled(self.parts(number, self.patients), range(len(self.patients)))


def _pooled(parts: Parts, indices: PatientIndices) -> tuple[FloatArray, FloatArray]:
    edited, genuine = (
        np.concatenate([side[i] for i in indices]) if len(side) else np.empty(0) for side in parts
    )
    return edited, genuine


def comparison_of(rows: Sequence[Row], kind: str) -> Comparison:
    """Regions of one kind of edit, without those of curves, and controls of the same patients."""
    edited = [row for row in rows if row["kind"] == kind and not row["curve"]]
    tried = {row["patient"] for row in edited}
    return Comparison(
        edited, [row for row in rows if row["kind"] == GENUINE and row["patient"] in tried]
    )


def seeded_generator() -> np.random.Generator:
    return np.random.default_rng(partition.SEED)


def detection(comparison: Comparison, draws: int = DRAWS) -> dict[str, Any]:
    """AUC and sensitivity at each false-alarm rate with intervals, and the number of regions."""
    patients = comparison.patients
    parts = comparison.parts(ours, patients)

    def numbers(indices: PatientIndices) -> dict[str, float]:
        edited, genuine = _pooled(parts, indices)
        return {
            "auc": auc(edited, genuine),
            **{
                f"found at {alarms:g}": sensitivity_at(edited, genuine, alarms) for alarms in ALARMS
            },
        }

    result: dict[str, Any] = {
        "patients": len(patients),
        "regions": sum(map(len, parts[0])),
        **numbers(range(len(patients))),
    }
    result["not assessable"] = len(comparison.edited) - result["regions"]
    between = intervals(numbers, len(patients), seeded_generator(), draws)
    return result | {f"{name} interval": bounds for name, bounds in between.items()}


def against(
    every: Sequence[Comparison], baselines: Sequence[str], draws: int = DRAWS
) -> dict[str, Any]:
    """AUC of every baseline on the same regions, and our lead over the best of them.

    The best baseline is the one with the smallest lead. Of several edits the mean is taken.
    Intervals are of the difference, over the same patients drawn again.
    """
    patients = sorted({name for comparison in every for name in comparison.patients})
    parts = {
        name: [comparison.paired(of_baseline(name), patients) for comparison in every]
        for name in baselines
    }

    def lead(name: str, indices: PatientIndices) -> float:
        return mean_of_finite(
            [
                auc(*_pooled(mine, indices)) - auc(*_pooled(theirs, indices))
                for mine, theirs in parts[name]
            ]
        )

    everybody = range(len(patients))
    baseline_auc = {
        name: mean_of_finite([auc(*_pooled(theirs, everybody)) for _, theirs in parts[name]])
        for name in baselines
    }
    leads = {name: lead(name, everybody) for name in baselines}
    leads = {name: value for name, value in leads.items() if math.isfinite(value)}
    if not leads:
        return {
            "baselines": baseline_auc,
            "best baseline": "",
            "above best": math.nan,
            "above best interval": (math.nan, math.nan),
            "above every": None,
        }
    best = min(leads, key=lambda name: leads[name])
    return {
        "baselines": baseline_auc,
        "best baseline": best,
        "above best": leads[best],
        "above best interval": interval(
            lambda indices: lead(best, indices), len(patients), seeded_generator(), draws
        ),
        "above every": leads[best] > 0,
    }


def shares(rows: Sequence[Row]) -> dict[str, float]:
    """Share of regions at or below each threshold of the p-value.

    Patient and manufacturer left out; NaN where there are none.
    """
    result: dict[str, float] = {}
    for key, words in P_VALUES.items():
        values = np.asarray([row[key] for row in rows], dtype=np.float64)
        values = values[np.isfinite(values)]
        result |= {
            f"{words}, p <= {limit:g}": float((values <= limit).mean()) if len(values) else math.nan
            for limit in LIMITS
        }
    return result


def grouped(comparison: Comparison, group: Callable[[Row], str]) -> dict[str, float]:
    """AUC within each group of regions that holds at least ``LEAST`` on either side."""
    result = {}
    for name in sorted({group(row) for row in comparison.edited} - {""}):
        inside = Comparison(
            *(
                [row for row in side if group(row) == name]
                for side in (comparison.edited, comparison.genuine)
            )
        )
        edited, genuine = inside.pooled(ours)
        if min(len(edited), len(genuine)) >= LEAST:
            result[name] = auc(edited, genuine)
    return result


def means(
    every: Sequence[Comparison], number: Number = ours, p: Number | None = None, draws: int = DRAWS
) -> dict[str, Any]:
    """Means of AUC and sensitivity of ``number`` over several edits, with intervals.

    The number of patients is in it too.

    ``p``: also of the share of edited regions whose ``p`` is at most ``STRONGLY_UNUSUAL``.
    """
    patients = sorted({name for comparison in every for name in comparison.patients})
    parts = [comparison.parts(number, patients) for comparison in every]
    p_values = [comparison.parts(p, patients)[0] for comparison in every] if p else []

    def numbers(indices: PatientIndices) -> dict[str, float]:
        pooled = [_pooled(part, indices) for part in parts]
        result = {"auc": mean_of_finite([auc(*pair) for pair in pooled])}
        result |= {
            f"found at {alarms:g}": mean_of_finite(
                [sensitivity_at(*pair, alarms) for pair in pooled]
            )
            for alarms in ALARMS
        }
        if p:
            p_of_edits = [
                np.concatenate([side[i] for i in indices]) if len(side) else np.empty(0)
                for side in p_values
            ]
            result[STRONG] = mean_of_finite(
                [
                    float((values <= STRONGLY_UNUSUAL).mean()) if len(values) else math.nan
                    for values in p_of_edits
                ]
            )
        return result

    between = intervals(numbers, len(patients), seeded_generator(), draws)
    return {
        "patients": len(patients),
        **numbers(range(len(patients))),
        **{f"{name} interval": bounds for name, bounds in between.items()},
    }


def mean_of_finite(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan
