"""Noise added to what is there, as adversarial attacks add it.

White, of two values, coloured, of one band, with the spectrum of the grain, in a few pixels, in a
pattern that repeats, or in proportion to the values. Strength in shares of the grain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dfd.alterations.material import Material, between, grain, like_grain, unit
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
    field = gaussian_filter(rng.normal(size=material.pixels.shape), between(rng, 0.4, 4.0))
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


def matched(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise with the spectrum of the grain, so that the spectrum does not give it away."""
    field = like_grain(material.pixels if rng.random() < 0.5 else material.donor, rng)
    return _added(material, share, field, between(rng, 0.5, 2.0))


def sparse(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise in a few pixels."""
    field = rng.normal(size=material.pixels.shape)
    field *= rng.random(field.shape) < between(rng, 0.03, 0.5)
    return _added(material, share, field, between(rng, 0.4, 2.0))


def patterned(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """A small pattern laid out again and again, as one perturbation for every image."""
    tile = rng.normal(size=rng.integers(3, 24, 2))
    repeats = [-(-side // part) for side, part in zip(share.shape, tile.shape, strict=True)]
    field = np.tile(tile, repeats)[: share.shape[0], : share.shape[1]]
    if rng.random() < 0.5:
        field = gaussian_filter(field, rng.uniform(0.4, 1.5), mode="wrap")
    return _added(material, share, field, between(rng, 0.4, 2.0))


def multiplied(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise in proportion to how far the values lie from their lowest around."""
    level = gaussian_filter(material.pixels, 2.0)
    field = rng.normal(size=share.shape) * (level - level.min() + 1e-3)
    field = field / (float(np.sqrt(np.mean(field[share > 0.5] ** 2))) if share.max() > 0.5 else 1.0)
    strength = between(rng, 0.4, 2.0) * grain(material.pixels, share)
    return np.asarray(material.pixels + strength * field, dtype=np.float32)


def _added(
    material: Material, share: FloatImage, field: NDArray[np.floating[Any]], strength: float
) -> FloatImage:
    return np.asarray(
        material.pixels + unit(field) * strength * grain(material.pixels, share), dtype=np.float32
    )
