"""The few numbers by which a scan is compared with the scans of the calibration."""

from __future__ import annotations

import math

import numpy as np

from dfd.modalities import Modality
from dfd.records import Prediction, ScanFacts

COVARIATES = ("log noise scale", "log pixel spacing", "log energy of z", "grain")
"""What describes a scan besides its pixels: level and correlation of its noise, size of its
pixels, honesty of the predicted spread."""


def covariates_of(prediction: Prediction, facts: ScanFacts, modality: Modality) -> dict[str, float]:
    """``COVARIATES`` of a scan; NaN where it does not give one.

    ``log noise scale``: of HU, or for MR of the share of the brightness scale; ``log pixel
    spacing``: of mm; ``log energy of z``: 0 where the predicted spread is right; ``grain``: mean
    log of predicted spread over noise scale, low where the pixels next to one predict most of its
    noise.
    """
    from dfd.intensity import brightness_scale  # scipy: only where a slice was read

    assessed, noise_scale = prediction.assessed, prediction.noise_scale
    if not assessed.any() or not math.isfinite(noise_scale):
        return dict.fromkeys(COVARIATES, math.nan)
    unit = brightness_scale(prediction.mean, assessed) if modality.relative else 1.0
    spacing = facts.spacing_mm
    energy = np.mean(np.clip(prediction.z[assessed], -6.0, 6.0) ** 2)
    values = (
        math.log(noise_scale / unit),
        math.log(math.sqrt(spacing[0] * spacing[1])) if spacing else math.nan,
        float(np.log(energy + 1e-6)),
        float(np.mean(np.log(prediction.spread[assessed] / noise_scale))),
    )
    return dict(zip(COVARIATES, values, strict=True))
