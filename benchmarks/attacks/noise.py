"""Adversarial-like noise: small perturbations added inside the mask."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.attacks.canvas import Canvas, paste, residual_scale
from dfd.records import BoolImage, FloatImage

SMOOTH_PX = 2.0


def white(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, strength: float
) -> FloatImage:
    """Independent Gaussian noise of ``strength`` times the local residual."""
    added = rng.normal(0.0, strength * residual_scale(canvas, mask), canvas.pixels.shape)
    return paste(canvas.pixels, (canvas.pixels + added).astype(np.float32), mask)


def smooth(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, strength: float
) -> FloatImage:
    """The same, blurred with ``SMOOTH_PX`` and brought back to its strength."""
    grain = gaussian_filter(rng.normal(size=canvas.pixels.shape), SMOOTH_PX)
    added = grain / grain.std() * strength * residual_scale(canvas, mask)
    return paste(canvas.pixels, (canvas.pixels + added).astype(np.float32), mask)
