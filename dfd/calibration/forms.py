"""Which form of tampering the evidence of an unusual region speaks for.

A place that is a copy by itself is a copy. Of the rest, a linear rule tells added noise from
replaced content: what had noise added has more of it and its old texture; replaced content has
another texture, and grain that is alike in other ways. The rule was fitted on edits of development
patients of both modalities (``python -m benchmarks.studies.named_forms --fit``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dfd.records import Evidence, Family, Form

FORM_OF_FAMILY: dict[str, Form] = {
    Family.COPY_MOVE: Form.COPY_MOVE,
    Family.ADJACENT_SLICES: Form.AI_EDIT,
    Family.SERIES_COPY: Form.COPY_MOVE,
}
"""Families that are evidence of one form; the others may speak of added noise or of an edit."""
FORMLESS = (Family.TEXTURE,)
"""Families whose sentence names no kind of edit."""
COPY_P = 0.001
"""p-value of the evidence of a copy from which on a region is one, whatever else is rarer."""
REPLACED_BELOW, ADDED_ABOVE = 0.3, 0.6
"""Log-odds of added noise between which the form stays undetermined. That an edit passes for noise
is the worse mistake."""
LEAST = 1.0
"""Usual variations by which noise must be stronger, to have been added, and by which something else
must deviate, to speak of an edit."""
WEIGHTS = {
    "energy": 0.29,
    "next pixels": -0.29,
    "diagonal pixels": 0.45,
    "second pixels": 0.11,
    "added noise": 0.21,
    "replaced content": -0.55,
    "texture": -1.85,
}
"""Of each of ``numbers_of`` in the log-odds of added noise against replaced content."""
OFFSET = 1.59
NEXT, DIAGONAL, SECOND = ("0,1", "1,0"), ("1,1", "1,-1"), ("0,2", "2,0")
"""(row, column) shifts of the correlations of the noise, by distance."""


def numbers_of(usable: Sequence[Evidence]) -> dict[str, float]:
    """What tells added noise from replaced content.

    Deviations and statistics on a logarithmic scale, with their sign.
    """
    by_family = {each.family: each for each in usable}
    noise = by_family.get(Family.NOISE, Evidence(Family.NOISE, math.nan)).measures
    texture = by_family.get(Family.TEXTURE, Evidence(Family.TEXTURE, 1.0)).statistic

    def mean(shifts: Sequence[str]) -> float:
        return sum(noise.get(f"correlation {each}", 0.0) for each in shifts) / len(shifts)

    numbers = {
        "energy": noise.get("energy", 0.0),
        "next pixels": mean(NEXT),
        "diagonal pixels": mean(DIAGONAL),
        "second pixels": mean(SECOND),
        "added noise": noise.get("added noise", 0.0),
        "replaced content": noise.get("replaced content", 0.0),
        "texture": texture if math.isfinite(texture) else 1.0,
    }
    return {name: math.copysign(math.log1p(abs(each)), each) for name, each in numbers.items()}


def form_of(usable: Sequence[Evidence], p_by_family: Mapping[str, float]) -> Form:
    """The form that evidence speaks for.

    Args:
        usable: one piece of each family.
        p_by_family: of each of them.
    """
    leading = min(usable, key=lambda each: p_by_family[each.family])
    copies = [each for each in usable if FORM_OF_FAMILY.get(each.family) == Form.COPY_MOVE]
    if any(each is leading or p_by_family[each.family] <= COPY_P for each in copies):
        return Form.COPY_MOVE
    if leading.family in FORM_OF_FAMILY:
        return FORM_OF_FAMILY[leading.family]
    numbers = numbers_of(usable)
    odds = OFFSET + sum(WEIGHTS[name] * value for name, value in numbers.items())
    if numbers["energy"] < math.log1p(LEAST) or odds < REPLACED_BELOW:
        return Form.AI_EDIT
    return Form.ADVERSARIAL_NOISE if odds > ADDED_ABOVE else Form.UNDETERMINED


def speaking_for(
    form: Form, usable: Sequence[Evidence], p_by_family: Mapping[str, float], unusual: float
) -> Evidence:
    """The rarest evidence that can speak for ``form``; the rarest of all where none can.

    Evidence whose sentence names no kind of edit gives way to what can name one and has a p-value
    of ``unusual`` or less by itself.
    """
    able = [each for each in usable if _can_speak(each, form)]
    if form == Form.COPY_MOVE:
        able = [each for each in able if each.family in FORM_OF_FAMILY]
    naming = [
        each for each in able if each.family not in FORMLESS and p_by_family[each.family] <= unusual
    ]
    return min(naming or able or usable, key=lambda each: p_by_family[each.family])


def _can_speak(evidence: Evidence, form: Form) -> bool:
    """Whether the sentence of ``evidence`` would not contradict ``form``."""
    if form == Form.UNDETERMINED:
        return evidence.family != Family.SYNTHESIS  # that speaks of replaced content alone
    energy = evidence.measures.get("energy")
    if form == Form.ADVERSARIAL_NOISE and energy is not None and energy <= 0:
        return False
    if form == Form.AI_EDIT and energy is not None:
        changes = (abs(v) for name, v in evidence.measures.items() if "correlation" in name)
        replaced = evidence.measures.get("replaced content", 0.0)
        if max(-energy, replaced, *changes) < LEAST:
            return False
    return FORM_OF_FAMILY.get(evidence.family, form) == form
