"""Pseudo-forgeries.

Genuine crops altered in a known place, from which the head learns what alteration leaves behind.

No tampered example is needed, and none of these is meant to look convincing: what counts is the
trace in the grain (aligned self-made forgeries: Rajan et al. 2025, arXiv 2410.11835). A new
alteration is one function in a file beside this one and one line here. The forgers of the benchmark
are other code, written from the descriptions of real attacks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dfd.alterations import grid, noise, replacement, smoothing
from dfd.alterations.material import Alteration, Material, detail
from dfd.alterations.shapes import draw_share
from dfd.records import BoolImage, FloatImage

ADDED: tuple[Alteration, ...] = (noise.white, noise.signed, noise.coloured, noise.banded)
"""Noise added to what is there; channel 0 of a label."""
REPLACED: tuple[Alteration, ...] = (
    *(grid.resampled, grid.resampled, grid.shifted, grid.between_slices),
    *(smoothing.blurred, smoothing.denoised, smoothing.sharpened),
    *(
        replacement.filled,
        replacement.filled,
        replacement.spliced,
        replacement.body,
        replacement.body,
    ),
)
"""Content generated, moved or processed; channel 1 of a label. What stands twice is drawn twice as
often."""
FORMS = ("added noise", "replaced content")

GENUINE_SHARE = 0.2
"""Crops in which nothing is edited."""
ADDED_SHARE = 0.3
"""Of the edits, those that add noise."""
PROCESSED_SHARE = 0.35
"""Crops that are processed as a whole before the edit: that alone is no forgery, and the head must
not take it for one."""
HALO_SHARE = 0.25
"""Of the replacements, those whose surroundings were resampled along with them."""


@dataclass(frozen=True)
class Altered:
    """A crop with what was done to it."""

    pixels: FloatImage
    """``[S, S]`` in noise units."""
    label: BoolImage
    """``[2, S, S]``, True where altered, by ``FORMS``."""
    counted: BoolImage
    """``[S, S]``, False on the soft edge of the edit, which belongs to neither side."""
    kind: str
    """Name of the alteration; empty where there is none."""


def alter(material: Material, rng: Generator) -> Altered:
    """A genuine crop, or one with one edit in it, in whole grey levels."""
    if rng.random() < PROCESSED_SHARE:
        material = _processed(material, rng)
    pixels, shape = material.pixels, material.pixels.shape
    label, counted, kind = np.zeros((2, *shape), dtype=bool), np.ones(shape, dtype=bool), ""
    if rng.random() >= GENUINE_SHARE:
        form = 0 if rng.random() < ADDED_SHARE else 1
        table = (ADDED, REPLACED)[form]
        alteration = table[int(rng.integers(len(table)))]
        share = draw_share(shape[0], rng)
        pixels = pixels + share * (alteration(material, share, rng) - pixels)
        if form == 1 and rng.random() < HALO_SHARE:
            wider = np.maximum(share, np.clip(6.0 * gaussian_filter(share, 6.0), 0.0, 1.0))
            pixels = pixels + (wider - share) * (
                grid.round_trip(material.pixels, rng) - material.pixels
            )
            share = wider
        label[form], counted = share > 0.5, (share <= 0.02) | (share > 0.5)
        kind = getattr(alteration, "__name__", "")
    if material.step > 0:
        pixels = np.rint(pixels / material.step) * material.step
    return Altered(np.asarray(pixels, dtype=np.float32), label, counted, kind)


def _processed(material: Material, rng: Generator) -> Material:
    """All images of the material processed alike."""
    if rng.random() < 0.5:
        seed = int(rng.integers(2**31))
        images = [
            grid.round_trip(each, np.random.default_rng(seed))
            for each in (material.pixels, material.donor, material.above)
        ]
    else:
        gain, width = rng.uniform(-0.7, 1.2), rng.uniform(0.5, 1.2)
        images = [
            np.asarray(each + gain * detail(each, width), dtype=np.float32)
            for each in (material.pixels, material.donor, material.above)
        ]
    return replace(material, pixels=images[0], donor=images[1], above=images[2])


__all__ = ["ADDED", "FORMS", "REPLACED", "Altered", "Material", "alter"]
