"""From judged rows to numbers.

Every family, every form, groups of scans, curves, and what genuine places do. Intervals are over
patients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.registry import NOTHING, Attack
from benchmarks.data import partition
from benchmarks.detection.trials import CONTENT, GENUINE
from benchmarks.metrics.bootstrap import DRAWS, interval, intervals, mean_interval
from benchmarks.metrics.roc import FloatArray, auc, by_patient, sensitivity_at
from dfd.calibration import STRONGLY_UNUSUAL, UNUSUAL
from dfd.evidence import NEIGHBOURED, OFFERED

Row: TypeAlias = Mapping[str, Any]
Number: TypeAlias = Callable[[Row], float]
"""What is read of a row; NaN where it was not measured."""

ALARMS = (0.05, 0.01)
LIMITS = (UNUSUAL, STRONGLY_UNUSUAL)
STRONG = f"p <= {STRONGLY_UNUSUAL:g}"
P_VALUES = {"p": "patient left out", "p maker": "manufacturer left out"}
"""Key of a row -> what its p-value stands on."""
LEAST = 10
"""Regions on either side below which nothing is said of a group of scans."""


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

    def paired(self, rival: Number, patients: Sequence[str]) -> tuple[Parts, Parts]:
        """Our own values and those of ``rival``, of patients on whom it was tried.

        Others are empty (it may have learned from them).
        """
        theirs = self.parts(rival, patients)
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
    """Regions of one kind of edit and the controls of the same patients.

    Without those of curves.
    """
    edited = [row for row in rows if row["kind"] == kind and not row["curve"]]
    tried = {row["patient"] for row in edited}
    return Comparison(
        edited, [row for row in rows if row["kind"] == GENUINE and row["patient"] in tried]
    )


def _generator() -> np.random.Generator:
    return np.random.default_rng(partition.SEED)


def detection(comparison: Comparison, draws: int = DRAWS) -> dict[str, Any]:
    """AUC and detection at each rate of false alarms, with intervals.

    And how many regions they stand on.
    """
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
    between = intervals(numbers, len(patients), _generator(), draws)
    return result | {f"{name} interval": bounds for name, bounds in between.items()}


def against(
    every: Sequence[Comparison], baselines: Sequence[str], draws: int = DRAWS
) -> dict[str, Any]:
    """AUC of every baseline on the same regions, and how far ours lies above the best of them.

    That which leaves us the smallest lead.

    Of several edits the mean is taken. Intervals are of the difference, over the same patients
    drawn.
    """
    patients = sorted({name for comparison in every for name in comparison.patients})
    parts = {
        name: [comparison.paired(of_baseline(name), patients) for comparison in every]
        for name in baselines
    }

    def lead(name: str, indices: PatientIndices) -> float:
        return _mean(
            [
                auc(*_pooled(mine, indices)) - auc(*_pooled(theirs, indices))
                for mine, theirs in parts[name]
            ]
        )

    everybody = range(len(patients))
    baseline_auc = {
        name: _mean([auc(*_pooled(theirs, everybody)) for _, theirs in parts[name]])
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
            lambda indices: lead(best, indices), len(patients), _generator(), draws
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


def attack_row(
    rows: Sequence[Row], kind: str, baselines: Sequence[str], draws: int = DRAWS
) -> dict[str, Any]:
    """Everything that is said of one kind of edit."""
    comparison = comparison_of(rows, kind)
    result: dict[str, Any] = {
        "kind": kind,
        **detection(comparison, draws),
        **shares(comparison.edited),
        **against([comparison], baselines, draws),
    }
    result["by evidence"] = {
        family: auc(*comparison.pooled(of_evidence(family))) for family in OFFERED
    }
    result["content"] = {name: auc(*comparison.pooled(of_content(name))) for name in CONTENT}
    result["tissues"] = grouped(comparison, lambda row: str(row["tissue"]))
    return result


def context_row(rows: Sequence[Row], kind: str, draws: int = DRAWS) -> dict[str, Any]:
    """What the slices above and below add to one kind of edit, on the regions that had them.

    Empty where fewer than ``LEAST`` had.
    """
    comparison = comparison_of(
        [row for row in rows if math.isfinite(row.get("statistic beside", math.nan))], kind
    )
    if min(len(comparison.edited), len(comparison.genuine)) < LEAST:
        return {}
    result = detection(
        Comparison(
            *(
                [{**row, "statistic": row["statistic beside"]} for row in side]
                for side in (comparison.edited, comparison.genuine)
            )
        ),
        draws,
    )
    values = np.asarray([row["p beside"] for row in comparison.edited])
    families = {family: auc(*comparison.pooled(of_evidence(family))) for family in NEIGHBOURED}
    return {
        "kind": kind,
        **result,
        "alone": auc(*comparison.pooled(ours)),
        **{f"p <= {limit:g}": float((values <= limit).mean()) for limit in LIMITS},
        **families,
    }


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
    """The mean over several edits of AUC and detection by ``number``, with intervals.

    And on how many patients they stand.

    ``p``: also of the share of edited regions whose ``p`` is at most ``STRONGLY_UNUSUAL``.
    """
    patients = sorted({name for comparison in every for name in comparison.patients})
    parts = [comparison.parts(number, patients) for comparison in every]
    p_values = [comparison.parts(p, patients)[0] for comparison in every] if p else []

    def numbers(indices: PatientIndices) -> dict[str, float]:
        pooled = [_pooled(part, indices) for part in parts]
        result = {"auc": _mean([auc(*pair) for pair in pooled])}
        result |= {
            f"found at {alarms:g}": _mean([sensitivity_at(*pair, alarms) for pair in pooled])
            for alarms in ALARMS
        }
        if p:
            p_of_edits = [
                np.concatenate([side[i] for i in indices]) if len(side) else np.empty(0)
                for side in p_values
            ]
            result[STRONG] = _mean(
                [
                    float((values <= STRONGLY_UNUSUAL).mean()) if len(values) else math.nan
                    for values in p_of_edits
                ]
            )
        return result

    between = intervals(numbers, len(patients), _generator(), draws)
    return {
        "patients": len(patients),
        **numbers(range(len(patients))),
        **{f"{name} interval": bounds for name, bounds in between.items()},
    }


def form_row(
    rows: Sequence[Row],
    form: str,
    kinds: Sequence[str],
    baselines: Sequence[str],
    draws: int = DRAWS,
) -> dict[str, Any]:
    """The mean over the families of a form: AUC, detection, and how far above the best baseline.

    And all its edits within groups of scans.
    """
    every = [comparison_of(rows, kind) for kind in kinds]
    together = Comparison(
        [row for comparison in every for row in comparison.edited],
        [row for row in rows if row["kind"] == GENUINE],
    )
    return {
        **{"form": form, "families": len(kinds)},
        **means(every, draws=draws),
        "regions": len(together.edited),
        **shares(together.edited),
        **against(every, baselines, draws),
        "groups": {name: grouped(together, group) for name, group in GROUPS.items()},
    }


GROUPS: dict[str, Callable[[Row], str]] = {
    "manufacturer": lambda row: str(row["maker"]),
    "scanner": lambda row: str(row["scanner"]),
    "kernel or sequence": lambda row: str(row["kernel"]),
    "tissue": lambda row: str(row["tissue"]),
}
"""Ways in which scans and regions are told apart."""


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def false_alarms(rows: Sequence[Row]) -> dict[str, Any]:
    """How often genuine controls are called unusual.

    The mean over patients with its interval, and the mean within each manufacturer.
    """
    genuine = [row for row in rows if row["kind"] == GENUINE]
    by_name = {
        name: shares([row for row in genuine if row["patient"] == name])
        for name in sorted({row["patient"] for row in genuine})
    }
    makers = {row["patient"]: row["maker"] for row in genuine}
    result: dict[str, Any] = {
        "controls": len(genuine),
        "patients": len(by_name),
        "all": {},
        "intervals": {},
        "manufacturers": {},
    }
    for name in shares([]):
        finite = [each[name] for each in by_name.values() if math.isfinite(each[name])]
        result["all"][name], result["intervals"][name] = (
            _mean(finite),
            mean_interval(finite, _generator()),
        )
    for maker in sorted(set(makers.values())):
        inside = [each for name, each in by_name.items() if makers[name] == maker]
        result["manufacturers"][maker] = {
            "patients": len(inside),
            **{name: _mean([each[name] for each in inside]) for name in shares([])},
        }
    return result


def curve(
    rows: Sequence[Row], edited_rows: Sequence[Row], draws: int = DRAWS
) -> list[dict[str, Any]]:
    """Detection at each place of a curve.

    ``chosen`` are its edited regions, compared with the controls of the same patients.
    """
    result = []
    for at in sorted({row["at"] for row in edited_rows}):
        edited = [row for row in edited_rows if row["at"] == at]
        tried = {row["patient"] for row in edited}
        comparison = Comparison(
            edited, [row for row in rows if row["kind"] == GENUINE and row["patient"] in tried]
        )
        result.append({"at": at, **detection(comparison, draws)})
    return result


def attacks_by_form(attacks: Mapping[str, Attack]) -> dict[str, list[str]]:
    """Form -> its families, those of nothing left out."""
    forms = sorted({attack.form for attack in attacks.values()} - {NOTHING, ""})
    return {
        form: [name for name, attack in attacks.items() if attack.form == form] for form in forms
    }
