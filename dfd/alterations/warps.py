"""Edits that move tissue: a field of displacements, as of a lesion that is made to grow."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, map_coordinates

from dfd.alterations.grid import ORDERS
from dfd.alterations.material import Material, between, normal
from dfd.records import FloatImage


def warped(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Moved by a smooth field of up to a few pixels."""
    shape, width = material.crop.pixels.shape, rng.uniform(3.0, 12.0)
    fields = [gaussian_filter(normal(shape, rng), width) for _ in range(2)]
    far = between(rng, 0.4, 4.0)
    places = [
        index + far * field[material.window] / (np.abs(field).max() + 1e-9)
        for index, field in zip(np.indices(share.shape), fields, strict=True)
    ]
    return _values_at(material.pixels, places, rng)


def grown(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Pulled outwards from the middle of the edit, or inwards."""
    inside = np.argwhere(share > 0.5)
    if not len(inside):
        return material.pixels
    rows, columns = np.indices(share.shape).astype(np.float64)
    (row, column), radius = inside.mean(axis=0), np.sqrt(len(inside) / np.pi)
    reach = np.hypot(rows - row, columns - column) / (radius * rng.uniform(0.6, 1.2))
    pull = 1.0 - between(rng, 0.1, 0.45) * float(rng.choice([-1.0, 1.0])) * np.exp(-(reach**2))
    places = [row + (rows - row) * pull, column + (columns - column) * pull]
    return _values_at(material.pixels, places, rng)


def _values_at(pixels: FloatImage, places: list[FloatImage], rng: Generator) -> FloatImage:
    order = int(rng.choice(ORDERS))
    return np.asarray(
        map_coordinates(pixels, places, order=order, mode="nearest"), dtype=np.float32
    )
