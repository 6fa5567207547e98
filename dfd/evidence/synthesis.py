"""Synthesis evidence.

Traces of generated, resampled, smoothed or blended content in the grain of a region.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from dfd.evidence import wording
from dfd.evidence.noise import ANY, LARGEST, grain_deviation
from dfd.evidence.window_family import WindowFamily
from dfd.evidence.window_features import REPLACED, REPLACED_CONTENT
from dfd.records import Family, Form


def statistic(deviation: torch.Tensor) -> torch.Tensor:
    """``[n]``: deviation of the grain, and what the head sees of replaced content on top.

    Higher = more suspicious.
    """
    return ANY * grain_deviation(deviation) + deviation[:, REPLACED].clamp(0.0, LARGEST)


def reason_for(measures: Mapping[str, float]) -> str:
    """One plain sentence."""
    return wording.of_replaced_content(measures)


def reasons_by_form(measures: Mapping[str, float]) -> dict[str, str]:
    """One plain sentence for each form of tampering that the measures may speak for."""
    replaced = measures[REPLACED_CONTENT] > 0
    edit = wording.of_replaced_content(measures) if replaced else wording.of_an_edit(measures)
    return {Form.ADVERSARIAL_NOISE: wording.of_added_noise(measures), Form.AI_EDIT: edit}


class SynthesisEvidence(WindowFamily):
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

    def statistic(self, deviation: torch.Tensor) -> torch.Tensor:
        """See the function of this name."""
        return statistic(deviation)

    def reason_for(self, _: float, measures: Mapping[str, float]) -> str:
        """See the function of this name."""
        return reason_for(measures)

    def reasons_by_form(self, measures: Mapping[str, float]) -> Mapping[str, str]:
        """See the function of this name."""
        return reasons_by_form(measures)


FAMILY = SynthesisEvidence()
