"""Noise evidence: does a region carry the same noise as the same tissue elsewhere in the slice.

Or was some added?
"""

from __future__ import annotations

import numpy as np

from dfd.evidence import wording
from dfd.evidence.reference_windows import SliceTables, evidence_of, prepare, standing
from dfd.evidence.window_features import ADDED, GRAIN, FloatArray
from dfd.records import Evidence, Form, Region

FAMILY = "noise"
DIRECTION = "higher = less like the genuine rest of the same slice"
SOURCE = (
    "self-comparison of residual statistics after Cozzolino, Poggi, Verdoliva, Splicebuster (WIFS "
    "2015), on masked-prediction residuals"
)
LARGEST = 50.0
"""Deviations are cut here."""
LARGEST_TOLD = 8.0
"""Deviations are cut here before they are weighed by ``WHITE``: beyond it more says nothing of what
was added."""
ANY = 0.5
"""What a deviation of any kind, and the head's answer, count beside a deviation in the direction
that is looked for."""
WHITE = (0.56, -0.13, -0.07, 0.14, 0.16, 0.21, 0.32)
"""Weights of energy and correlations by which added white noise is told best from genuine windows
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
    result: FloatArray = np.clip(deviation[:, GRAIN], -LARGEST_TOLD, LARGEST_TOLD) @ np.asarray(
        WHITE
    )
    return result


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: deviation of the grain in the direction of added noise, and in any.

    And what the head sees of it. Higher = more suspicious.
    """
    told = np.clip(deviation[:, ADDED], 0.0, LARGEST)
    result: FloatArray = ANY * (grain_deviation(deviation) + told) + np.maximum(
        whiteness(deviation), 0.0
    )
    return result


def measure(region: Region, reference: SliceTables) -> Evidence:
    """How far the residual in ``region`` deviates from matched windows of the same slice.

    In units of what is ordinary there.

    Unitless, >= 0, 1 to 1.5 = ordinary (the largest over the scales), higher = more suspicious.
    Source: see ``SOURCE``; the matching is ours.
    """
    found = standing(region, reference, statistic)
    return evidence_of(
        FAMILY,
        found,
        lambda each: reason_for(each.measures),
        lambda each: reasons_by_form(each.measures),
    )


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence on the largest deviation."""
    return wording.of_grain(wording.largest_of_grain(measures), measures)


def reasons_by_form(measures: dict[str, float]) -> dict[str, str]:
    """One plain sentence for each form of tampering that the measures may speak for."""
    return {
        Form.ADVERSARIAL_NOISE: wording.of_added_noise(measures),
        Form.AI_EDIT: wording.of_an_edit(measures),
    }


__all__ = [
    "DIRECTION",
    "FAMILY",
    "SOURCE",
    "grain_deviation",
    "measure",
    "prepare",
    "reason_for",
    "reasons_by_form",
    "statistic",
    "whiteness",
]
