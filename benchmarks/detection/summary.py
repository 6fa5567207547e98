"""From rows with p-values to the numbers of each attack and form, false alarms and curves.

Intervals are over patients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.attacks.registry import NOTHING, Attack
from benchmarks.detection.comparison import (
    LEAST,
    LIMITS,
    Comparison,
    Row,
    against,
    comparison_of,
    detection,
    grouped,
    mean_of_finite,
    means,
    of_content,
    of_evidence,
    ours,
    seeded_generator,
    shares,
)
from benchmarks.detection.trials import CONTENT, GENUINE
from benchmarks.metrics.bootstrap import DRAWS, mean_interval
from benchmarks.metrics.roc import auc
from dfd.evidence import context_families, lone_slice_families


def attack_row(
    rows: Sequence[Row], kind: str, baselines: Sequence[str], draws: int = DRAWS
) -> dict[str, Any]:
    """All numbers of one kind of edit."""
    comparison = comparison_of(rows, kind)
    result: dict[str, Any] = {
        "kind": kind,
        **detection(comparison, draws),
        **shares(comparison.edited),
        **against([comparison], baselines, draws),
    }
    result["by evidence"] = {
        family: auc(*comparison.pooled(of_evidence(family))) for family in lone_slice_families()
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
    families = {
        family: auc(*comparison.pooled(of_evidence(family))) for family in context_families()
    }
    return {
        "kind": kind,
        **result,
        "alone": auc(*comparison.pooled(ours)),
        **{f"p <= {limit:g}": float((values <= limit).mean()) for limit in LIMITS},
        **families,
    }


def form_row(
    rows: Sequence[Row],
    form: str,
    kinds: Sequence[str],
    baselines: Sequence[str],
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Means over the attacks of a form, and AUC within groups of scans.

    AUC, sensitivity, and the lead over the best baseline.
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
"""Name of a grouping -> the group of a row."""


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
            mean_of_finite(finite),
            mean_interval(finite, seeded_generator()),
        )
    for maker in sorted(set(makers.values())):
        inside = [each for name, each in by_name.items() if makers[name] == maker]
        result["manufacturers"][maker] = {
            "patients": len(inside),
            **{name: mean_of_finite([each[name] for each in inside]) for name in shares([])},
        }
    return result


def curve(
    rows: Sequence[Row], edited_rows: Sequence[Row], draws: int = DRAWS
) -> list[dict[str, Any]]:
    """Detection at each place of a curve.

    ``edited_rows`` are its edited regions, compared with the controls of the same patients.
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
    """Form -> its attacks, without what edits nothing."""
    forms = sorted({attack.form for attack in attacks.values()} - {NOTHING, ""})
    return {
        form: [name for name, attack in attacks.items() if attack.form == form] for form in forms
    }
