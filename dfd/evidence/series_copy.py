"""Series evidence: is the noise of a region repeated in another slice of the series?

As copy-move evidence, of the pixels alone: other slices are not predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from dfd.evidence.best_matches import WHOLE_PIXELS
from dfd.evidence.copy_match import SearchedSlice
from dfd.evidence.copy_move import NO_PLACE, SOURCE, CopyMoveReference, find_copies
from dfd.evidence.copy_planes import corner_of, high_pass, levelled, pixels_of, surroundings
from dfd.evidence.cores import on_cores
from dfd.evidence.family import Measured, Need, RegionBatch, SliceInput
from dfd.evidence.search_plane import (
    ResidualPlanes,
    residual_window,
    search_plane,
    template_radius,
)
from dfd.intensity import SECOND_DIFFERENCE, assessed_pixels
from dfd.modalities import Modality
from dfd.records import Evidence, Family, Prediction, Region, SeriesSlice

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class SeriesReference:
    """One slice, and those that its regions may have been copied from."""

    reference: CopyMoveReference
    number: int
    """Of the other slices, whether or not anything is measured in them."""


def pixel_planes(pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """``[2, H, W]``: a high-pass of the pixels and their mixed second difference.

    Each over its local root mean square; 0 where not ``valid``.

    The second holds the finest grain and no straight edges along rows or columns; what the two
    share by chance is counted (``chance_correlations``).
    """
    filled = torch.where(valid, pixels, 0.0)
    # Where an adjacent pixel is not valid the difference would be that of the filling.
    whole = convolved(valid.float(), torch.ones(3, 3)) > 8.5
    second = convolved(filled, torch.tensor(SECOND_DIFFERENCE))
    return levelled(
        torch.stack([high_pass(filled, valid), torch.where(whole & valid, second, 0.0)]), valid
    )


def convolved(pixels: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """``[H, W]``: ``pixels`` with a symmetric ``kernel`` ``[3, 3]``; borders are repeated."""
    padded = torch.nn.functional.pad(pixels[None, None], (1, 1, 1, 1), mode="replicate")
    return torch.nn.functional.conv2d(padded, kernel.to(pixels.device)[None, None])[0, 0]


def _searched(
    other: SeriesSlice, radius: float, modality: Modality, device: torch.device
) -> SearchedSlice | None:
    """Another slice, to be searched for regions of ``radius``; None where it holds nothing.

    Its planes are kept with it: many slices of a series are scored in turn.
    """
    name = SeriesCopyEvidence.name
    residual = _kept(other, name, lambda: _residual_of(other, modality, device))
    if residual is None:
        return None
    key = f"{name}, radius {template_radius(radius):g} px"
    plane = _kept(other, key, lambda: search_plane(residual, radius))
    return SearchedSlice(plane, other.name, own=False)


def _residual_of(
    other: SeriesSlice, modality: Modality, device: torch.device
) -> ResidualPlanes | None:
    assessed = assessed_pixels(other.pixels, modality)
    window = surroundings(assessed)
    if window is None:
        return None
    pixels = torch.as_tensor(np.asarray(other.pixels[window], dtype=np.float32), device=device)
    valid = torch.as_tensor(assessed[window], device=device)
    return residual_window(pixel_planes(pixels, valid), valid, corner_of(window))


def _residual_of_own(prediction: Prediction, device: torch.device) -> ResidualPlanes | None:
    window = surroundings(prediction.assessed)
    if window is None:
        return None
    pixels, valid = pixels_of(prediction, window, device)
    return residual_window(pixel_planes(pixels, valid), valid, corner_of(window))


def _kept(other: SeriesSlice, key: str, make: Callable[[], _Made]) -> _Made:
    if key not in other.prepared:
        other.prepared[key] = make()
    made: _Made = other.prepared[key]
    return made


def find_copies_in_series(regions: Sequence[Region], series: SeriesReference) -> Measured:
    """Best matches of the middles of ``regions`` with other places of the other slices."""
    name = SeriesCopyEvidence.name
    if not series.number:
        nothing = Evidence(name, float("nan"), obstacle=NO_PLACE)
        return Measured(np.full(len(regions), np.nan), lambda number: nothing)
    found = find_copies(regions, series.reference, WHOLE_PIXELS)
    return Measured(found.statistics, lambda number: replace(found[number], family=name))


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
        prediction, modality, device = (
            slice_input.prediction,
            slice_input.modality,
            slice_input.device,
        )
        others = slice_input.context.others
        searched = on_cores(
            partial(_searched, radius=slice_input.radius, modality=modality, device=device),
            others,
            device,
        )
        usable = tuple(one for one in searched if one is not None)
        own = _residual_of_own(prediction, device)
        return SeriesReference(CopyMoveReference(prediction, modality, own, usable), len(others))

    def measure(self, batch: RegionBatch, prepared: SeriesReference) -> Measured:
        """Evidence of each region, in order."""
        return find_copies_in_series(batch.regions, prepared)


FAMILY = SeriesCopyEvidence()
