"""The targets of the benchmark.

For each the edits and regions it stands on, its numbers, the least numbers wanted, and whether they
are met.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.attacks.copy_move import COPY_MOVES
from benchmarks.attacks.registry import AI_EDIT, ATTACKS
from benchmarks.detection.comparison import STRONG, Number, Row, against, comparison_of, means, ours
from benchmarks.detection.report import FOUND_HEADS, lead, number, ranged
from benchmarks.metrics.bootstrap import DRAWS
from benchmarks.runner.cli import table

AUC, SENSITIVITY = "auc", "found at 0.01"
COLUMNS = {AUC: "AUC", SENSITIVITY: FOUND_HEADS[1], STRONG: STRONG}
FEWEST = 6
"""Patients of a source below which it has no row of its own."""
LEAST_AUC_MR = 0.90
FIRST_SHARP = 50
"""Number of a Siemens kernel (B31f, Br40d, Hr60, Bl57) from which on it enhances edges."""
FIRST_SHARP_FC, LAST_SHARP_FC = 50, 59
"""Toshiba and Canon: FC50 to FC59 are for lungs, as are FC80 to FC89."""
SHARP_NAMES = frozenset(
    {"LUNG", "BONE", "BONEPLUS", "BONE+", "EDGE", "L", "D", "E", "YA", "YB", "YC", "YD"}
)
"""Of GE and Philips. Philips' D, E, L and Y kernels are for bone and lungs; A, B and C are smooth.
GE's DETAIL is between and counts as soft."""


def is_sharp(kernel: str) -> bool | None:
    """Whether a kernel lifts high frequencies, by its name; None where the header names none."""
    name = kernel.strip().upper()
    if not name:
        return None
    if toshiba := re.match(r"FC(\d+)", name):
        number = int(toshiba.group(1))
        return FIRST_SHARP_FC <= number <= LAST_SHARP_FC or 80 <= number <= 89
    if siemens := re.match(r"[BHQUIT][A-Z]?(\d{2})", name):
        return int(siemens.group(1)) >= FIRST_SHARP
    return name in SHARP_NAMES


def beside(row: Row) -> float:
    """Our statistic with the slices above and below."""
    return float(row.get("statistic beside", math.nan))


@dataclass(frozen=True)
class Target:
    """One row."""

    name: str
    kinds: tuple[str, ...]
    wanted: Mapping[str, float] = field(default_factory=dict)
    """Column -> the least number; empty: nothing was promised."""
    where: Callable[[Row], bool] = lambda row: True
    """Regions, edited and genuine, that it stands on."""
    number: Number = ours
    p: str = "p"
    """Key of the p-value."""


def _white(strengths: Sequence[str]) -> tuple[str, ...]:
    """White noise and the attacks whose spectrum is white."""
    return tuple(
        f"{attack} {strength} x residual"
        for strength in strengths
        for attack in ("white noise", "FGSM", "PGD")
    )


HELD_OUT = tuple(
    name for name, attack in ATTACKS.items() if attack.held_out and attack.form == AI_EDIT
)
COPIES = tuple(name for name in COPY_MOVES if name != "copy-move, quarter turns")
"""The copies that a target was set for: not those turned by quarters, nor those from another
slice."""
WHITE, WEAK = _white(("0.6", "1.0")), _white(("0.3",))
SMOOTH = ("smooth noise 1.0 x residual, sigma 2 px", "smooth attack 1.0 x residual, sigma 2 px")
ADAPTIVE = tuple(
    name
    for name, attack in ATTACKS.items()
    if name.endswith("+ spectrum-matched noise") and not attack.held_out
)
CT = (
    Target("AI edit: held-out forgers", HELD_OUT, {AUC: 0.97, SENSITIVITY: 0.80, STRONG: 0.6}),
    Target(
        (
            "copy-move: hard, feathered, Poisson, flipped, rotation <= 15 degrees, scale 0.9 to "
            "1.1, added noise <= 1 residual scale"
        ),
        COPIES,
        {AUC: 0.99, SENSITIVITY: 0.95, STRONG: 0.8},
    ),
    Target(
        "adversarial, white spectrum, soft kernels, RMS >= 0.6 residuals",
        WHITE,
        {AUC: 0.98, SENSITIVITY: 0.85, STRONG: 0.6},
        lambda row: is_sharp(str(row["kernel"])) is False,
    ),
    Target(
        "smooth adversarial, with neighbouring slices",
        SMOOTH,
        {AUC: 0.80},
        number=beside,
        p="p beside",
    ),
    Target(
        "adversarial, white spectrum, sharp kernels, RMS >= 0.6 residuals",
        WHITE,
        where=lambda row: is_sharp(str(row["kernel"])) is True,
    ),
    Target("adaptive attacker (spectrum-matched noise)", ADAPTIVE),
    Target(
        "adaptive attacker (spectrum-matched noise), with neighbouring slices",
        ADAPTIVE,
        number=beside,
        p="p beside",
    ),
    Target("weak adversarial, white spectrum, RMS 0.3 residuals", WEAK),
)
"""Of CT. MR has a row for each form and source, see ``by_source``."""


def numbers_of(
    target: Target, rows: Sequence[Row], baselines: Sequence[str], draws: int = DRAWS
) -> dict[str, Any]:
    """Numbers of one target, and whether each least number is met (None: not measured).

    Empty where none of its edits was tried.
    """
    inside = [row for row in rows if target.where(row) and math.isfinite(target.number(row))]
    every = [
        comparison for kind in target.kinds if (comparison := comparison_of(inside, kind)).edited
    ]
    if not every:
        return {}
    numbers = means(every, target.number, lambda row: float(row[target.p]), draws)
    met = {
        name: numbers[name] >= least if math.isfinite(numbers[name]) else None
        for name, least in target.wanted.items()
    }
    lead_over_baselines = against(every, baselines, draws) if baselines else {}
    tried = {
        "edits": [comparison.edited[0]["kind"] for comparison in every],
        "of": len(target.kinds),
    }
    return {
        "target": target.name,
        **tried,
        "wanted": dict(target.wanted),
        "met": met,
        **numbers,
        **lead_over_baselines,
    }


def source_of(row: Row) -> str:
    """Where the scans of a patient come from: the first part of the patient's name."""
    return re.split(r"[-_]", str(row["patient"]))[0]


def _stands_in(source: str) -> Callable[[Row], bool]:
    return lambda row: source_of(row) == source


def by_source(rows: Sequence[Row], forms: Mapping[str, Sequence[str]]) -> list[Target]:
    """A row for each form and each source with at least ``FEWEST`` patients."""
    patients = {row["patient"]: source_of(row) for row in rows}
    sources = [
        name
        for name in sorted(set(patients.values()))
        if sum(each == name for each in patients.values()) >= FEWEST
    ]
    return [
        Target(f"{form}: {source}", tuple(kinds), {AUC: LEAST_AUC_MR}, _stands_in(source))
        for source in sources
        for form, kinds in forms.items()
    ]


def lines(
    modality: str,
    rows: Sequence[Row],
    forms: Mapping[str, Sequence[str]],
    baselines: Sequence[str],
    draws: int = DRAWS,
) -> list[dict[str, Any]]:
    """All rows of a modality that could be measured.

    Every baseline must be beaten where a row stands for one source of MR.
    """
    if modality == "ct_lung":
        results = [numbers_of(target, rows, (), draws) for target in CT]
    else:
        results = [numbers_of(target, rows, baselines, draws) for target in by_source(rows, forms)]
    return [each for each in results if each]


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """As read by people."""
    if not lines:
        return ""
    with_baselines = any("above every" in one for one in lines)
    heads = [
        "",
        "edits",
        "patients",
        *COLUMNS.values(),
        *(["better than every baseline"] if with_baselines else []),
    ]
    cells = [
        [
            *(one["target"], f"{len(one['edits'])} of {one['of']}", str(one["patients"])),
            *(_cell(one, name) for name in COLUMNS),
            *([lead(one)] if with_baselines else []),
        ]
        for one in lines
    ]
    explanation = (
        "Each row gives the mean over its edits, with the target and whether it is met. P-values "
        "are computed without the patient's own scans."
    )
    return f"## Targets\n\n{explanation}\n\n{table(heads, cells)}"


def _cell(one: Mapping[str, Any], name: str) -> str:
    if name not in one["wanted"]:
        return ranged(one, name)
    met = {True: "met", False: "**not met**", None: "not measured"}[one["met"][name]]
    # What is missed by less than two decimals show must not look as if it were reached.
    close = (
        f" ({one[name]:.4f})"
        if one["met"][name] is False and number(one[name]) == f"{one['wanted'][name]:.2f}"
        else ""
    )
    return f"{ranged(one, name)}; target {one['wanted'][name]:.2f}: {met}{close}"
