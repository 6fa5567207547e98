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

from benchmarks.attacks.registry import NOTHING, Family
from benchmarks.data import partition
from benchmarks.detection.trials import CONTENT, GENUINE
from benchmarks.metrics.bootstrap import DRAWS, interval, intervals, mean_interval
from benchmarks.metrics.roc import FloatArray, auc, by_patient, found_at
from dfd.calibration import STRONGLY_UNUSUAL, UNUSUAL
from dfd.evidence import context_families, lone_slice_families

Row: TypeAlias = Mapping[str, Any]
Number: TypeAlias = Callable[[Row], float]
"""What is read of a row; NaN where it was not measured."""

ALARMS = (0.05, 0.01)
LIMITS = (UNUSUAL, STRONGLY_UNUSUAL)
STRONG = f"p <= {STRONGLY_UNUSUAL:g}"
LEFT_OUT = {"p": "patient left out", "p maker": "manufacturer left out"}
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
Drawn: TypeAlias = Sequence[int] | range | NDArray[np.int64]
"""Numbers of patients, repeated as drawn."""


@dataclass(frozen=True)
class Sides:
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
            [values if kept else np.empty(0) for values, kept in zip(side, met, strict=True)]
            for side in self.parts(ours, patients)
        )
        return (edited, genuine), theirs

    def pooled(self, number: Number) -> tuple[FloatArray, FloatArray]:
        """Finite values: edited, genuine."""
        return _pooled(self.parts(number, self.patients), range(len(self.patients)))


def _pooled(parts: Parts, drawn: Drawn) -> tuple[FloatArray, FloatArray]:
    edited, genuine = (
        np.concatenate([side[i] for i in drawn]) if len(side) else np.empty(0) for side in parts
    )
    return edited, genuine


def sides_of(rows: Sequence[Row], kind: str) -> Sides:
    """Regions of one kind of edit and the controls of the same patients.

    Without those of curves.
    """
    edited = [row for row in rows if row["kind"] == kind and not row["curve"]]
    tried = {row["patient"] for row in edited}
    return Sides(
        edited, [row for row in rows if row["kind"] == GENUINE and row["patient"] in tried]
    )


def _generator() -> np.random.Generator:
    return np.random.default_rng(partition.SEED)


def detection(of: Sides, draws: int = DRAWS) -> dict[str, Any]:
    """AUC and detection at each rate of false alarms, with intervals.

    And how many regions they stand on.
    """
    patients = of.patients
    parts = of.parts(ours, patients)

    def numbers(drawn: Drawn) -> dict[str, float]:
        edited, genuine = _pooled(parts, drawn)
        return {
            "auc": auc(edited, genuine),
            **{f"found at {alarms:g}": found_at(edited, genuine, alarms) for alarms in ALARMS},
        }

    told: dict[str, Any] = {
        "patients": len(patients),
        "regions": sum(map(len, parts[0])),
        **numbers(range(len(patients))),
    }
    told["not assessable"] = len(of.edited) - told["regions"]
    between = intervals(numbers, len(patients), _generator(), draws)
    return told | {f"{name} interval": bounds for name, bounds in between.items()}


def against(every: Sequence[Sides], baselines: Sequence[str], draws: int = DRAWS) -> dict[str, Any]:
    """AUC of every baseline on the same regions, and how far ours lies above the best of them.

    That which leaves us the smallest lead.

    Of several edits the mean is taken. Intervals are of the difference, over the same patients
    drawn.
    """
    patients = sorted({name for of in every for name in of.patients})
    parts = {name: [of.paired(of_baseline(name), patients) for of in every] for name in baselines}

    def lead(name: str, drawn: Drawn) -> float:
        return _mean(
            [
                auc(*_pooled(mine, drawn)) - auc(*_pooled(theirs, drawn))
                for mine, theirs in parts[name]
            ]
        )

    everybody = range(len(patients))
    told = {
        name: _mean([auc(*_pooled(theirs, everybody)) for _, theirs in parts[name]])
        for name in baselines
    }
    leads = {name: lead(name, everybody) for name in baselines}
    leads = {name: value for name, value in leads.items() if math.isfinite(value)}
    if not leads:
        return {
            "baselines": told,
            "best baseline": "",
            "above best": math.nan,
            "above best interval": (math.nan, math.nan),
            "above every": None,
        }
    best = min(leads, key=lambda name: leads[name])
    return {
        "baselines": told,
        "best baseline": best,
        "above best": leads[best],
        "above best interval": interval(
            lambda drawn: lead(best, drawn), len(patients), _generator(), draws
        ),
        "above every": leads[best] > 0,
    }


def shares(rows: Sequence[Row]) -> dict[str, float]:
    """Share of regions at or below each threshold of the p-value.

    Patient and manufacturer left out; NaN where there are none.
    """
    told: dict[str, float] = {}
    for key, words in LEFT_OUT.items():
        values = np.asarray([row[key] for row in rows], dtype=np.float64)
        values = values[np.isfinite(values)]
        told |= {
            f"{words}, p <= {limit:g}": float((values <= limit).mean()) if len(values) else math.nan
            for limit in LIMITS
        }
    return told


def family_row(
    rows: Sequence[Row], kind: str, baselines: Sequence[str], draws: int = DRAWS
) -> dict[str, Any]:
    """Everything that is said of one kind of edit."""
    of = sides_of(rows, kind)
    told: dict[str, Any] = {
        "kind": kind,
        **detection(of, draws),
        **shares(of.edited),
        **against([of], baselines, draws),
    }
    told["by evidence"] = {
        family: auc(*of.pooled(of_evidence(family))) for family in lone_slice_families()
    }
    told["content"] = {name: auc(*of.pooled(of_content(name))) for name in CONTENT}
    told["tissues"] = grouped(of, lambda row: str(row["tissue"]))
    return told


def beside_row(rows: Sequence[Row], kind: str, draws: int = DRAWS) -> dict[str, Any]:
    """What the slices above and below add to one kind of edit, on the regions that had them.

    Empty where fewer than ``LEAST`` had.
    """
    of = sides_of(
        [row for row in rows if math.isfinite(row.get("statistic beside", math.nan))], kind
    )
    if min(len(of.edited), len(of.genuine)) < LEAST:
        return {}
    told = detection(
        Sides(
            *(
                [{**row, "statistic": row["statistic beside"]} for row in side]
                for side in (of.edited, of.genuine)
            )
        ),
        draws,
    )
    values = np.asarray([row["p beside"] for row in of.edited])
    families = {family: auc(*of.pooled(of_evidence(family))) for family in context_families()}
    return {
        "kind": kind,
        **told,
        "alone": auc(*of.pooled(ours)),
        **{f"p <= {limit:g}": float((values <= limit).mean()) for limit in LIMITS},
        **families,
    }


def grouped(of: Sides, group: Callable[[Row], str]) -> dict[str, float]:
    """AUC within each group of regions that holds at least ``LEAST`` on either side."""
    told = {}
    for name in sorted({group(row) for row in of.edited} - {""}):
        inside = Sides(
            *([row for row in side if group(row) == name] for side in (of.edited, of.genuine))
        )
        edited, genuine = inside.pooled(ours)
        if min(len(edited), len(genuine)) >= LEAST:
            told[name] = auc(edited, genuine)
    return told


def means(
    every: Sequence[Sides], number: Number = ours, p: Number | None = None, draws: int = DRAWS
) -> dict[str, Any]:
    """The mean over several edits of AUC and detection by ``number``, with intervals.

    And on how many patients they stand.

    ``p``: also of the share of edited regions whose ``p`` is at most ``STRONGLY_UNUSUAL``.
    """
    patients = sorted({name for of in every for name in of.patients})
    parts = [of.parts(number, patients) for of in every]
    p_values = [of.parts(p, patients)[0] for of in every] if p else []

    def numbers(drawn: Drawn) -> dict[str, float]:
        pooled = [_pooled(part, drawn) for part in parts]
        told = {"auc": _mean([auc(*pair) for pair in pooled])}
        told |= {
            f"found at {alarms:g}": _mean([found_at(*pair, alarms) for pair in pooled])
            for alarms in ALARMS
        }
        if p:
            said = [
                np.concatenate([side[i] for i in drawn]) if len(side) else np.empty(0)
                for side in p_values
            ]
            told[STRONG] = _mean(
                [
                    float((values <= STRONGLY_UNUSUAL).mean()) if len(values) else math.nan
                    for values in said
                ]
            )
        return told

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
    every = [sides_of(rows, kind) for kind in kinds]
    together = Sides(
        [row for of in every for row in of.edited], [row for row in rows if row["kind"] == GENUINE]
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
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


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
    told: dict[str, Any] = {
        "controls": len(genuine),
        "patients": len(by_name),
        "all": {},
        "intervals": {},
        "manufacturers": {},
    }
    for name in shares([]):
        known = [each[name] for each in by_name.values() if math.isfinite(each[name])]
        told["all"][name], told["intervals"][name] = (
            _mean(known),
            mean_interval(known, _generator()),
        )
    for maker in sorted(set(makers.values())):
        inside = [each for name, each in by_name.items() if makers[name] == maker]
        told["manufacturers"][maker] = {
            "patients": len(inside),
            **{name: _mean([each[name] for each in inside]) for name in shares([])},
        }
    return told


def curve(rows: Sequence[Row], chosen: Sequence[Row], draws: int = DRAWS) -> list[dict[str, Any]]:
    """Detection at each place of a curve.

    ``chosen`` are its edited regions, compared with the controls of the same patients.
    """
    told = []
    for at in sorted({row["at"] for row in chosen}):
        edited = [row for row in chosen if row["at"] == at]
        tried = {row["patient"] for row in edited}
        of = Sides(
            edited, [row for row in rows if row["kind"] == GENUINE and row["patient"] in tried]
        )
        told.append({"at": at, **detection(of, draws)})
    return told


def forms_of(families: Mapping[str, Family]) -> dict[str, list[str]]:
    """Form -> its families, those of nothing left out."""
    forms = sorted({family.form for family in families.values()} - {NOTHING, ""})
    return {
        form: [name for name, family in families.items() if family.form == form] for form in forms
    }
