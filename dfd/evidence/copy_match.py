"""One match of a region's noise, in numbers and in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dfd.evidence.copy_transforms import Transform, back_matrices, parameters_of
from dfd.evidence.search_plane import SearchPlane
from dfd.records import Region
from dfd.sentences import Sentence, named

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


@dataclass(frozen=True, slots=True)
class Match:
    """A place that resembles a template."""

    transform: Transform
    row: float
    column: float
    """In the slice that was searched."""
    correlations: tuple[float, float]
    """Of both planes."""


def counterpart(
    match: Match, place: Region, region: Region, shape: tuple[int, ...]
) -> tuple[float, float]:
    """(row, column) of the copy of the middle of ``region``, where ``place`` has ``match``.

    Never outside a slice of ``shape``.
    """
    back = back_matrices(parameters_of((match.transform,)))[0]
    steps = torch.linalg.solve(
        back, torch.tensor([region.y - place.y, region.x - place.x], dtype=back.dtype)
    )
    row, column = (
        min(max(start + float(step), 0.0), size - 1.0)
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
