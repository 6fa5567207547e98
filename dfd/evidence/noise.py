"""Noise evidence: is the noise of a region that of the same tissue elsewhere in the slice?"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from dfd.evidence import wording
from dfd.evidence.window_family import WindowFamily
from dfd.evidence.window_features import ADDED, GRAIN
from dfd.records import Family, Form

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


def grain_deviation(deviation: torch.Tensor) -> torch.Tensor:
    """``[n]``: root mean square over energy and correlations of the residual.

    Two-sided: too smooth counts like too rough.
    """
    return deviation[:, GRAIN].clamp(-LARGEST, LARGEST).square().mean(dim=1).sqrt()


def whiteness(deviation: torch.Tensor) -> torch.Tensor:
    """``[n]``: how far the grain lies in the direction of added white noise.

    In units of genuine spread; negative away from it.
    """
    grain = deviation[:, GRAIN].clamp(-LARGEST_WEIGHED, LARGEST_WEIGHED)
    # Not by BLAS, whose sums depend on how many windows are measured at once.
    return (grain * deviation.new_tensor(WHITE)).sum(dim=1)


def statistic(deviation: torch.Tensor) -> torch.Tensor:
    """``[n]``: deviation of the grain in the direction of added noise, and in any.

    And what the head sees of it. Higher = more suspicious.
    """
    head = deviation[:, ADDED].clamp(0.0, LARGEST)
    return ANY * (grain_deviation(deviation) + head) + whiteness(deviation).clamp(min=0.0)


def reason_for(measures: Mapping[str, float]) -> str:
    """One plain sentence on the largest deviation."""
    return wording.of_grain(wording.largest_of_grain(measures), measures)


def reasons_by_form(measures: Mapping[str, float]) -> dict[str, str]:
    """One plain sentence for each form of tampering that the measures may speak for."""
    return {
        Form.ADVERSARIAL_NOISE: wording.of_added_noise(measures),
        Form.AI_EDIT: wording.of_an_edit(measures),
    }


class NoiseEvidence(WindowFamily):
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

    def statistic(self, deviation: torch.Tensor) -> torch.Tensor:
        """See the function of this name."""
        return statistic(deviation)

    def reason_for(self, _: float, measures: Mapping[str, float]) -> str:
        """See the function of this name."""
        return reason_for(measures)

    def reasons_by_form(self, measures: Mapping[str, float]) -> Mapping[str, str]:
        """See the function of this name."""
        return reasons_by_form(measures)


FAMILY = NoiseEvidence()
