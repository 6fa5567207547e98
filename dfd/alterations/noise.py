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

from dfd.alterations.material import (
    Material,
    between,
    grain,
    kernel,
    like_grain,
    normal,
    smooth,
    unit,
)
from dfd.records import FloatImage


def white(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Independent Gaussian noise."""
    return _added(material, share, normal(share.shape, rng), between(rng, 0.3, 2.0))


def signed(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """The same amount up or down in each pixel.

    The trace of a fast gradient sign attack (Goodfellow 2015, arXiv 1412.6572, section 4).
    """
    return _added(material, share, np.sign(normal(share.shape, rng)), between(rng, 0.3, 2.0))


def coloured(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Smoothed Gaussian noise."""
    field = smooth(share.shape, between(rng, 0.4, 4.0), rng)
    return _added(material, share, field, between(rng, 0.5, 2.5))


def banded(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise of one band of frequencies: the difference of two smoothings."""
    field, width = normal(share.shape, rng), rng.uniform(0.4, 1.2)
    wide, narrow = kernel(1.8 * width), kernel(width)
    both = np.outer(wide, wide)
    cut = slice((len(wide) - len(narrow)) // 2, (len(wide) + len(narrow)) // 2)
    both[cut, cut] -= np.outer(narrow, narrow)
    field = gaussian_filter(field, width) - gaussian_filter(field, 1.8 * width)
    return _added(material, share, field / np.linalg.norm(both), between(rng, 0.4, 2.0))


def matched(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise with the spectrum of the grain, so that the spectrum does not give it away."""
    crop = material.crop
    field = like_grain(crop.pixels if rng.random() < 0.5 else crop.donor, rng)[material.window]
    return _added(material, share, field, between(rng, 0.5, 2.0))


def sparse(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise in a few pixels."""
    field, often = normal(share.shape, rng), between(rng, 0.03, 0.5)
    field *= (rng.random(field.shape, dtype=np.float32) < often) / np.sqrt(often)
    return _added(material, share, field, between(rng, 0.4, 2.0))


def patterned(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """A small pattern laid out again and again, as one perturbation for every image."""
    tile = rng.normal(size=rng.integers(3, 24, 2))
    if rng.random() < 0.5:
        tile = gaussian_filter(tile, rng.uniform(0.4, 1.5), mode="wrap")
    repeats = [-(-side // part) for side, part in zip(share.shape, tile.shape, strict=True)]
    field = np.tile(unit(tile), repeats)[: share.shape[0], : share.shape[1]]
    return _added(material, share, field, between(rng, 0.4, 2.0))


def multiplied(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Noise in proportion to how far the values lie from their lowest around."""
    level = gaussian_filter(material.crop.pixels, 2.0)
    field = normal(share.shape, rng) * (level[material.window] - level.min() + 1e-3)
    field = field / (float(np.sqrt(np.mean(field[share > 0.5] ** 2))) if share.max() > 0.5 else 1.0)
    strength = between(rng, 0.4, 2.0) * grain(material.pixels, share)
    return np.asarray(material.pixels + strength * field, dtype=np.float32)


def _added(
    material: Material, share: FloatImage, field: NDArray[np.floating[Any]], strength: float
) -> FloatImage:
    """``field``: ``[H, W]``, its standard deviation is 1."""
    return np.asarray(
        material.pixels + field * (strength * grain(material.pixels, share)), dtype=np.float32
    )
