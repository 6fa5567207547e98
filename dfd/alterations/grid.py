"""Edits that pass through another pixel grid.

What geometric processing leaves in the grain of whatever was edited.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.ndimage import affine_transform, gaussian_filter, spline_filter

from dfd.alterations.material import Material, between
from dfd.alterations.windows import Window
from dfd.records import FloatImage

ORDERS = (1, 3, 3)
"""Spline orders in use: linear and, more often, cubic."""
DOWN_SHARE, SMOOTHED_SHARE = 0.75, 0.25
"""How often the other grid is the coarser one, and how often it is reached with smoothing against
aliasing."""
PAD_PX = 12
"""The border is continued by so much before cubic splines are fitted, as in ``scipy.ndimage``."""


def on_grid(
    image: FloatImage, rows: NDArray[np.float64], columns: NDArray[np.float64], order: int
) -> FloatImage:
    """``[len(rows), len(columns)]``: the spline through ``image`` at every (row, column).

    As ``scipy.ndimage.map_coordinates`` of these places in its mode "nearest", one axis after the
    other, which takes a fraction of the time. ``order``: 1 or 3.
    """
    pad = PAD_PX if order > 1 else 0
    if pad:
        padded = np.pad(image, pad, mode="edge")
        image = np.asarray(spline_filter(padded, order, output=np.float32, mode="nearest"))
    for places in (rows, columns):
        size, reach = image.shape[0], (order + 1) // 2
        knots = np.arange(-reach, size + reach, dtype=np.float64)
        inside = np.clip(places + pad, reach - 1, size - reach)
        weights = BSpline.design_matrix(inside, knots, order).astype(np.float32)
        image = (weights @ image).T
    return image


def round_trip(pixels: FloatImage, rng: Generator) -> FloatImage:
    """To a grid 0.4 to 1.8 times as fine, shifted by a part of a pixel, and back by splines."""
    finer = between(rng, 0.4, 0.97) if rng.random() < DOWN_SHARE else between(rng, 1.05, 1.8)
    order, shift = int(rng.choice(ORDERS)), rng.uniform(-0.5, 0.5, 2)
    if finer < 1 and rng.random() < SMOOTHED_SHARE:
        pixels = np.asarray(gaussian_filter(pixels, 0.35 / finer), dtype=np.float32)
    there = [
        np.arange(np.ceil(side * finer) + 2) / finer + by
        for side, by in zip(pixels.shape, shift, strict=True)
    ]
    back = [(np.arange(side) - by) * finer for side, by in zip(pixels.shape, shift, strict=True)]
    other = on_grid(pixels, there[0], there[1], order)
    return np.ascontiguousarray(on_grid(other, back[0], back[1], order))


def turned(
    pixels: FloatImage,
    rng: Generator,
    *,
    size: tuple[float, float] = (0.8, 1.25),
    angle: float = 0.3,
    window: Window | None = None,
) -> FloatImage:
    """Scaled, rotated by up to ``angle`` (radians) and shifted by a part of a pixel.

    In one interpolation, about the middle of ``pixels``; gives a ``window`` of them.
    """
    rows, columns = window or (slice(0, pixels.shape[0]), slice(0, pixels.shape[1]))
    scale, by = between(rng, *size), rng.uniform(-angle, angle)
    matrix = np.array([[np.cos(by), -np.sin(by)], [np.sin(by), np.cos(by)]]) * scale
    centre, corner = (np.array(pixels.shape) - 1) / 2, np.array([rows.start, columns.start])
    offset = centre + matrix @ (corner - centre) + rng.uniform(-0.5, 0.5, 2)
    return np.asarray(
        affine_transform(
            pixels,
            matrix,
            offset=offset,
            output_shape=(rows.stop - rows.start, columns.stop - columns.start),
            order=int(rng.choice(ORDERS)),
            mode="nearest",
        ),
        dtype=np.float32,
    )


def resampled(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Nothing but the round trip."""
    return round_trip(material.pixels, rng)


def shifted(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Moved by a part of a pixel."""
    order, shape = int(rng.choice(ORDERS)), material.pixels.shape
    rows, columns = (
        np.arange(side) + by for side, by in zip(shape, rng.uniform(-0.5, 0.5, 2), strict=True)
    )
    return np.ascontiguousarray(on_grid(material.pixels, rows, columns, order))


def between_slices(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Interpolated between two slices, as a cube that was resampled along the body axis.

    Often resampled in its plane as well.
    """
    weight = rng.uniform(0.2, 0.8)
    mixed = np.asarray(weight * material.pixels + (1 - weight) * material.above, dtype=np.float32)
    return round_trip(mixed, rng) if rng.random() < 0.6 else mixed
