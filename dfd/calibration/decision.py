"""Evidence + calibration -> the answer for one point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dfd.calibration.cohort import SLICE, Calibration, combined_p, unlike
from dfd.calibration.tables import p_value
from dfd.records import SUSPICIOUS, Evidence, Family, Finding, Form, Point, Verdict
from dfd.sentences import joined, marked

NO_CALIBRATION = (
    "the model has no calibration, so nothing can be said of how unusual this is; run `dfd "
    "calibrate` on genuine scans"
)
UNUSUAL, STRONGLY_UNUSUAL = 0.05, 0.01
FORMS: dict[str, Form] = {
    Family.COPY_MOVE: Form.COPY_MOVE,
    Family.ADJACENT_SLICES: Form.AI_EDIT,
    Family.SERIES_COPY: Form.COPY_MOVE,
}
"""Form that a family speaks for; noise and synthesis speak for two, see ``form_of``."""
SPOKEN_FOR: dict[str, Family] = {Family.TEXTURE: Family.SYNTHESIS}
"""Family that cannot tell added noise from replaced content -> the one whose measures tell it."""
ORDINARY_BESIDE = (
    ", and it differs from the slices above and below no more than the same tissue does"
)
TOGETHER = "nothing unusual in all evidence together"
ORDINARY = (
    "the region's noise fits the same tissue elsewhere in this slice, and stands nowhere else in it"
)


def verdict_of(p: float) -> Verdict:
    """The word for a p-value."""
    if p <= STRONGLY_UNUSUAL:
        return Verdict.STRONGLY_UNUSUAL
    return Verdict.UNUSUAL if p <= UNUSUAL else Verdict.NO_ANOMALY


def form_of(evidence: Evidence) -> Form:
    """Which form of tampering this evidence speaks for.

    What stands out by more noise, and not by what the head sees replaced, had noise added.
    """
    if evidence.family in FORMS:
        return FORMS[evidence.family]
    energy = evidence.measures.get("energy", 0.0)
    largest = max((abs(value) for value in evidence.measures.values()), default=0.0)
    added = max(energy, evidence.measures.get("added noise", 0.0))
    return Form.ADVERSARIAL_NOISE if energy > 0 and added >= 0.5 * largest else Form.AI_EDIT


@dataclass(frozen=True)
class Circumstances:
    """What is known of a region beside its evidence."""

    radius_mm: float | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """Sentences on why the scan is outside the population."""
    setting: str = SLICE
    """How it was measured."""
    notes: tuple[str, ...] = ()
    """Sentences that are told beside and leave the p-value as it is."""


def judge(
    point: Point, found: Sequence[Evidence], calibration: Calibration | None, around: Circumstances
) -> Finding:
    """The answer for one point, from one piece of evidence per family.

    The first family stands for all: where it has an obstacle, nothing is said.
    """
    first = found[0]
    refused = partial(
        Finding,
        point,
        Verdict.NOT_ASSESSABLE,
        tissue=first.tissue,
        radius_mm=around.radius_mm,
        evidence=tuple(found),
    )
    if first.obstacle or not math.isfinite(first.statistic):
        return refused(reason=first.obstacle)
    tables = calibration.of(around.setting) if calibration else None
    usable = [
        each
        for each in found
        if tables and each.family in tables.tables and math.isfinite(each.statistic)
    ]
    if calibration is None or tables is None or not usable:
        return refused(reason=NO_CALIBRATION)
    p, beyond = combined_p({each.family: each.statistic for each in usable}, tables)
    by_family = {
        each.family: p_value(each.statistic, tables.tables[each.family])[0] for each in usable
    }
    leading = min(usable, key=lambda each: by_family[each.family])
    remarks = remarks_on(calibration, around)
    verdict = verdict_of(p)
    alarm = verdict in SUSPICIOUS
    copies = [
        each
        for each in usable
        if alarm and each.source_x is not None and by_family[each.family] <= UNUSUAL
    ]
    source = min(copies, key=lambda each: by_family[each.family], default=Evidence("", math.nan))
    return Finding(
        point,
        verdict,
        score=-math.log10(p) + 0.0,
        p_value=p,
        form=form_of(_speaker(leading, usable)) if alarm else "",
        reason=joined(
            "; ",
            [
                _told(leading, usable, by_family) if alarm else _nothing_found(leading, by_family),
                *around.notes,
                *remarks,
            ],
        ),
        p_by_family=by_family,
        source_x=source.source_x,
        source_y=source.source_y,
        source_file=source.source_file,
        radius_mm=around.radius_mm,
        tissue=first.tissue,
        extrapolated=beyond or bool(remarks),
        evidence=tuple(found),
        setting=around.setting,
    )


def _speaker(leading: Evidence, usable: Sequence[Evidence]) -> Evidence:
    """Whose measures tell the form: those of ``leading``, or of the family that speaks for it."""
    family = SPOKEN_FOR.get(leading.family, leading.family)
    return next((each for each in usable if each.family == family), leading)


def _teller(
    leading: Evidence, usable: Sequence[Evidence], by_family: Mapping[str, float]
) -> Evidence:
    """Whose sentence is told: that of ``leading``.

    Where that cannot name a kind of edit, of the rarest that can and is unusual by itself.

    What speaks for another form than the answer has is not told: it would contradict it.
    """
    if leading.family not in SPOKEN_FOR:
        return leading
    form = form_of(_speaker(leading, usable))
    able = [
        each
        for each in usable
        if each.family not in (*FORMS, *SPOKEN_FOR)
        and by_family[each.family] <= UNUSUAL
        and form_of(each) == form
    ]
    return min(able, key=lambda each: by_family[each.family], default=leading)


def _told(leading: Evidence, usable: Sequence[Evidence], by_family: Mapping[str, float]) -> str:
    """The sentence for an alarm.

    On what makes the region strange, in the words that fit the form of the answer.
    """
    teller = _teller(leading, usable, by_family)
    return teller.reason_by_form.get(form_of(_speaker(leading, usable)), teller.reason)


def _nothing_found(leading: Evidence, by_family: Mapping[str, float]) -> str:
    """What is said where the families together are ordinary.

    Where one by itself is not, nothing else may be claimed of it.
    """
    if by_family[leading.family] <= UNUSUAL:
        return (
            f"{TOGETHER}, though by itself one kind of evidence is (p = "
            f"{by_family[leading.family]:.2g}): {marked(leading.reason)}"
        )
    return ORDINARY + ORDINARY_BESIDE * (Family.ADJACENT_SLICES in by_family)


def remarks_on(calibration: Calibration, around: Circumstances) -> list[str]:
    """Sentences on why the scan or the region is unlike those that the calibration stands on."""
    remarks = list(around.remarks)
    strange = unlike(around.covariates, calibration)
    if strange:
        remarks.append(f"the scan is unlike every calibration scan in {', '.join(strange)}")
    if around.radius_mm is not None and not 0.7 <= around.radius_mm / calibration.radius_mm <= 1.43:
        remarks.append(f"the calibration was made for a radius of {calibration.radius_mm:g} mm")
    return remarks
