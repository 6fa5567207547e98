"""Copy-move evidence: is the noise of a region repeated elsewhere?

Genuine noise never repeats, while anatomy looks alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.copy_planes import residual_planes
from dfd.evidence.copy_search import search
from dfd.evidence.copy_template import Match, Template, cut_template
from dfd.evidence.copy_transforms import QUICK_TRANSFORMS, THOROUGH, TRANSFORMS, Effort
from dfd.evidence.family import Measured, Need, RegionBatch, SliceInput
from dfd.evidence.reference_windows import NO_SUPPORT, dominant_tissue, labels_of
from dfd.evidence.search_plane import (
    Planes,
    ResidualPlanes,
    SearchPlane,
    residual_window,
    search_plane,
    template_radius,
)
from dfd.evidence.window_features import SUPPORT
from dfd.modalities import Modality
from dfd.prediction.masks import disk_within
from dfd.records import BoolImage, Evidence, Family, Prediction, Region
from dfd.sentences import Sentence, named

NO_PLACE = "the slice holds too few other places to compare the region with"
NO_NOISE = "the region or the slice holds no noise that could be compared"
SOURCE = (
    "masked normalised correlation after Padfield (IEEE TIP 2012) of masked-prediction residuals, "
    "against the same search's own null"
)

EXCLUSION_RADII = 2.1
"""Radii of a template within which a match does not count: the two share pixels, and interpolated
noise is tied to what lies near."""
OFFSET_RADII = 0.65
"""Radii of the region by which more templates lie off its middle: a click is not a contour, and may
lie near the rim of what was copied."""
OFFSET_EFFORT = Effort(QUICK_TRANSFORMS, refined=0)
"""They are searched for as they are and mirrored only, or they would cost four times what the
middle does."""
SHIFT_PX = 1.0
"""Shorter distances are not spelled out."""
TURN_DEGREES = 1.5
RESIZED = 0.02


@dataclass(frozen=True)
class SearchedSlice:
    """A slice that a region may have been copied from."""

    plane: SearchPlane
    file: str = ""
    """Its name in the answer."""
    spacing_mm: tuple[float, float] | None = None
    """(row, column), where distances are given in mm."""
    own: bool = True
    """Whether it is the slice of the region itself."""


@dataclass(frozen=True)
class CopyMoveReference:
    """One slice, prepared for its regions of about one radius."""

    assessed: BoolImage
    """``[H, W]``."""
    labels: NDArray[np.int8]
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
    modality: Modality
    residual: ResidualPlanes | None
    """What templates are cut from; None where nothing is assessed."""
    searched: tuple[SearchedSlice, ...] = ()
    """Where copies are searched."""


def prepare(
    prediction: Prediction,
    radius: float,
    modality: Modality,
    *,
    file: str = "",
    spacing_mm: tuple[float, float] | None = None,
) -> CopyMoveReference:
    """A slice to search for copies of its own regions of about this radius (pixels)."""
    reference = reference_of(prediction, residual_planes(prediction), modality)
    if reference.residual is None:
        return reference
    plane = search_plane(reference.residual, radius)
    return replace(reference, searched=(SearchedSlice(plane, file, spacing_mm),))


def reference_of(prediction: Prediction, planes: Planes, modality: Modality) -> CopyMoveReference:
    """The slice with ``planes`` ``[2, H, W]`` to cut templates from; nowhere is searched yet."""
    valid = prediction.assessed
    residual = residual_window(planes, valid) if valid.any() else None
    return CopyMoveReference(valid, labels_of(prediction, modality), modality, residual)


def find_copy(region: Region, reference: CopyMoveReference, effort: Effort = THOROUGH) -> Evidence:
    """Best match of the middle of ``region`` with other places, against chance.

    Unitless, >= 0, 1 = about what the best of as many independent places gives, higher = more
    suspicious. Of every slice that ``reference`` names the same place is left out, since
    overlapping slices share noise there. The region may be the copy or what was copied.
    """
    # Between pixels the template would be interpolated, and what is copied exactly would no longer
    # match exactly.
    region = replace(region, x=float(round(region.x)), y=float(round(region.y)))
    tissue = dominant_tissue(region, reference.labels, reference.modality)
    refused = partial(Evidence, CopyMoveEvidence.name, float("nan"), tissue=tissue)
    radii = (region.radius_px, template_radius(region.radius_px))
    if reference.residual is None or any(
        _share(region, radius, reference.assessed) < SUPPORT for radius in radii
    ):
        return refused(obstacle=NO_SUPPORT)
    searches = [
        (place, *search(template, one.plane, EXCLUSION_RADII * template.radius, number, how))
        for place, template, how in _templates(region, reference, reference.residual, effort)
        for number, one in enumerate(reference.searched)
    ]
    # The best of many slices: their chances add up under the root. That of several templates is
    # paid for in calibration.
    matches = [
        (place, candidates[0], float(np.sqrt(ordinary**2 + np.log(len(reference.searched)))))
        for place, candidates, ordinary in searches
        if candidates
    ]
    if not matches:
        nothing = NO_NOISE if any(ordinary for *_, ordinary in searches) else NO_PLACE
        return refused(obstacle=nothing)
    # The first of equals: the region's own slice comes before a duplicate of it, and its middle
    # before what lies off it.
    place, best, ordinary = max(matches, key=lambda match: match[1].score / match[2])
    source = reference.searched[best.slice_number]
    row, column = _counterpart(best, place, region, reference.assessed.shape)
    return Evidence(
        CopyMoveEvidence.name,
        best.score / ordinary,
        measures_of(best, place),
        tissue,
        reason_for(best, place, source),
        source_x=column,
        source_y=row,
        source_file=source.file,
    )


def _templates(
    region: Region, reference: CopyMoveReference, residual: ResidualPlanes, effort: Effort
) -> list[tuple[Region, Template, Effort]]:
    """The middle of ``region`` and, in a thorough search, places off it, in whole pixels.

    Of those only where the disk is measured.
    """
    places = [(region, effort)]
    if effort.refined:
        step, offset_effort = round(OFFSET_RADII * region.radius_px), OFFSET_EFFORT
        radius = template_radius(region.radius_px)
        for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            place = replace(region, x=region.x + right * step, y=region.y + down * step)
            if _share(place, radius, reference.assessed) >= SUPPORT:
                places.append((place, replace(offset_effort, threads=effort.threads)))
    return [
        (place, cut_template(residual, (place.y, place.x), region.radius_px), how)
        for place, how in places
    ]


def _counterpart(
    match: Match, place: Region, region: Region, shape: tuple[int, ...]
) -> tuple[float, float]:
    """(row, column) of the copy of the middle of ``region``, where ``place`` has ``match``.

    Never outside a slice of ``shape``.
    """
    steps = np.linalg.solve(
        match.transform.back, np.array([region.y - place.y, region.x - place.x])
    )
    row, column = (
        float(np.clip(start + step, 0.0, size - 1.0))
        for start, step, size in zip((match.row, match.column), steps, shape, strict=True)
    )
    return row, column


def measures_of(match: Match, region: Region) -> dict[str, float]:
    """The match in numbers.

    Steps to the other place in pixels, its transform, and how both planes agree.
    """
    return {
        "dx": match.column - region.x,
        "dy": match.row - region.y,
        "mirrored": float(match.transform.mirrored),
        "degrees": (match.transform.degrees + 180.0) % 360.0 - 180.0,
        "size": match.transform.size,
        "correlation of z": match.correlations[0],
        "correlation of pixels": match.correlations[1],
    }


def reason_for(match: Match, region: Region, source: SearchedSlice) -> str:
    """One plain sentence on where the noise is repeated, and how."""
    measures = measures_of(match, region)
    scale = region.radius_mm / region.radius_px if region.radius_mm else None
    unit = "px" if source.spacing_mm is None and scale is None else "mm"
    down, right = source.spacing_mm or (scale or 1.0, scale or 1.0)
    parts = [
        f"{abs(step) * by:.0f} {unit} {forward if step > 0 else backward}"
        for step, by, forward, backward in (
            (measures["dx"], right, "to the right", "to the left"),
            (measures["dy"], down, "down", "up"),
        )
        if abs(step) >= SHIFT_PX
    ]
    where = " and ".join(parts) or "at the same place"
    if not source.own:
        where += f" in {named(source.file) if source.file else 'another slice'}"
    turned = abs(measures["degrees"]) >= TURN_DEGREES
    how = [
        *(["mirrored"] if match.transform.mirrored else []),
        *([f"rotated by {abs(measures['degrees']):.0f} degrees"] if turned else []),
        *(
            [f"at {match.transform.size:.2f} of its size"]
            if abs(match.transform.size - 1.0) >= RESIZED
            else []
        ),
    ]
    return Sentence(
        f"the noise here also stands {', '.join([where, *how])} (correlation "
        f"{max(match.correlations):.2f})"
    )


def _share(region: Region, radius: float, assessed: BoolImage) -> float:
    """Share of the disk that is assessed; what lies outside the slice is not."""
    window, inside = disk_within(assessed.shape[0], assessed.shape[1], (region.x, region.y), radius)
    return float((inside & assessed[window]).sum() / max(np.pi * radius**2, 1.0))


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
        return prepare(slice_input.prediction, slice_input.radius, slice_input.modality)

    def measure(self, batch: RegionBatch, prepared: CopyMoveReference) -> Measured:
        """The evidence of each region, in order."""
        effort = (
            Effort(QUICK_TRANSFORMS, batch.threads, refined=0)
            if batch.quick
            else Effort(TRANSFORMS, batch.threads)
        )
        return Measured.of(batch.map(partial(find_copy, reference=prepared, effort=effort)))


FAMILY = CopyMoveEvidence()
