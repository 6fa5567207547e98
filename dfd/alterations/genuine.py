"""What changes a genuine crop without being a forgery, so that the head must not take it for one.

Processing of a whole image, and bodies that look like a lesion under the noise that was there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dfd.alterations import grid
from dfd.alterations.encoding import in_blocks
from dfd.alterations.material import FINE_PX, Material, between, detail, normal, smooth
from dfd.alterations.windows import near, places_in
from dfd.records import FloatImage

BODIES = 3
"""Most bodies in a crop."""
BODY_PX = (2.0, 14.0)
"""Their radii."""
BLUR_PX = (0.9, 3.0)
"""How softly they end: no scanner shows a sharper edge."""
REACH = 4.0
"""No part of them lies farther from their middle, in radii, before they are stretched; nor does a
blur reach farther, in its widths."""
CONTRAST = (2.0, 60.0)
"""How much brighter or darker they are, in units of the noise scale."""


def processed(material: Material, rng: Generator) -> Material:
    """All images of the material processed alike."""
    kind, seed = rng.random(), int(rng.integers(2**31))
    gain, width = rng.uniform(-0.7, 1.2), rng.uniform(0.5, 1.2)
    step, strength = between(rng, 0.3, 2.0), between(rng, 0.2, 1.0)

    def change(image: FloatImage, number: int) -> FloatImage:
        own = np.random.default_rng([seed, number])
        if kind < 0.4:
            return grid.round_trip(image, np.random.default_rng(seed))
        if kind < 0.8:
            return np.asarray(image + gain * detail(image, width), dtype=np.float32)
        noise = float(detail(image, FINE_PX).std())
        if kind < 0.9:
            return in_blocks(image, step * noise)
        added = gaussian_filter(normal(image.shape, own), 0.5 * width)
        return np.asarray(image + strength * noise * added, dtype=np.float32)

    images = [
        change(each, number)
        for number, each in enumerate((material.pixels, material.donor, material.above))
    ]
    return replace(material, pixels=images[0], donor=images[1], above=images[2])


def with_bodies(material: Material, rng: Generator) -> Material:
    """Soft bodies added to what is there, whose noise stays as it was.

    As a nodule, a vessel or a mass is to a scanner.
    """
    height, width = material.pixels.shape[:2]
    added = np.zeros((height, width), dtype=np.float32)
    for _ in range(int(rng.integers(1, BODIES + 1))):
        row, column = rng.uniform(0.0, height), rng.uniform(0.0, width)
        radius = between(rng, *BODY_PX)
        turn, stretch = rng.uniform(0.0, np.pi), between(rng, 1.0, 2.5)
        blur = between(rng, *BLUR_PX)
        reach = REACH * radius * stretch + REACH * blur
        window = near((row, column), reach, added.shape)
        rows, columns = places_in(window)
        along = (rows - row) * np.cos(turn) + (columns - column) * np.sin(turn)
        across = (columns - column) * np.cos(turn) - (rows - row) * np.sin(turn)
        lobes = 0.5 * radius * smooth(along.shape, radius / 2.0, rng)
        inside = np.hypot(along / stretch, across) + lobes < radius
        contrast = between(rng, *CONTRAST) * float(rng.choice([-1.0, 1.0, 1.0, 1.0]))
        added[window] += contrast * gaussian_filter(inside.astype(np.float32), blur)
    images = [
        np.asarray(each + added, dtype=np.float32) for each in (material.pixels, material.above)
    ]
    return replace(material, pixels=images[0], above=images[1])
