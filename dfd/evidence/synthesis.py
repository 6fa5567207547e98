"""Synthesis evidence.

Traces of generated, resampled, smoothed or blended content in the grain of a region.
"""

from __future__ import annotations

import numpy as np

from dfd.evidence import wording
from dfd.evidence.noise import ANY, LARGEST, grain_deviation
from dfd.evidence.reference_windows import SliceTables, evidence_of, prepare, standing
from dfd.evidence.window_features import REPLACED, FloatArray
from dfd.records import Evidence, Form, Region

FAMILY = "synthesis"
DIRECTION = (
    "higher = more like processed or generated content than the same tissue of the same slice"
)
SOURCE = (
    "head trained on aligned pseudo-forgeries of genuine crops (idea: Rajan et al. 2025, arXiv "
    "2410.11835), compared within the slice"
)


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: deviation of the grain, and what the head sees of replaced content on top.

    Higher = more suspicious.
    """
    result: FloatArray = ANY * grain_deviation(deviation) + np.clip(
        deviation[:, REPLACED], 0.0, LARGEST
    )
    return result


def measure(region: Region, reference: SliceTables) -> Evidence:
    """How far ``region`` deviates from matched windows of the same slice towards processed content.

    In units of what is ordinary there.

    Unitless, >= 0, 1 to 1.5 = ordinary (the largest over the scales), higher = more suspicious.
    Source: see ``SOURCE``.
    """
    found = standing(region, reference, statistic)
    return evidence_of(
        FAMILY,
        found,
        lambda each: reason_for(each.measures),
        lambda each: reasons_by_form(each.measures),
    )


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence."""
    return wording.of_replaced_content(measures)


def reasons_by_form(measures: dict[str, float]) -> dict[str, str]:
    """One plain sentence for each form of tampering that the measures may speak for."""
    seen = measures[wording.REPLACED_CONTENT] > 0
    edit = wording.of_replaced_content(measures) if seen else wording.of_an_edit(measures)
    return {Form.ADVERSARIAL_NOISE: wording.of_added_noise(measures), Form.AI_EDIT: edit}


__all__ = [
    "DIRECTION",
    "FAMILY",
    "SOURCE",
    "measure",
    "prepare",
    "reason_for",
    "reasons_by_form",
    "statistic",
]
