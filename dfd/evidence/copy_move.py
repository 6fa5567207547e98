"""Copy-move evidence: does the noise of a region stand a second time elsewhere?

Genuine noise never repeats, while anatomy looks alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dfd.evidence.copy_search import (
    QUICK_TRANSFORMS,
    THOROUGH,
    Effort,
    Ground,
    Match,
    Piece,
    Planes,
    cut,
    ground_of,
    search,
)
from dfd.evidence.reference_windows import NO_SUPPORT, dominant_tissue
from dfd.evidence.window_features import SUPPORT
from dfd.intensity import brightness_scale, tissue_map
from dfd.modalities import Modality
from dfd.prediction.masks import disk_within
from dfd.records import BoolImage, Evidence, FloatImage, Prediction, Region
from dfd.sentences import Sentence, named

FAMILY = "copy_move"
NO_PLACE = "the slice holds too few other places to compare the region with"
NO_NOISE = "the region or the slice holds no noise that could be compared"
DIRECTION = "higher = the noise of the region resembles another place more than chance allows"
SOURCE = (
    "masked normalised correlation after Padfield (IEEE TIP 2012) of masked-prediction residuals, "
    "against the same search's own null"
)

HIGH_PASS_PX = 0.6
"""Sigma of the Gaussian that is taken off the pixels: what is left is mostly noise, also where the
network foretells it."""
LOCAL_PX = 1.5
"""Sigma of the neighbourhood whose root mean square a residual is divided by: short, so that an
edge weighs no more than the noise beside it."""
LARGEST = 1.5
"""Residuals are cut here, in units of their neighbourhood."""
LEAST_SCALE = 0.1
"""No neighbourhood counts as quieter than this share of the slice's median: rounding of flat areas
is not noise."""
APART = 2.1
"""Radii of a piece within which a match is no finding: the two share pixels, and interpolated noise
is tied to what lies near."""
BESIDE = 0.65
"""Radii of the region by which more pieces lie beside its middle: a click is not a contour, and may
lie near the rim of what was copied."""
BESIDE_EFFORT = Effort(QUICK_TRANSFORMS, refined=0)
"""They are sought as they are and mirrored only, or they would cost four times what the middle
does."""
SHIFT_PX = 1.0
"""Shorter distances are not spelled out."""
TURN_DEGREES = 1.5
RESIZED = 0.02


@dataclass(frozen=True)
class CopyMoveReference:
    """One slice, prepared for all of its regions.

    And for those of other slices that may have been copied from it.
    """

    assessed: BoolImage
    """``[H, W]``."""
    labels: NDArray[np.int8]
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
    modality: Modality
    ground: Ground | None
    """None where nothing is assessed."""
    file: str = ""
    spacing_mm: tuple[float, float] | None = None
    """(row, column), where distances are told in mm."""


def prepare(
    prediction: Prediction,
    radius: float,
    modality: Modality,
    *,
    file: str = "",
    spacing_mm: tuple[float, float] | None = None,
) -> CopyMoveReference:
    """Residual planes of a slice and their spectra, made once for all regions.

    Whatever their radius.
    """
    return replace(
        reference_of(prediction, residual_planes(prediction), modality),
        file=file,
        spacing_mm=spacing_mm,
    )


def reference_of(prediction: Prediction, planes: Planes, modality: Modality) -> CopyMoveReference:
    """The slice with ``planes`` ``[2, H, W]`` to search."""
    known = prediction.assessed
    scale = brightness_scale(prediction.mean, known) if modality.relative else None
    labels = tissue_map(prediction.mean, known, modality, scale)
    return CopyMoveReference(
        known, labels, modality, ground_of(planes, known) if known.any() else None
    )


def residual_planes(prediction: Prediction) -> Planes:
    """``[2, H, W]``: z, and a high-pass of the pixels, each over its local root mean square.

    0 where nothing is assessed.

    z holds no structure but only what the neighbours did not foretell; the high-pass holds all of
    the noise, and edges.
    """
    known = prediction.assessed
    return levelled(
        (np.where(known, prediction.z, 0.0), high_pass(pixels_of(prediction), known)), known
    )


def pixels_of(prediction: Prediction) -> FloatImage:
    """``[H, W]``: the slice itself, 0 where nothing is assessed."""
    return np.where(
        prediction.assessed, prediction.mean + prediction.z * prediction.spread, 0.0
    ).astype(np.float32)


def high_pass(pixels: FloatImage, known: BoolImage) -> FloatImage:
    """``[H, W]``: ``pixels`` (0 where not ``known``) less their Gaussian mean over the known ones.

    0 elsewhere.
    """
    smooth = gaussian_filter(pixels, HIGH_PASS_PX) / np.maximum(
        gaussian_filter(known.astype(np.float32), HIGH_PASS_PX), 1e-6
    )
    return np.asarray(np.where(known, pixels - smooth, 0.0), dtype=np.float32)


def levelled(planes: Sequence[FloatImage], known: BoolImage) -> Planes:
    """``[2, H, W]``: ``planes`` (0 where not ``known``) over their local root mean square.

    Cut at ``LARGEST``.
    """
    near = np.maximum(gaussian_filter(known.astype(np.float32), LOCAL_PX), 1e-6)
    return np.stack([_levelled(plane, known, near) for plane in planes])


def _levelled(residual: FloatImage, known: BoolImage, near: FloatImage) -> FloatImage:
    """``residual`` over its local root mean square, cut at ``LARGEST``.

    A share ``near`` of each neighbourhood is known.
    """
    if not residual.any():
        return np.zeros(residual.shape, dtype=np.float32)
    # A single metal edge must not silence its surroundings.
    limit = 5.0 * float(np.sqrt(np.mean(residual[known].astype(np.float64) ** 2)))
    local = np.sqrt(
        np.maximum(
            gaussian_filter(np.clip(residual, -limit, limit).astype(np.float32) ** 2, LOCAL_PX)
            / near,
            0.0,
        )
    )
    floor = max(LEAST_SCALE * float(np.median(local[known])), 1e-6 * limit)
    return np.asarray(
        np.clip(residual / np.maximum(local, floor), -LARGEST, LARGEST), dtype=np.float32
    )


def measure(
    region: Region,
    reference: CopyMoveReference,
    others: Sequence[CopyMoveReference] = (),
    effort: Effort = THOROUGH,
    *,
    within: bool = True,
) -> Evidence:
    """Best match of the middle of ``region`` with other places of its slice.

    (unless not ``within``) and of ``others``, against chance.

    Unitless, >= 0, 1 = about what the best of as many independent places gives, higher = more
    suspicious. ``others`` are slices of the same series and matrix; the same place in them is left
    out, since overlapping slices share noise there. The region may be the copy or what was copied.
    """
    # Between pixels the piece would be interpolated, and what is copied exactly would no longer
    # match exactly.
    region = replace(region, x=float(round(region.x)), y=float(round(region.y)))
    tissue = dominant_tissue(region, reference.labels, reference.modality)
    if reference.ground is None or _share(region, region.radius_px, reference.assessed) < SUPPORT:
        return Evidence(FAMILY, float("nan"), tissue=tissue, obstacle=NO_SUPPORT)
    middle = cut(reference.ground, (region.y, region.x), region.radius_px)
    if _share(region, middle.radius, reference.assessed) < SUPPORT:
        return Evidence(FAMILY, float("nan"), tissue=tissue, obstacle=NO_SUPPORT)
    pieces = [(region, middle, effort)]
    if effort.refined:
        pieces += [
            (place, piece, replace(BESIDE_EFFORT, threads=effort.threads))
            for place, piece in _beside(region, middle.radius, reference)
        ]
    slices = [reference, *(other for other in others if other is not reference)]
    searched = [
        (number, one.ground)
        for number, one in enumerate(slices)
        if one.ground is not None and (within or number)
    ]
    searches = [
        (place, *search(piece, ground, APART * piece.radius, number, how))
        for place, piece, how in pieces
        for number, ground in searched
    ]
    # The best of many slices: their chances add up under the root. That of several pieces is paid
    # for in calibration.
    matches = [
        (place, found[0], float(np.sqrt(ordinary**2 + np.log(len(searched)))))
        for place, found, ordinary in searches
        if found
    ]
    if not matches:
        return Evidence(
            FAMILY,
            float("nan"),
            tissue=tissue,
            obstacle=NO_NOISE if any(ordinary for *_, ordinary in searches) else NO_PLACE,
        )
    # The first of equals: the region's own slice comes before a duplicate of it, and its middle
    # before what lies beside.
    place, best, ordinary = max(matches, key=lambda match: match[1].score / match[2])
    source, (row, column) = (
        slices[best.ground],
        _counterpart(best, place, region, reference.assessed.shape),
    )
    return Evidence(
        FAMILY,
        best.score / ordinary,
        measures_of(best, place),
        tissue,
        reason_for(best, place, source),
        source_x=column,
        source_y=row,
        source_file=source.file,
    )


def _beside(
    region: Region, radius: float, reference: CopyMoveReference
) -> list[tuple[Region, Piece]]:
    """Places beside the middle of ``region``.

    In whole pixels, whose disk of ``radius`` is measured, and their pieces.
    """
    step = round(BESIDE * region.radius_px)
    places = [
        replace(region, x=region.x + right * step, y=region.y + down * step)
        for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    usable = [place for place in places if _share(place, radius, reference.assessed) >= SUPPORT]
    return [
        (place, cut(reference.ground, (place.y, place.x), radius))
        for place in usable
        if reference.ground is not None
    ]


def _counterpart(
    match: Match, place: Region, region: Region, shape: tuple[int, ...]
) -> tuple[float, float]:
    """(row, column) of what the middle of ``region`` is where the piece at ``place`` stands again.

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


def reason_for(match: Match, region: Region, source: CopyMoveReference) -> str:
    """One plain sentence on where the noise stands again, and how."""
    told = measures_of(match, region)
    scale = region.radius_mm / region.radius_px if region.radius_mm else None
    unit = "px" if source.spacing_mm is None and scale is None else "mm"
    down, right = source.spacing_mm or (scale or 1.0, scale or 1.0)
    parts = [
        f"{abs(step) * by:.0f} {unit} {forward if step > 0 else backward}"
        for step, by, forward, backward in (
            (told["dx"], right, "to the right", "to the left"),
            (told["dy"], down, "down", "up"),
        )
        if abs(step) >= SHIFT_PX
    ]
    where = " and ".join(parts) or "at the same place"
    if match.ground:
        where += f" in {named(source.file) if source.file else 'another slice'}"
    turned = abs(told["degrees"]) >= TURN_DEGREES
    how = [
        *(["mirrored"] if match.transform.mirrored else []),
        *([f"rotated by {abs(told['degrees']):.0f} degrees"] if turned else []),
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
