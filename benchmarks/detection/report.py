"""The benchmark as read by people: the Markdown of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.detection import trials
from benchmarks.detection.comparison import ALARMS, LIMITS, shares
from benchmarks.detection.trials import CONTENT
from benchmarks.runner.cli import table
from dfd.evidence import context_families

Numbers = Mapping[str, Any]
SENSITIVITIES = tuple(f"found at {alarms:g}" for alarms in ALARMS)
FOUND_HEADS = tuple(
    f"sensitivity at {alarms:.0%} false-positive rate".replace("%", " %") for alarms in ALARMS
)
"""Their names in tables."""
RATES = tuple(shares([]))
SHORT = tuple(f"p <= {limit:g}" for limit in LIMITS)


def number(value: float | None) -> str:
    """Two decimals; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.2f}"


def ranged(numbers: Numbers, key: str) -> str:
    """A number with its interval."""
    low, high = numbers[f"{key} interval"]
    return number(numbers[key]) + (
        (f" ({number(low)} to {number(high)})") if math.isfinite(low) else ""
    )


def lead(numbers: Numbers) -> str:
    """Whether every baseline is beaten, and by how much the best."""
    if numbers["above every"] is None:
        return "-"
    low, high = (
        f"{bound:+.2f}" if math.isfinite(bound) else "-" for bound in numbers["above best interval"]
    )
    return (
        f"{'yes' if numbers['above every'] else '**no**'}: {numbers['above best']:+.2f} ({low} to "
        f"{high}) over {numbers['best baseline']}"
    )


def rates(numbers: Numbers) -> list[str]:
    """Shares at both thresholds: patient left out, then manufacturer left out."""
    half = len(LIMITS)
    return [
        " / ".join(number(numbers[name]) for name in RATES[first : first + half])
        for first in (0, half)
    ]


RATE_HEADS = [f"{' / '.join(SHORT)}, {whom} left out" for whom in ("patient", "manufacturer")]


def markdown(content: Numbers) -> str:
    """All of it."""
    parts = [
        f"# Benchmark: {content['modality']}",
        _introduction(content),
        "## Forms",
        "Mean over the families of each form.",
        forms(content["forms"]),
        "## Families",
        _families(content["families"], content["baselines"]),
        "## Untouched places (an AUC of 0.5 is wanted)",
        _families(content["untouched"], ()),
        *_beside(content["beside"]),
        "## False alarms on genuine controls",
        alarms(content["false alarms"]),
        "## Scans and tissues",
        (
            f"AUC of all edits of a form in each group with at least {content['least']} edited and "
            f"{content['least']} genuine regions."
        ),
        groups(content["forms"]),
        *curves(content["curves"]),
        _left_out(content),
    ]
    return "\n\n".join(part for part in parts if part)


def _introduction(content: Numbers) -> str:
    cohorts = content["cohorts"].items()
    who = ", ".join(
        f"{name}: {one['patients']} patients, {one['slices']} slices, weights {one['weights'][:12]}"
        for name, one in cohorts
    )
    baselines = ", ".join(content["baselines"]) or "none in this run"
    return (
        f"Patients are scored by networks that were not trained on them ({who}); seed "
        f"{content['seed']}. P-values come from genuine regions of "
        f"{content['calibration patients']} other patients, who support p-values down to "
        f"{content['smallest p']:.3f}. Up to {trials.SITES} edits per slice and family; "
        f"{content['false alarms']['controls']} matched genuine controls. Intervals (95 %) are "
        f"over patients. Baselines, on the same regions: {baselines}. *Content alone* is the "
        "AUC of "
        f"{', '.join(CONTENT)}: at 0.5 content tells nothing about an edit; far below 0.5 it "
        "tells as much as far above."
    )


def forms(every: Sequence[Numbers]) -> str:
    """Mean over the families of each form."""
    heads = [
        "form",
        "families",
        "patients",
        "AUC",
        *FOUND_HEADS,
        *RATE_HEADS,
        "better than every baseline",
    ]
    keys = ("auc", *SENSITIVITIES)
    cells = [
        [
            one["form"],
            str(one["families"]),
            str(one["patients"]),
            *(ranged(one, key) for key in keys),
            *rates(one),
            lead(one),
        ]
        for one in every
    ]
    return table(heads, cells)


def _families(families: Sequence[Numbers], baselines: Sequence[str]) -> str:
    baseline_heads = ["better than every baseline"] if baselines else []
    heads = [
        "edit",
        "patients",
        "regions",
        "AUC",
        *FOUND_HEADS,
        *RATE_HEADS,
        *baseline_heads,
        "content alone",
    ]
    cells = [
        [
            *(
                one["kind"],
                str(one["patients"]),
                str(one["regions"]),
                f"**{number(one['auc'])}**{ranged(one, 'auc')[len(number(one['auc'])) :]}",
            ),
            *(number(one[key]) for key in SENSITIVITIES),
            *rates(one),
            *([lead(one)] if baselines else []),
            " / ".join(number(one["content"][name]) for name in CONTENT),
        ]
        for one in families
    ]
    text = table(heads, cells)
    if not baselines:
        return text
    each = [
        [one["kind"], number(one["auc"]), *(number(one["baselines"][name]) for name in baselines)]
        for one in families
    ]
    return text + "\n\nAUC of every detector:\n\n" + table(["edit", "ours", *baselines], each)


def _beside(families: Sequence[Numbers]) -> list[str]:
    if not families:
        return []
    heads = [
        "edit",
        "patients",
        "regions",
        "AUC without context",
        "AUC with adjacent slices",
        *FOUND_HEADS,
        " / ".join(SHORT),
        " / ".join(context_families()),
    ]
    cells = [
        [
            *(
                one["kind"],
                str(one["patients"]),
                str(one["regions"]),
                number(one["alone"]),
                ranged(one, "auc"),
            ),
            *(number(one[key]) for key in SENSITIVITIES),
            " / ".join(number(one[key]) for key in SHORT),
            " / ".join(number(one[family]) for family in context_families()),
        ]
        for one in families
    ]
    explanation = (
        "The same regions, scored without and with the untouched slices of the series. P-values "
        "are computed without the patient's own scans."
    )
    return [
        "## With adjacent slices",
        f"{explanation} Last column: AUC of each family of evidence that needs adjacent slices.",
        table(heads, cells),
    ]


def alarms(numbers: Numbers) -> str:
    """Observed false alarms: all patients, then each manufacturer."""
    cells = [
        [name, number(numbers["all"][name]), " to ".join(map(number, numbers["intervals"][name]))]
        for name in RATES
    ]
    makers = [
        [maker, str(one["patients"]), *rates(one)]
        for maker, one in numbers["manufacturers"].items()
    ]
    text = table(
        [
            "p-value",
            f"share of controls, mean over {numbers['patients']} patients",
            "95 % interval",
        ],
        cells,
    )
    return text + "\n\n" + table(["manufacturer", "patients", *RATE_HEADS], makers)


def groups(every: Sequence[Numbers]) -> str:
    """AUC of each form within scanners, kernels and tissues."""
    cells = []
    for kind in every[0]["groups"] if every else ():
        for name in sorted({group for one in every for group in one["groups"][kind]}):
            cells.append([kind, name, *(number(one["groups"][kind].get(name)) for one in every)])
    return table(["", "group", *(one["form"] for one in every)], cells)


CURVES = {
    "offset": "Distance between point and edit in pixels",
    "size": "Radius of the edit in pixels",
    "strength": "Strength of white noise in residuals",
}
"""Heading of each curve."""


def curves(every: Numbers, level: int = 2) -> list[str]:
    """A heading of this level and a table for each curve."""
    parts = []
    for curve, families in every.items():
        places = sorted({point["at"] for points in families.values() for point in points})
        cells = []
        for name, points in families.items():
            point_at = {point["at"]: point for point in points}
            cells.append(
                [
                    name,
                    *(
                        f"{number(point_at[at]['auc'])} / {number(point_at[at][SENSITIVITIES[0]])}"
                        if at in point_at
                        else "-"
                        for at in places
                    ),
                ]
            )
        parts += [
            f"{'#' * level} {CURVES[curve]}",
            f"AUC / {FOUND_HEADS[0]}.",
            table(["edit", *(f"{at:g}" for at in places)], cells),
        ]
    return parts


def _left_out(content: Numbers) -> str:
    lines = [
        f"- {fold}: it has no model yet, so its patients are left out."
        for fold in content["folds without model"]
    ]
    lines += [
        f"- {name}: {reason} ({count} of {content['patients']} patients)."
        for name, reasons in content["families left out"].items()
        for reason, count in reasons.items()
    ]
    return "## Left out\n\n" + "\n".join(lines) if lines else ""
