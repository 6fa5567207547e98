"""Noise added to what is there, as adversarial attacks add it.

White, of two values, coloured, or of one band. Strength in shares of the grain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dfd.alterations.material import Material, between, grain, unit
from dfd.records import FloatImage


def white(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Independent Gaussian noise."""
    return _added(material, share, rng.normal(size=material.pixels.shape), between(rng, 0.3, 2.0))


def signed(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """The same amount up or down in each pixel.

    The trace of a fast gradient sign attack (Goodfellow 2015, arXiv 1412.6572, section 4).
    """
    return _added(
        material, share, np.sign(rng.normal(size=material.pixels.shape)), between(rng, 0.3, 2.0)
    )


def coloured(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Smoothed Gaussian noise."""
    field = gaussian_filter(rng.normal(size=material.pixels.shape), rng.uniform(0.4, 2.0))
    return _added(material, share, field, between(rng, 0.5, 2.5))


def banded(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise of one band of frequencies: the difference of two smoothings."""
    field, width = rng.normal(size=material.pixels.shape), rng.uniform(0.4, 1.2)
    return _added(
        material,
        share,
        gaussian_filter(field, width) - gaussian_filter(field, 1.8 * width),
        between(rng, 0.4, 2.0),
    )


def _added(
    material: Material, share: FloatImage, field: NDArray[np.floating[Any]], strength: float
) -> FloatImage:
    return np.asarray(
        material.pixels + unit(field) * strength * grain(material.pixels, share), dtype=np.float32
    )
