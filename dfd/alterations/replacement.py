"""Content put in the place of what was there.

Painted over, taken from elsewhere, or a soft body that looks like a nodule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dfd.alterations.grid import round_trip, turned
from dfd.alterations.material import (
    Material,
    Paint,
    between,
    detail,
    grain,
    like_grain,
    normal,
    smooth,
)
from dfd.alterations.windows import around
from dfd.records import FloatImage

PAINTED_SHARE = 0.5
"""How often the inpainter's own picture is the ground of a fill; else a heavy blur is."""
SIGHT_PX = 16
"""A network sees at least so much around the edit. It learned from crops of 64 pixels."""


def texture(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """What a forger lays over generated content.

    Nothing, white, coloured, or noise with the spectrum of genuine grain (random phases).
    """
    shape, kind = material.pixels.shape, rng.random()
    if kind < 0.25:
        return np.zeros(shape, dtype=np.float32)
    field: NDArray[np.floating[Any]]
    if kind < 0.45:
        field = normal(shape, rng)
    elif kind < 0.75:
        field = smooth(shape, rng.uniform(0.4, 1.5), rng)
    else:
        crop = material.crop
        field = like_grain(crop.donor if rng.random() < 0.5 else crop.pixels, rng)
        field = field[material.window]
    return np.asarray(
        field * (grain(material.pixels, share) * between(rng, 0.4, 1.6)), dtype=np.float32
    )


def painted(paint: Paint, pixels: FloatImage, share: FloatImage) -> FloatImage:
    """``[H, W]``: the picture of one network around the edit, beyond it what was there."""
    window, picture = around(share, SIGHT_PX), pixels.astype(np.float32)
    picture[window] = paint(pixels[window], share[window])
    return picture


def filled(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Painted over, with texture."""
    if material.paint is not None and rng.random() < PAINTED_SHARE:
        ground = painted(material.paint, material.pixels, share)
    else:
        ground = np.asarray(
            gaussian_filter(material.pixels, rng.uniform(2.0, 8.0)), dtype=np.float32
        )
    return np.asarray(ground + texture(material, share, rng), dtype=np.float32)


def spliced(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Detail of another place on the ground of this one.

    Often resampled, scaled or turned on the way.
    """
    width, gain = rng.uniform(2.0, 6.0), between(rng, 0.6, 1.6)
    way = rng.random()
    source = material.crop if 0.4 <= way < 0.7 else material
    ground = gaussian_filter(source.pixels, width)
    put = np.asarray(ground + gain * detail(source.donor, width), dtype=np.float32)
    if way < 0.4:
        return round_trip(put, rng)
    return turned(put, rng, window=material.window) if way < 0.7 else put


def body(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """A soft-edged body of another brightness with texture.

    Often resampled, and often only where it is brighter than what was there.
    """
    inside = np.argwhere(share > 0.3)
    if not len(inside):
        return material.pixels
    rows, columns = np.ogrid[: share.shape[0], : share.shape[1]]
    (row, column), stretch = inside.mean(axis=0), rng.uniform(0.7, 1.4)
    radius = max(2.5, np.sqrt(len(inside) / np.pi) * rng.uniform(0.3, 0.9))
    lobes = 6.0 * gaussian_filter(normal(share.shape, rng), 3.0)
    distance = np.hypot((rows - row) * stretch, (columns - column) / stretch) + lobes
    level = np.percentile(material.crop.pixels, rng.uniform(40.0, 98.0))
    ground = gaussian_filter(material.pixels, 4.0)
    presence = 1.0 / (1.0 + np.exp((distance - radius) / rng.uniform(0.5, 2.0)))
    put = np.asarray(
        ground + (level - ground) * presence + texture(material, share, rng), dtype=np.float32
    )
    if rng.random() < 0.6:
        put = round_trip(put, rng)
    return np.maximum(put, material.pixels) if rng.random() < 0.6 else put
