"""Edits that pass through another pixel grid.

What geometric processing leaves in the grain of whatever was edited.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import affine_transform, gaussian_filter

from dfd.alterations.material import Material, between
from dfd.records import FloatImage

ORDERS = (1, 3, 3)
"""Spline orders in use: linear and, more often, cubic."""
DOWN_SHARE, SMOOTHED_SHARE = 0.75, 0.25
"""How often the other grid is the coarser one, and how often it is reached with smoothing against
aliasing."""


def round_trip(pixels: FloatImage, rng: Generator) -> FloatImage:
    """To a grid 0.4 to 1.8 times as fine, shifted by a part of a pixel, and back by splines."""
    finer = between(rng, 0.4, 0.97) if rng.random() < DOWN_SHARE else between(rng, 1.05, 1.8)
    order, shift = int(rng.choice(ORDERS)), rng.uniform(-0.5, 0.5, 2)
    if finer < 1 and rng.random() < SMOOTHED_SHARE:
        pixels = np.asarray(gaussian_filter(pixels, 0.35 / finer), dtype=np.float32)
    side = int(np.ceil(pixels.shape[0] * finer)) + 2
    other = affine_transform(
        pixels,
        np.eye(2) / finer,
        offset=shift,
        output_shape=(side, side),
        order=order,
        mode="nearest",
    )
    back = affine_transform(
        other,
        np.eye(2) * finer,
        offset=-shift * finer,
        output_shape=pixels.shape,
        order=order,
        mode="nearest",
    )
    return np.asarray(back, dtype=np.float32)


def turned(
    pixels: FloatImage,
    rng: Generator,
    *,
    size: tuple[float, float] = (0.8, 1.25),
    angle: float = 0.3,
) -> FloatImage:
    """Scaled, rotated by up to ``angle`` (radians) and shifted by a part of a pixel.

    In one interpolation.
    """
    scale, by = between(rng, *size), rng.uniform(-angle, angle)
    matrix = np.array([[np.cos(by), -np.sin(by)], [np.sin(by), np.cos(by)]]) * scale
    centre = (np.array(pixels.shape) - 1) / 2
    offset = centre - matrix @ centre + rng.uniform(-0.5, 0.5, 2)
    return np.asarray(
        affine_transform(
            pixels, matrix, offset=offset, order=int(rng.choice(ORDERS)), mode="nearest"
        ),
        dtype=np.float32,
    )


def resampled(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Nothing but the round trip."""
    return round_trip(material.pixels, rng)


def shifted(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Moved by a part of a pixel."""
    return turned(material.pixels, rng, size=(1.0, 1.0), angle=0.0)


def between_slices(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Interpolated between two slices, as a cube that was resampled along the body axis.

    Often resampled in its plane as well.
    """
    weight = rng.uniform(0.2, 0.8)
    mixed = np.asarray(weight * material.pixels + (1 - weight) * material.above, dtype=np.float32)
    return round_trip(mixed, rng) if rng.random() < 0.6 else mixed
