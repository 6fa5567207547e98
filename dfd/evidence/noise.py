"""Noise evidence: is the noise of a region that of the same tissue elsewhere in the slice?"""

from __future__ import annotations

import numpy as np

from dfd.evidence import wording
from dfd.evidence.family import Need, RegionBatch, SliceInput
from dfd.evidence.reference_windows import (
    FittedStatistic,
    deviation_scores,
    evidence_of,
    fit_statistic,
)
from dfd.evidence.running_sums import FloatArray
from dfd.evidence.window_features import ADDED, GRAIN
from dfd.records import Evidence, Family, Form

LARGEST = 50.0
"""Deviations are cut here."""
LARGEST_WEIGHED = 8.0
"""Deviations are cut here before they are weighed by ``WHITE``: what lies beyond says nothing more
of what was added."""
ANY = 0.5
"""What a deviation of any kind, and the head's answer, count beside a deviation in the direction
that is looked for."""
WHITE = (0.56, -0.13, -0.07, 0.14, 0.16, 0.21, 0.32)
"""Weights of energy and correlations that best separate added white noise from genuine windows
(Fisher's discriminant, unit spread where genuine). Learned from white noise laid on scans of the
training patients of both modalities: `benchmarks.studies.noise_direction`."""


def grain_deviation(deviation: FloatArray) -> FloatArray:
    """``[n]``: root mean square over energy and correlations of the residual.

    Two-sided: too smooth counts like too rough.
    """
    result: FloatArray = np.sqrt(
        np.mean(np.clip(deviation[:, GRAIN], -LARGEST, LARGEST) ** 2, axis=1)
    )
    return result


def whiteness(deviation: FloatArray) -> FloatArray:
    """``[n]``: how far the grain lies in the direction of added white noise.

    In units of genuine spread; negative away from it.
    """
    result: FloatArray = np.clip(
        deviation[:, GRAIN], -LARGEST_WEIGHED, LARGEST_WEIGHED
    ) @ np.asarray(WHITE)
    return result


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: deviation of the grain in the direction of added noise, and in any.

    And what the head sees of it. Higher = more suspicious.
    """
    head = np.clip(deviation[:, ADDED], 0.0, LARGEST)
    result: FloatArray = ANY * (grain_deviation(deviation) + head) + np.maximum(
        whiteness(deviation), 0.0
    )
    return result


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence on the largest deviation."""
    return wording.of_grain(wording.largest_of_grain(measures), measures)


def reasons_by_form(measures: dict[str, float]) -> dict[str, str]:
    """One plain sentence for each form of tampering that the measures may speak for."""
    return {
        Form.ADVERSARIAL_NOISE: wording.of_added_noise(measures),
        Form.AI_EDIT: wording.of_an_edit(measures),
    }


class NoiseEvidence:
    """How far the residual of a region deviates from matched windows of the same slice.

    In units of what is ordinary there: unitless, >= 0, 1 to 1.5 = ordinary (the largest over the
    scales), higher = more suspicious. The matching is ours.
    """

    name = Family.NOISE.value
    title = "Noise"
    question = (
        "Does the region carry more, or another, noise than the same tissue elsewhere in this "
        "slice?"
    )
    direction = "higher = less like the genuine rest of the same slice"
    source = (
        "self-comparison of residual statistics after Cozzolino, Poggi, Verdoliva, Splicebuster "
        "(WIFS 2015), on masked-prediction residuals"
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


FAMILY = NoiseEvidence()
