"""Synthesis evidence: traces of generated, resampled, smoothed or blended content in the grain of a region."""

from __future__ import annotations

import numpy as np

from dfd.evidence.noise import ANY, LARGEST, grain_deviation
from dfd.evidence.tables import SliceTables, evidence_of, prepare, standing
from dfd.evidence.windows import REPLACED, FloatArray
from dfd.records import Evidence, Region

FAMILY = "synthesis"
DIRECTION = "higher = more like processed or generated content than the same tissue of the same slice"
SOURCE = "head trained on aligned pseudo-forgeries of genuine crops (idea: Rajan et al. 2025, arXiv 2410.11835), compared within the slice"


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: deviation of the grain, and what the head sees of replaced content on top. Higher = more suspicious."""
    result: FloatArray = ANY * grain_deviation(deviation) + np.clip(deviation[:, REPLACED], 0.0, LARGEST)
    return result


def measure(region: Region, reference: SliceTables) -> Evidence:
    """How far ``region`` deviates from matched windows of the same slice towards processed content, in units of what is ordinary there.

    Unitless, >= 0, 1 to 1.5 = ordinary (the largest over the scales), higher = more suspicious. Source: see ``SOURCE``.
    """
    return evidence_of(FAMILY, standing(region, reference, statistic), lambda each: reason_for(each.measures))


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence."""
    value, energy = measures["replaced content"], measures["energy"]
    grain = "weaker than" if energy < -1 else "stronger than" if energy > 1 else "as strong as"
    likeness = "more" if value > 0 else "less"
    return (
        f"the grain here looks {likeness} like resampled, smoothed or generated content than in the same tissue of this slice, "
        f"{abs(value):.1f} times the usual variation; it is {grain} the surroundings predict"
    )


__all__ = ["DIRECTION", "FAMILY", "SOURCE", "measure", "prepare", "reason_for", "statistic"]
