"""A slice on its way through a run: asked about, read, assessed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dfd.assessment.criteria import NO_CONTEXT, SliceContext
from dfd.records import Finding, FloatImage, Point, Prediction, Region, Screening, Slice


@dataclass(frozen=True)
class SliceRequest:
    """A slice with all points that ask about it."""

    path: Path
    frame: int | None
    """Zero-based; None where the file holds one."""
    points: tuple[Point, ...]


@dataclass(frozen=True)
class LoadedSlice:
    """A slice that was read, or why it could not be."""

    points: tuple[Point, ...]
    scan: Slice | None
    error: str = ""
    """Why ``scan`` is None."""
    context: SliceContext = NO_CONTEXT


@dataclass(frozen=True)
class AssessedSlice:
    """The answers to all points of a slice."""

    findings: Sequence[Finding]
    """One per point, in order."""
    regions: Sequence[Region | None]
    """Of each finding; None where there is none."""
    prediction: Prediction | None = None
    """None where the slice could not be read."""
    screenings: Mapping[int, Screening] = field(default_factory=dict)
    """By row, of the points that ask about the slice as a whole."""
    sources: Mapping[str, FloatImage] = field(default_factory=dict)
    """Pixels of slices that were copied from, by name."""


def slice_requests(points: Sequence[Point]) -> list[SliceRequest]:
    """One per slice that is asked about, in order of first mention, with all its points.

    A slice is decoded and predicted once.
    """
    grouped: dict[tuple[Path, int | None], list[Point]] = defaultdict(list)
    for point in points:
        if point.path is not None and not point.error:
            grouped[point.path, point.frame].append(point)
    return [
        SliceRequest(path, None if frame is None else frame - 1, tuple(group))
        for (path, frame), group in grouped.items()
    ]
