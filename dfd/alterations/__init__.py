"""Pseudo-forgeries.

Genuine crops altered in a known place, from which the head learns what alteration leaves behind.

No tampered example is needed, and none of these is meant to look convincing: what counts is the
trace in the grain (aligned self-made forgeries: Rajan et al. 2025, arXiv 2410.11835). A new
alteration is one function in a file beside this one and one line here. The forgers of the benchmark
are other code, written from the descriptions of real attacks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dfd.alterations import (
    encoding,
    grid,
    noise,
    regenerated,
    replacement,
    smoothing,
    warps,
)
from dfd.alterations.genuine import processed, with_bodies
from dfd.alterations.material import Alteration, Material
from dfd.alterations.shapes import draw_share
from dfd.alterations.windows import around
from dfd.records import BoolImage, FloatImage

ADDED: tuple[Alteration, ...] = (
    *(noise.white, noise.white, noise.signed, noise.coloured, noise.coloured, noise.banded),
    *(noise.matched, noise.matched, noise.sparse, noise.patterned, noise.multiplied),
)
"""Noise added to what is there; channel 0 of a label."""
REPLACED: tuple[Alteration, ...] = (
    *(grid.resampled, grid.resampled, grid.shifted, grid.between_slices),
    *(warps.warped, warps.grown),
    *(encoding.reencoded, encoding.posterised),
    *(smoothing.blurred, smoothing.denoised, smoothing.guided, smoothing.diffused),
    *(smoothing.sharpened,),
    *(replacement.filled, replacement.filled, replacement.spliced, replacement.spliced),
    *(replacement.body, replacement.body),
    *(regenerated.regenerated,) * 4,
    *(regenerated.cube,) * 3,
    *(regenerated.renoised, regenerated.transplanted),
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
BODIES_SHARE = 0.25
"""Crops with bodies like lesions in them, which are no forgery either."""
HALO_SHARE = 0.25
"""Of the replacements, those whose surroundings were resampled along with them."""
HALO_PX = 6.0
"""Width of the blur that gives these surroundings."""
MARGIN_PX, HALO_MARGIN_PX = 32, 40
"""What is altered reaches so far beyond an edit, or beyond one with its surroundings: farther than
any filter of an alteration sees."""


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
    material = varied(material, rng)
    pixels, shape = material.pixels, material.pixels.shape
    label, counted, kind = np.zeros((2, *shape), dtype=bool), np.ones(shape, dtype=bool), ""
    if rng.random() >= GENUINE_SHARE:
        form = 0 if rng.random() < ADDED_SHARE else 1
        pixels, share, kind = edit(material, draw_share(shape[0], rng), form, rng)
        label[form], counted = share > 0.5, (share <= 0.02) | (share > 0.5)
    return Altered(in_whole_steps(pixels, material.step), label, counted, kind)


def varied(material: Material, rng: Generator) -> Material:
    """Genuine material, some of it with bodies like lesions, some of it processed as a whole."""
    if rng.random() < BODIES_SHARE:
        material = with_bodies(material, rng)
    if rng.random() < PROCESSED_SHARE:
        material = processed(material, rng)
    return material


def edit(
    material: Material, share: FloatImage, form: int, rng: Generator
) -> tuple[FloatImage, FloatImage, str]:
    """One edit of a form (its place in ``FORMS``) where ``share`` says.

    Gives the pixels, the share with the surroundings that were resampled along, and the name of the
    alteration.
    """
    table = (ADDED, REPLACED)[form]
    alteration = table[int(rng.integers(len(table)))]
    window = around(share, MARGIN_PX)
    part, pixels = material.cut(window), material.pixels.astype(np.float32)
    pixels[window] += share[window] * (alteration(part, share[window], rng) - part.pixels)
    if form == 1 and rng.random() < HALO_SHARE:
        share = with_halo(material, share, pixels, rng)
    return pixels, share, getattr(alteration, "__name__", "")


def with_halo(
    material: Material, share: FloatImage, pixels: FloatImage, rng: Generator
) -> FloatImage:
    """Resamples what surrounds the edit of ``pixels`` ``[S, S]``, in place; gives the wider share.

    ``share``: ``[S, S]``, of the edit.
    """
    window = around(share, HALO_MARGIN_PX)
    part, genuine, wider = share[window], material.pixels[window], share.copy()
    wider[window] = np.maximum(part, np.clip(6.0 * gaussian_filter(part, HALO_PX), 0.0, 1.0))
    pixels[window] += (wider[window] - part) * (grid.round_trip(genuine, rng) - genuine)
    return wider


def in_whole_steps(pixels: FloatImage, step: float) -> FloatImage:
    """``pixels`` as whole multiples of ``step``; as they are where that is 0."""
    if step > 0:
        pixels = np.rint(pixels / step) * step
    return np.asarray(pixels, dtype=np.float32)


__all__ = [
    "ADDED",
    "FORMS",
    "REPLACED",
    "Altered",
    "Material",
    "alter",
    "edit",
    "in_whole_steps",
    "varied",
]
