"""Evidence + calibration -> the answer for one point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from dfd.calibration.cohort import SLICE, Calibration, combined_p, out_of_distribution
from dfd.calibration.forms import form_of, speaking_for
from dfd.calibration.tables import p_value
from dfd.records import SUSPICIOUS, TOGETHER, Evidence, Family, Finding, Form, Point, Verdict
from dfd.sentences import joined, marked

NO_CALIBRATION = (
    "the model has no calibration, so nothing can be said of how unusual this is; run `dfd "
    "calibrate` on genuine scans"
)
NOT_WEIGHED = (
    "the calibration is of the model's learned statistic, and that was not measured; take the "
    "configs of the bundle that comes with this version"
)
UNUSUAL, STRONGLY_UNUSUAL = 0.05, 0.01
RADIUS_RATIO = (0.7, 1.43)
"""Radius of a region over that of the calibration within which its tables hold."""
ORDINARY_ADJACENT = (
    ", and it differs from the slices above and below no more than the same tissue does"
)
NOTHING_TOGETHER = "nothing unusual in all evidence together"
ORDINARY = (
    "the region's noise fits the same tissue elsewhere in this slice, and is not repeated "
    "elsewhere in it"
)


def verdict_of(p: float) -> Verdict:
    """The verdict that a p-value gives."""
    if p <= STRONGLY_UNUSUAL:
        return Verdict.STRONGLY_UNUSUAL
    return Verdict.UNUSUAL if p <= UNUSUAL else Verdict.NO_ANOMALY


@dataclass(frozen=True)
class DecisionContext:
    """What a decision takes into account besides the evidence of a region."""

    radius_mm: float | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)
    """Of the scan, by name."""
    remarks: tuple[str, ...] = ()
    """Sentences on why the scan is outside the population."""
    setting: str = SLICE
    """How it was measured."""
    notes: tuple[str, ...] = ()
    """Sentences that follow the reason and leave the p-value as it is."""


def decide(
    point: Point,
    evidence: Sequence[Evidence],
    calibration: Calibration | None,
    context: DecisionContext,
) -> Finding:
    """The answer for one point, from one piece of evidence per family.

    The first family stands for all: where it has an obstacle, nothing is said.
    """
    first = evidence[0]
    answer = partial(
        Finding,
        point,
        radius_mm=context.radius_mm,
        tissue=first.tissue,
        evidence=tuple(evidence),
    )
    if first.obstacle or not math.isfinite(first.statistic):
        return answer(verdict=Verdict.NOT_ASSESSABLE, reason=first.obstacle)
    usable = _usable(evidence, calibration, context)
    if calibration is None or not usable:
        return answer(verdict=Verdict.NOT_ASSESSABLE, reason=NO_CALIBRATION)
    setting = calibration.of(context.setting)
    if TOGETHER in setting.tables and all(each.family != TOGETHER for each in usable):
        return answer(verdict=Verdict.NOT_ASSESSABLE, reason=NOT_WEIGHED)
    p, beyond = combined_p({each.family: each.statistic for each in usable}, setting)
    families = [each for each in usable if each.family != TOGETHER]
    p_by_family = {
        each.family: p_value(each.statistic, setting.tables[each.family])[0] for each in families
    }
    remarks = remarks_on(calibration, context)
    form, reason, source = _explanation(families, p_by_family, verdict_of(p))
    return answer(
        verdict=verdict_of(p),
        score=-math.log10(p) + 0.0,
        p_value=p,
        form=form,
        reason=joined("; ", [reason, *context.notes, *remarks]),
        p_by_family=p_by_family,
        source_x=source.source_x,
        source_y=source.source_y,
        source_file=source.source_file,
        extrapolated=beyond or bool(remarks),
        setting=context.setting,
    )


def _usable(
    evidence: Sequence[Evidence], calibration: Calibration | None, context: DecisionContext
) -> list[Evidence]:
    """What was measured by families that are calibrated."""
    tables = calibration.of(context.setting).tables if calibration else {}
    return [each for each in evidence if each.family in tables and math.isfinite(each.statistic)]


def _explanation(
    usable: Sequence[Evidence], p_by_family: Mapping[str, float], verdict: Verdict
) -> tuple[Form | Literal[""], str, Evidence]:
    """Form, reason and the evidence that names where something was copied from."""
    leading = min(usable, key=lambda each: p_by_family[each.family])
    nowhere = Evidence("", math.nan)
    if verdict not in SUSPICIOUS:
        return "", _ordinary(leading, p_by_family), nowhere
    form = form_of(usable, p_by_family)
    source = speaking_for(form, usable, p_by_family, UNUSUAL)
    copies = [
        each for each in usable if each.source_x is not None and p_by_family[each.family] <= UNUSUAL
    ]
    copy = min(copies, key=lambda each: p_by_family[each.family], default=nowhere)
    return form, source.reason_by_form.get(form, source.reason), copy


def _ordinary(leading: Evidence, p_by_family: Mapping[str, float]) -> str:
    """The reason where the families together are ordinary.

    Where one by itself is not, nothing else may be claimed of it.
    """
    if p_by_family[leading.family] <= UNUSUAL:
        return (
            f"{NOTHING_TOGETHER}, though by itself one kind of evidence is (p = "
            f"{p_by_family[leading.family]:.2g}): {marked(leading.reason)}"
        )
    return ORDINARY + ORDINARY_ADJACENT * (Family.ADJACENT_SLICES in p_by_family)


def remarks_on(calibration: Calibration, context: DecisionContext) -> list[str]:
    """Sentences on why the scan or the region is unlike those that the calibration stands on."""
    remarks = list(context.remarks)
    strange = out_of_distribution(context.covariates, calibration)
    if strange:
        remarks.append(f"the scan is unlike every calibration scan in {', '.join(strange)}")
    low, high = RADIUS_RATIO
    if (
        context.radius_mm is not None
        and not low <= context.radius_mm / calibration.radius_mm <= high
    ):
        remarks.append(f"the calibration was made for a radius of {calibration.radius_mm:g} mm")
    return remarks
