"""Series evidence: is the noise of a region repeated in another slice of the series?

As copy-move evidence, of the pixels alone: other slices are not predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from scipy.ndimage import convolve

from dfd.evidence.copy_move import (
    NO_PLACE,
    SOURCE,
    CopyMoveReference,
    SearchedSlice,
    find_copy,
    reference_of,
)
from dfd.evidence.copy_planes import high_pass, levelled, pixels_of
from dfd.evidence.copy_transforms import QUICK_TRANSFORMS, Effort
from dfd.evidence.family import Measured, Need, RegionBatch, SliceInput
from dfd.evidence.search_plane import (
    Planes,
    ResidualPlanes,
    residual_window,
    search_plane,
    template_radius,
)
from dfd.intensity import SECOND_DIFFERENCE, assessed_pixels
from dfd.modalities import Modality
from dfd.records import BoolImage, Evidence, Family, FloatImage, Region, SeriesSlice

EFFORT = Effort(QUICK_TRANSFORMS, threads=1, refined=0)
"""As they are and mirrored only, and in whole pixels, since there are many slices."""

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class SeriesReference:
    """One slice, and those that its regions may have been copied from."""

    reference: CopyMoveReference
    number: int
    """Of the other slices, whether or not anything is measured in them."""


def pixel_planes(pixels: FloatImage, valid: BoolImage) -> Planes:
    """``[2, H, W]``: a high-pass of the pixels and their mixed second difference.

    Each over its local root mean square; 0 where not ``valid``.

    The second holds the finest grain and no straight edges along rows or columns; what the two
    share by chance is counted (``copy_search.search``).
    """
    filled = np.where(valid, pixels, 0.0).astype(np.float32)
    # Where an adjacent pixel is not valid the difference would be that of the filling.
    whole = convolve(valid.astype(np.float32), np.ones((3, 3), dtype=np.float32)) > 8.5
    second = convolve(filled, np.asarray(SECOND_DIFFERENCE, dtype=np.float32))
    return levelled((high_pass(filled, valid), np.where(whole & valid, second, 0.0)), valid)


def _searched(other: SeriesSlice, radius: float, modality: Modality) -> SearchedSlice | None:
    """Another slice, to be searched for regions of ``radius``; None where it holds nothing.

    Its planes are kept with it: many slices of a series are scored in turn.
    """
    name = SeriesCopyEvidence.name
    residual = _kept(other, name, lambda: _residual_of(other, modality))
    if residual is None:
        return None
    key = f"{name}, radius {template_radius(radius):g} px"
    plane = _kept(other, key, lambda: search_plane(residual, radius))
    return SearchedSlice(plane, other.name, own=False)


def _residual_of(other: SeriesSlice, modality: Modality) -> ResidualPlanes | None:
    valid = assessed_pixels(other.pixels, modality)
    return residual_window(pixel_planes(other.pixels, valid), valid) if valid.any() else None


def _kept(other: SeriesSlice, key: str, make: Callable[[], _Made]) -> _Made:
    if key not in other.prepared:
        other.prepared[key] = make()
    made: _Made = other.prepared[key]
    return made


def find_copy_in_series(region: Region, series: SeriesReference) -> Evidence:
    """Best match of the middle of ``region`` with other places of the other slices."""
    name = SeriesCopyEvidence.name
    if not series.number:
        return Evidence(name, float("nan"), obstacle=NO_PLACE)
    return replace(find_copy(region, series.reference, EFFORT), family=name)


class SeriesCopyEvidence:
    """How much better the noise of a region matches a place in another slice than by chance.

    Unitless, >= 0, 1 = about what the best of as many independent places gives, higher = more
    suspicious.
    """

    name = Family.SERIES_COPY.value
    title = "Copy from another slice"
    question = "Does the noise of the region stand in another slice of the series?"
    direction = (
        "higher = the noise of the region resembles a place in another slice more than chance "
        "allows"
    )
    source = SOURCE
    needs = frozenset({Need.CONTEXT, Need.SERIES})

    def prepare(self, slice_input: SliceInput) -> SeriesReference:
        """Planes and spectra of the slice and of the others."""
        prediction, modality = slice_input.prediction, slice_input.modality
        planes = pixel_planes(pixels_of(prediction), prediction.assessed)
        others = slice_input.context.others
        searched = [_searched(one, slice_input.radius, modality) for one in others]
        own = reference_of(prediction, planes, modality)
        usable = tuple(one for one in searched if one is not None)
        return SeriesReference(replace(own, searched=usable), len(others))

    def measure(self, batch: RegionBatch, prepared: SeriesReference) -> Measured:
        """The evidence of each region, in order."""
        return Measured.of(batch.map(partial(find_copy_in_series, series=prepared)))


FAMILY = SeriesCopyEvidence()
