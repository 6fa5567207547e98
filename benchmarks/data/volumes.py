"""Series as stacks of evenly spaced slices.

What an attacker who edits in three dimensions works on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import scans
from benchmarks.data.scans import Scan
from dfd.context.adjacent import WIDEST
from dfd.records import Context, SeriesSlice, SliceRef

ALL_SLICES = 10_000
"""Slices per series: all of them."""
GAP = 1.5
"""Where neighbours lie further apart than this many usual distances, or closer than its inverse, a
stack ends."""


@dataclass(frozen=True)
class Volume:
    """Slices without a gap between them."""

    patient: str
    series: str
    refs: tuple[SliceRef, ...]
    pixels: NDArray[np.float32]
    """``[S, H, W]``, NaN where there is no measurement."""
    spacing_mm: tuple[float, float, float]
    """Distance of (slices, rows, columns)."""


def volumes(modality: str, folds: Sequence[str]) -> Iterator[Volume]:
    """Every stack of the development patients of ``folds``.

    Slices that scoring would refuse are left out and end a stack.
    """
    for one in scans.select_series(modality, folds, ALL_SLICES):
        yield from to_volumes(list(scans.load([one], modality)))


def find_stack(stacks: Iterable[Volume], ref: SliceRef) -> tuple[Volume, int] | None:
    """The stack that holds a slice, and its place there: what a canvas needs beside the slice.

    None where the slice stands in no stack.
    """
    return next(((volume, volume.refs.index(ref)) for volume in stacks if ref in volume.refs), None)


def adjacent_slices(volume: Volume, place: int, thickness_mm: float | None) -> Context | None:
    """The context of a slice of a stack: the slices above and below.

    None at its ends, and where slices lie too far apart.
    """
    step = volume.spacing_mm[0]
    if not 0 < place < len(volume.refs) - 1 or (thickness_mm and step > WIDEST * thickness_mm):
        return None
    others = tuple(
        SeriesSlice(ref.path.name, pixels)
        for ref, pixels in zip(volume.refs, volume.pixels, strict=True)
        if ref != volume.refs[place]
    )
    return Context(volume.pixels[place - 1], volume.pixels[place + 1], (step, step), others=others)


def to_volumes(series: Sequence[Scan]) -> Iterator[Volume]:
    """The slices of one series as stacks of one phase and shape, cut at gaps.

    Slices without a position or pixel spacing are left out.
    """
    positioned = [
        scan
        for scan in series
        if scan.slice.ref.position_mm is not None and scan.slice.facts.spacing_mm is not None
    ]
    for phase, shape in sorted({(scan.slice.ref.phase, scan.pixels.shape) for scan in positioned}):
        members = [
            scan
            for scan in positioned
            if (scan.slice.ref.phase, scan.pixels.shape) == (phase, shape)
        ]
        members.sort(key=_position)
        steps = np.diff([_position(scan) for scan in members])
        usual = (
            float(np.median(steps)) if len(steps) else (members[0].slice.facts.thickness_mm or 1.0)
        )
        ends = [
            number + 1
            for number, step in enumerate(steps)
            if not usual / GAP <= step <= usual * GAP
        ]
        for first, last in zip([0, *ends], [*ends, len(members)], strict=True):
            yield _volume(members[first:last], usual)


def _position(scan: Scan) -> float:
    return float(scan.slice.ref.position_mm or 0.0)


def _volume(members: Sequence[Scan], step_mm: float) -> Volume:
    row, column = members[0].slice.facts.spacing_mm or (1.0, 1.0)
    refs = tuple(scan.slice.ref for scan in members)
    pixels = np.stack([scan.pixels for scan in members]).astype(np.float32)
    return Volume(
        members[0].source.patient,
        members[0].source.series,
        refs,
        pixels,
        (max(step_mm, 1e-3), row, column),
    )
