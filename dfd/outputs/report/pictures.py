"""Pictures of the report, made while slices pass: small, encoded, and without a mark.

Circles are drawn by the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from dfd.modalities import Modality
from dfd.outputs import panels, screening_map
from dfd.outputs.overlay import NARROW, SliceImages
from dfd.outputs.panels import Box
from dfd.outputs.report.encoding import (
    LARGEST_SLICE,
    Picture,
    grey_picture,
    map_picture,
    rarity_levels,
    residual_levels,
    whole_slice,
)
from dfd.records import Context, Finding, FloatImage, Region, Screening, Slice

ZOOM = 3.0
"""Radii to each side of the region in the crops."""
_SMALLEST_HALF = 16


@dataclass(frozen=True, slots=True)
class Windowed:
    """One window and the crops seen through it."""

    name: str
    low: float
    high: float
    here: Picture
    below: Picture | None = None
    above: Picture | None = None
    clinical: bool = True
    chosen: bool = False
    """True of the one that the page opens with."""


@dataclass(frozen=True, slots=True)
class SourcePictures:
    """The place where the noise of the region stands again."""

    x: float
    y: float
    crop: Picture
    whole: Picture | None = None
    """The slice it lies in, where that is another one."""


@dataclass(frozen=True, slots=True)
class PointPictures:
    """What the page shows of one point."""

    region: Region
    whole: Picture
    windows: tuple[Windowed, ...]
    residual: Picture
    rarity: Picture | None = None
    """-log10 p around the point; None where it was not looked at."""
    distances_mm: tuple[float, float] | None = None
    source: SourcePictures | None = None


@dataclass(frozen=True, slots=True)
class ScreeningPictures:
    """What the page shows of a slice that was screened."""

    whole: Picture
    rarity: Picture


@dataclass(frozen=True)
class PointView:
    """A slice and what lies beside it, while it is at hand."""

    images: SliceImages
    context: Context | None = None
    sources: Mapping[str, FloatImage] = field(default_factory=dict)
    """Other slices of the series, by name."""

    @property
    def scan(self) -> Slice:
        """The slice."""
        return self.images.scan


def of_point(
    view: PointView,
    whole: Picture,
    region: Region,
    finding: Finding,
    rarity: FloatImage | None = None,
) -> PointPictures:
    """The pictures of one point.

    ``whole`` is shared by the points of a slice, ``rarity`` is ``[H, W]`` -log10 p or None.
    """
    scan = view.scan
    box = crop_box(region, scan.pixels.shape)
    windows = _windows(view, region, box, finding.tissue)
    residual = map_picture(residual_levels(view.images.octaves[box]), panels.lookup_table(), box)
    shown = (
        None
        if rarity is None
        else map_picture(rarity_levels(rarity[box]), screening_map.lookup_table(), box)
    )
    distances = view.context.distances_mm if view.context else None
    first = next(window for window in windows if window.chosen)
    return PointPictures(
        region, whole, windows, residual, shown, distances, _source(view, region, finding, first)
    )


def of_screening(scan: Slice, screening: Screening, modality: Modality) -> ScreeningPictures:
    """The slice and its map of -log10 p."""
    grey = panels.grey_image(scan, panels.display_window(scan, modality))
    whole = (slice(0, scan.pixels.shape[0]), slice(0, scan.pixels.shape[1]))
    rarity = map_picture(
        rarity_levels(screening.map), screening_map.lookup_table(), whole, LARGEST_SLICE
    )
    return ScreeningPictures(whole_slice(scan, grey), rarity)


def crop_box(region: Region, shape: tuple[int, ...]) -> Box:
    """A square around a region, moved inwards where it would reach beyond the slice."""
    side = min(2 * max(round(ZOOM * region.radius_px), _SMALLEST_HALF) + 1, *shape)
    top, left = (
        int(np.clip(round(at) - side // 2, 0, extent - side))
        for at, extent in zip((region.y, region.x), shape, strict=True)
    )
    return slice(top, top + side), slice(left, left + side)


def _windows(view: PointView, region: Region, box: Box, tissue: str) -> tuple[Windowed, ...]:
    scan, context, modality = view.scan, view.context, view.images.modality
    planes = {"here": scan.pixels} | (
        {"below": context.below, "above": context.above} if context else {}
    )
    narrow = panels.display_window(
        replace(scan, pixels=scan.pixels[box], valid=scan.valid[box]),
        modality,
        panels.disk(box, region, NARROW),
    )
    limits = [(name, window, True) for name, window in _presets(scan, modality)]
    usual = next((each.name for each in modality.presets if tissue in each.tissues), limits[0][0])
    made = []
    for name, window, clinical in [*limits, ("narrow", narrow, False)]:
        seen = {role: grey_picture(plane[box], box, window) for role, plane in planes.items()}
        made.append(
            Windowed(
                name,
                *window,
                seen["here"],
                seen.get("below"),
                seen.get("above"),
                clinical,
                name == usual,
            )
        )
    return tuple(made)


def _presets(scan: Slice, modality: Modality) -> list[tuple[str, tuple[float, float]]]:
    if not modality.relative:
        return [(each.name, (each.low, each.high)) for each in modality.presets]
    measured = scan.pixels[scan.valid & np.isfinite(scan.pixels)]
    found = []
    for each in modality.presets:
        low, high = (
            (float(value) for value in np.percentile(measured, (each.low, each.high)))
            if measured.size
            else (0.0, 1.0)
        )
        found.append((each.name, (low, high if high > low else low + 1.0)))
    return found


def _source(
    view: PointView, region: Region, finding: Finding, window: Windowed
) -> SourcePictures | None:
    """Where the same noise stands.

    None where nothing was copied, or the slice it comes from is not at hand.
    """
    if finding.source_x is None or finding.source_y is None:
        return None
    at = replace(region, x=finding.source_x, y=finding.source_y)
    pixels = view.sources.get(finding.source_file) if finding.source_file else view.scan.pixels
    if pixels is None:
        return None
    box = crop_box(at, pixels.shape)
    whole = None
    if finding.source_file:
        other = replace(view.scan, pixels=pixels, valid=np.isfinite(pixels))
        whole = whole_slice(
            other, panels.grey_image(other, panels.display_window(other, view.images.modality))
        )
    return SourcePictures(
        at.x, at.y, grey_picture(pixels[box], box, (window.low, window.high)), whole
    )
