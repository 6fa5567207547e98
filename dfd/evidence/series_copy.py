"""Does the noise of a region stand in another slice of the series?

As copy-move evidence, of the pixels alone: other slices are not predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import convolve

from dfd.evidence import copy_move
from dfd.evidence.copy_move import (
    NO_PLACE,
    SOURCE,
    CopyMoveReference,
    high_pass,
    levelled,
    pixels_of,
    reference_of,
)
from dfd.evidence.copy_search import QUICK_TRANSFORMS, Effort, Planes, ground_of
from dfd.intensity import assessed_pixels
from dfd.modalities import Modality
from dfd.prediction.residual_maps import SECOND_DIFFERENCE
from dfd.records import BoolImage, Context, Evidence, FloatImage, Prediction, Region, SeriesSlice

FAMILY = "series_copy"
DIRECTION = (
    "higher = the noise of the region resembles a place in another slice more than chance allows"
)
EFFORT = Effort(QUICK_TRANSFORMS, threads=1, refined=0)
"""As they are and mirrored only, and in whole pixels, since there are many slices."""


@dataclass(frozen=True)
class SeriesReference:
    """One slice and those that something may have been copied from."""

    own: CopyMoveReference
    others: tuple[CopyMoveReference, ...]


def pixel_planes(pixels: FloatImage, known: BoolImage) -> Planes:
    """``[2, H, W]``: a high-pass of the pixels and their mixed second difference.

    Each over its local root mean square; 0 where not ``known``.

    The second holds the finest grain and no straight edges along rows or columns; what the two
    share by chance is counted (``correlation.search``).
    """
    filled = np.where(known, pixels, 0.0).astype(np.float32)
    # Where a neighbour is not known the difference would be that of the filling.
    whole = convolve(known.astype(np.float32), np.ones((3, 3), dtype=np.float32)) > 8.5
    second = convolve(filled, np.asarray(SECOND_DIFFERENCE, dtype=np.float32))
    return levelled((high_pass(filled, known), np.where(whole & known, second, 0.0)), known)


def prepare(
    prediction: Prediction, radius: float, modality: Modality, context: Context
) -> SeriesReference:
    """Planes and spectra of the slice; those of the others are made once and kept with them."""
    own = reference_of(
        prediction, pixel_planes(pixels_of(prediction), prediction.assessed), modality
    )
    return SeriesReference(own, tuple(_reference_of(one, modality) for one in context.others))


def _reference_of(other: SeriesSlice, modality: Modality) -> CopyMoveReference:
    if FAMILY not in other.prepared:
        known = assessed_pixels(other.pixels, modality)
        ground = ground_of(pixel_planes(other.pixels, known), known) if known.any() else None
        other.prepared[FAMILY] = CopyMoveReference(
            known, np.zeros((0, 0), dtype=np.int8), modality, ground, other.name
        )
    reference: CopyMoveReference = other.prepared[FAMILY]
    return reference


def measure(region: Region, reference: SeriesReference) -> Evidence:
    """Best match of the middle of ``region`` with places of the other slices.

    But for the same place, against what such a search finds by chance.

    Unitless, >= 0, 1 = about what the best of as many independent places gives, higher = more
    suspicious. Source: see ``SOURCE``.
    """
    if not reference.others:
        return Evidence(FAMILY, float("nan"), obstacle=NO_PLACE)
    return replace(
        copy_move.measure(region, reference.own, reference.others, EFFORT, within=False),
        family=FAMILY,
    )


__all__ = ["DIRECTION", "FAMILY", "SOURCE", "SeriesReference", "measure", "pixel_planes", "prepare"]
