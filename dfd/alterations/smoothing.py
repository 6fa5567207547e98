"""Local filtering: blurred, denoised, sharpened."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, median_filter

from dfd.alterations.material import Material, detail, grain
from dfd.records import FloatImage


def blurred(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Gaussian blur."""
    return np.asarray(gaussian_filter(material.pixels, rng.uniform(0.4, 1.5)), dtype=np.float32)


def denoised(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """A median, or soft thresholding of the detail (Donoho 1995, IEEE Trans. Inf.

    Theory 41:613).
    """
    if rng.random() < 0.5:
        return np.asarray(median_filter(material.pixels, int(rng.choice([3, 5]))), dtype=np.float32)
    fine, limit = (
        detail(material.pixels, 1.2),
        grain(material.pixels, share) * rng.uniform(1.0, 3.0),
    )
    return np.asarray(
        material.pixels - fine + np.sign(fine) * np.maximum(np.abs(fine) - limit, 0.0),
        dtype=np.float32,
    )


def sharpened(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Unsharp masking."""
    return np.asarray(
        material.pixels + rng.uniform(0.3, 1.5) * detail(material.pixels, rng.uniform(0.5, 1.2)),
        dtype=np.float32,
    )
