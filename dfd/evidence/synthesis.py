"""Synthesis evidence.

Traces of generated, resampled, smoothed or blended content in the grain of a region.
"""

from __future__ import annotations

import numpy as np

from dfd.evidence import wording
from dfd.evidence.family import Need, RegionBatch, SliceInput
from dfd.evidence.noise import ANY, LARGEST, grain_deviation
from dfd.evidence.reference_windows import (
    FittedStatistic,
    deviation_scores,
    evidence_of,
    fit_statistic,
)
from dfd.evidence.running_sums import FloatArray
from dfd.evidence.window_features import REPLACED, REPLACED_CONTENT
from dfd.records import Evidence, Family, Form


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: deviation of the grain, and what the head sees of replaced content on top.

    Higher = more suspicious.
    """
    result: FloatArray = ANY * grain_deviation(deviation) + np.clip(
        deviation[:, REPLACED], 0.0, LARGEST
    )
    return result


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence."""
    return wording.of_replaced_content(measures)


def reasons_by_form(measures: dict[str, float]) -> dict[str, str]:
    """One plain sentence for each form of tampering that the measures may speak for."""
    replaced = measures[REPLACED_CONTENT] > 0
    edit = wording.of_replaced_content(measures) if replaced else wording.of_an_edit(measures)
    return {Form.ADVERSARIAL_NOISE: wording.of_added_noise(measures), Form.AI_EDIT: edit}


class SynthesisEvidence:
    """How far a region deviates from matched windows of the same slice towards processed content.

    In units of what is ordinary there: unitless, >= 0, 1 to 1.5 = ordinary (the largest over the
    scales), higher = more suspicious.
    """

    name = Family.SYNTHESIS.value
    title = "Generated or processed"
    question = "Does the grain look resampled, smoothed or generated?"
    direction = (
        "higher = more like processed or generated content than the same tissue of the same slice"
    )
    source = (
        "head trained on aligned pseudo-forgeries of genuine crops (idea: Rajan et al. 2025, arXiv "
        "2410.11835), compared within the slice"
    )
    needs = frozenset({Need.WINDOWS})

    def prepare(self, slice_input: SliceInput) -> FittedStatistic:
        """What is ordinary in the slice."""
        return fit_statistic(slice_input.windows, statistic)

    def measure(self, batch: RegionBatch, prepared: FittedStatistic) -> list[Evidence]:
        """One piece of evidence per region, in order."""
        return [
            evidence_of(
                self.name,
                score,
                lambda each: reason_for(each.measures),
                lambda each: reasons_by_form(each.measures),
            )
            for score in deviation_scores(batch.regions, batch.windows, prepared)
        ]


FAMILY = SynthesisEvidence()
