"""Content drawn anew by small networks that learned from genuine slices, and what is done with it.

The networks are those of ``dfd.bundle.training.regenerators``. Where there are none, the predictor
paints.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dfd.alterations.grid import between_slices, round_trip
from dfd.alterations.material import Material, between, detail, grain, like_grain
from dfd.alterations.replacement import painted, texture
from dfd.alterations.smoothing import denoised, guided
from dfd.records import FloatImage

TEXTURED_SHARE, ROUND_TRIP_SHARE = 0.3, 0.35
"""How often noise is laid over what a network drew, and how often it passes through another grid on
its way."""


def drawn(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """The picture of one of the networks; of the predictor where there are none."""
    painters = material.regenerate or ((material.paint,) if material.paint else ())
    if not painters:
        return np.asarray(gaussian_filter(material.pixels, rng.uniform(1.0, 3.0)), dtype=np.float32)
    return painted(painters[int(rng.integers(len(painters)))], material.pixels, share)


def regenerated(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Drawn anew; some of it with noise laid over, some of it resampled."""
    put = drawn(material, share, rng)
    if rng.random() < TEXTURED_SHARE:
        put = np.asarray(put + texture(material, share, rng), dtype=np.float32)
    return round_trip(put, rng) if rng.random() < ROUND_TRIP_SHARE else put


def cube(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """A cube taken to another grid, drawn anew in its middle, and brought back.

    The whole cube is resampled; only its middle is drawn. Sometimes the brighter of old and new is
    kept, as for a lesion put in.
    """
    moved = between_slices(material, share, rng) if rng.random() < 0.5 else material.pixels
    middle = np.clip(2.0 * gaussian_filter(share, 4.0) - 1.0, 0.0, 1.0).astype(np.float32)
    put = moved + middle * (drawn(material, share, rng) - moved)
    put = round_trip(np.asarray(put, dtype=np.float32), rng)
    return np.maximum(put, material.pixels) if rng.random() < 0.25 else put


def renoised(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Freed of its noise and given other noise with the same spectrum."""
    ways = (drawn, denoised, guided)
    ground = ways[int(rng.integers(len(ways)))](material, share, rng)
    crop = material.crop
    field = like_grain(crop.donor if rng.random() < 0.5 else crop.pixels, rng)[material.window]
    strength = grain(material.pixels, share) * between(rng, 0.6, 1.5)
    return np.asarray(ground + strength * field, dtype=np.float32)


def transplanted(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Freed of its noise and given that of another place."""
    width = rng.uniform(1.0, 3.0)
    ground, other = drawn(material, share, rng), detail(material.crop.donor, width)
    ratio = grain(material.pixels, share) / max(float(other.std()), 1e-3)
    strength = min(ratio, 4.0) * between(rng, 0.7, 1.4)
    return np.asarray(ground + strength * other[material.window], dtype=np.float32)
