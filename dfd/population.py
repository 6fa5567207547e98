"""Is this scan one of those the calibration speaks for?

The few numbers by which scans are told apart.
"""

from __future__ import annotations

import math

import numpy as np

from dfd.intensity import brightness_scale
from dfd.modalities import Modality
from dfd.records import Prediction, ScanFacts


def covariates_of(prediction: Prediction, facts: ScanFacts, modality: Modality) -> dict[str, float]:
    """The covariates of ``dfd.calibration.COVARIATES``; NaN where a scan does not tell.

    ``log noise scale``: of HU, or for MR of the share of the brightness scale; ``log pixel
    spacing``: of mm; ``log energy of z``: 0 where the predicted spread is right; ``grain``: mean
    log of predicted spread over noise scale, low where neighbours foretell most of the noise.
    """
    known = prediction.assessed
    nothing = float("nan")
    if not known.any() or not math.isfinite(prediction.noise_scale):
        return {
            "log noise scale": nothing,
            "log pixel spacing": nothing,
            "log energy of z": nothing,
            "grain": nothing,
        }
    unit = brightness_scale(prediction.mean, known) if modality.relative else 1.0
    spacing = (
        math.log(math.sqrt(facts.spacing_mm[0] * facts.spacing_mm[1]))
        if facts.spacing_mm
        else nothing
    )
    return {
        "log noise scale": math.log(prediction.noise_scale / unit),
        "log pixel spacing": spacing,
        "log energy of z": float(
            np.log(np.mean(np.clip(prediction.z[known], -6.0, 6.0) ** 2) + 1e-6)
        ),
        "grain": float(np.mean(np.log(prediction.spread[known] / prediction.noise_scale))),
    }
