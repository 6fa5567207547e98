"""Copy-move evidence: is the noise of a region repeated elsewhere?

Genuine noise never repeats, while anatomy looks alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.evidence.best_matches import (
    QUICK,
    THOROUGH,
    BestMatches,
    Effort,
    Sought,
    best_matches,
)
from dfd.evidence.copy_match import Match, SearchedSlice, counterpart, measures_of, reason_for
from dfd.evidence.copy_planes import residual_of
from dfd.evidence.family import Measured, Need, RegionBatch, SliceInput
from dfd.evidence.reference_windows import NO_SUPPORT, dominant_tissue, labels_of
from dfd.evidence.running_sums import running_sums
from dfd.evidence.search_plane import ResidualPlanes, search_plane, template_radius
from dfd.evidence.window_features import CPU, SUPPORT
from dfd.modalities import Modality
from dfd.records import Evidence, Family, Prediction, Region

NO_PLACE = "the slice holds too few other places to compare the region with"
NO_NOISE = "the region or the slice holds no noise that could be compared"
SOURCE = (
    "masked normalised correlation after Padfield (IEEE TIP 2012) of masked-prediction residuals, "
    "against the same search's own null"
)

OFFSET_RADII = 0.45
"""Radii of the region by which more templates lie off its middle: a click is not a contour, and may
lie near the rim of what was copied."""
SAME_PX = 4.0
"""Matches whose sources lie this close are of one copy."""
OFFSETS = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""(row, column) of those templates, in such steps."""


@dataclass(frozen=True)
class CopyMoveReference:
    """One slice, prepared for its regions of about one radius."""

    prediction: Prediction
    modality: Modality
    residual: ResidualPlanes | None
    """What templates are cut from; None where nothing is assessed."""
    searched: tuple[SearchedSlice, ...] = ()
    """Where copies are searched."""

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
        return labels_of(self.prediction, self.modality)

    def tissue(self, region: Region) -> str:
        """Name of the tissue class of most of a region."""
        return dominant_tissue(region, self.labels, self.modality)


def prepare(
    prediction: Prediction,
    radius: float,
    modality: Modality,
    device: torch.device = CPU,
) -> CopyMoveReference:
    """A slice to search for copies of its own regions of about this radius (pixels)."""
    residual = residual_of(prediction, device)
    searched = () if residual is None else (SearchedSlice(search_plane(residual, radius)),)
    return CopyMoveReference(prediction, modality, residual, searched)


def find_copies(
    regions: Sequence[Region], reference: CopyMoveReference, effort: Effort = THOROUGH
) -> Measured:
    """Best match of the middle of each of ``regions`` with other places, against chance.

    Unitless, >= 0, 1 = about what the best of as many independent places gives, higher = more
    suspicious. A region may be the copy or what was copied. All have about one radius.
    """
    # Between pixels a template would be interpolated, and what is copied exactly would no longer
    # match exactly.
    whole = [replace(each, x=float(round(each.x)), y=float(round(each.y))) for each in regions]
    found = _found(whole, reference, effort)
    return Measured(found.statistics, found.record)


def _found(regions: Sequence[Region], reference: CopyMoveReference, effort: Effort) -> FoundCopies:
    residual, searched = reference.residual, reference.searched
    steps = torch.tensor([(0, 0), *OFFSETS] if effort.around else [(0, 0)])
    if residual is None or not regions:
        nothing = BestMatches.none(len(regions) * len(steps), len(searched), steps.device)
        return FoundCopies(regions, reference, np.zeros(len(regions), bool), steps, nothing)
    device, radius = residual.valid.device, regions[0].radius_px
    steps = (round(OFFSET_RADII * radius) * steps).to(device)
    middles = torch.tensor([(each.y, each.x) for each in regions]).long().to(device)
    places = middles[:, None] + steps
    assessed = torch.as_tensor(reference.prediction.assessed, device=device)
    measured = measured_shares(places, template_radius(radius), assessed) >= SUPPORT
    supported = measured[:, 0] & (measured_shares(middles, radius, assessed) >= SUPPORT)
    measured &= supported[:, None]
    matches = BestMatches.none(measured.numel(), len(searched), device)
    if supported.any() and searched:
        numbers = torch.full(measured.shape, -1, device=device)
        numbers[measured] = torch.arange(int(measured.sum()), device=device)
        sought = Sought(residual, places[measured], numbers[supported])
        matches.put(measured.flatten().nonzero()[:, 0], best_matches(sought, searched, effort))
    return FoundCopies(regions, reference, supported.cpu().numpy(), steps.cpu(), matches)


@dataclass(frozen=True)
class Shown:
    """A match, as it is shown."""

    match: Match
    place: Region
    """The template, which may lie off the middle of the region."""
    source: SearchedSlice
    row: float
    column: float
    """Where the middle of the region stands a second time."""


@dataclass(frozen=True)
class FoundCopies:
    """The best matches of regions, and the records that are made of them."""

    regions: Sequence[Region]
    """Their middles are whole pixels."""
    reference: CopyMoveReference
    supported: NDArray[np.bool_]
    """``[n]``: whether enough of a region is measured."""
    steps: torch.Tensor
    """``[o, 2]`` (row, column) from the middle of a region to its templates."""
    matches: BestMatches
    """``[n * o, s]``."""

    @cached_property
    def _relative(self) -> NDArray[np.float64]:
        """``[n, o * s]``, NaN where there is no match."""
        values: NDArray[np.float64] = self.matches.relative.cpu().numpy()
        return values.reshape(len(self.regions), -1)

    @property
    def statistics(self) -> NDArray[np.float64]:
        """``[n]``, NaN where there is no match."""
        highest = np.where(np.isnan(self._relative), -np.inf, self._relative).max(
            axis=1, initial=-np.inf
        )
        return np.where(np.isinf(highest), np.nan, highest)

    def record(self, number: int) -> Evidence:
        """Of one region."""
        region = self.regions[number]
        refused = partial(
            Evidence, CopyMoveEvidence.name, float("nan"), tissue=self.reference.tissue(region)
        )
        if not self.supported[number]:
            return refused(obstacle=NO_SUPPORT)
        relative = self._relative[number]
        if not np.isfinite(relative).any():
            count = len(self.steps)
            enough = self.matches.enough[number * count : (number + 1) * count].any()
            return refused(obstacle=NO_NOISE if enough else NO_PLACE)
        shown = self._shown(number)
        return Evidence(
            CopyMoveEvidence.name,
            float(relative.max(initial=-np.inf, where=np.isfinite(relative))),
            measures_of(shown.match, shown.place),
            self.reference.tissue(region),
            reason_for(shown.match, shown.place, shown.source),
            source_x=shown.column,
            source_y=shown.row,
            source_file=shown.source.file,
        )

    def _shown(self, number: int) -> Shown:
        """The match to show of a region: of those that agree on the place the closest.

        A copy that is hardly turned or resized is found as it is too, which tells less of it.
        """
        relative = self._relative[number]
        # The first of equals: the middle comes before what lies off it, and the region's own slice
        # before a duplicate of it.
        best = self._match(number, int(np.nanargmax(relative)))
        others = [self._match(number, int(each)) for each in np.flatnonzero(relative > 0)]
        near = [
            each
            for each in others
            if each.source is best.source
            and np.hypot(each.row - best.row, each.column - best.column) <= SAME_PX
        ]
        return max([best, *near], key=lambda each: min(each.match.correlations))

    def _match(self, number: int, place: int) -> Shown:
        """Of one template of a region in one of the slices searched."""
        region = self.regions[number]
        offset, slice_number = divmod(place, len(self.reference.searched))
        match = self.matches.match(number * len(self.steps) + offset, slice_number)
        down, right = (int(step) for step in self.steps[offset])
        middle = replace(region, x=region.x + right, y=region.y + down)
        row, column = counterpart(match, middle, region, self.reference.prediction.z.shape)
        return Shown(match, middle, self.reference.searched[slice_number], row, column)


def measured_shares(middles: torch.Tensor, radius: float, assessed: torch.Tensor) -> torch.Tensor:
    """``[...]``: share of each disk that is ``assessed`` (``[H, W]``); none is outside the slice.

    ``middles`` ``[..., 2]`` int64 (row, column).
    """
    counts = running_sums(assessed[None].float())
    inside = counts.over(middles.flatten(0, -2).flip(-1), radius)[:, 0]
    return inside.unflatten(0, middles.shape[:-1]) / max(np.pi * radius**2, 1.0)


class CopyMoveEvidence:
    """How much better the noise of a region matches another place of its slice than by chance.

    Unitless, >= 0, 1 = about what the best of as many independent places gives, higher = more
    suspicious.
    """

    name = Family.COPY_MOVE.value
    title = "Copy within the slice"
    question = "Does the noise of the region stand a second time in this slice?"
    direction = "higher = the noise of the region resembles another place more than chance allows"
    source = SOURCE
    needs: frozenset[Need] = frozenset()

    def prepare(self, slice_input: SliceInput) -> CopyMoveReference:
        """Residual planes of the slice and their spectra."""
        return prepare(
            slice_input.prediction, slice_input.radius, slice_input.modality, slice_input.device
        )

    def measure(self, batch: RegionBatch, prepared: CopyMoveReference) -> Measured:
        """Evidence of each region, in order."""
        return find_copies(batch.regions, prepared, QUICK if batch.quick else THOROUGH)


FAMILY = CopyMoveEvidence()
