"""Which slices of its series lie next to a slice, from headers alone, and notes on them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dfd.image_kinds import kind_of
from dfd.reading.content import is_nifti
from dfd.reading.copies import uids_shared
from dfd.reading.series import SAME_POSITION_MM
from dfd.records import Series, Slice, SliceRef
from dfd.sentences import quoted

GAP = 1.5
"""A neighbour farther away than this many usual distances of its series, or nearer than its
inverse, is none: a slice is missing or doubled."""
WIDEST = 2.0
"""Thicknesses beyond which slices are too far apart to share tissue or noise, as in thinned series
and localizers."""
MOST_OTHERS = 40
"""Nearest slices of a series that are searched for what was copied."""
SLANT = 0.75
"""Sideways shift of a neighbour's first pixel per mm of distance, above which the same pixel shows
another place; gantries tilt up to 30 degrees (0.58)."""
SMALLEST_SHIFT_MM = 1.0
"""Sideways shift that is never too much: headers are rounded, and this is about a pixel."""
SAME_SPACING = 0.01
"""Relative difference of the sides of a pixel up to which they are the same."""


class AdjacentRefs(NamedTuple):
    """Where the slices next to one lie."""

    below: SliceRef
    above: SliceRef
    distances_mm: tuple[float, float] | None
    """Of (below, above); None where the file names no positions."""
    series_refs: tuple[SliceRef, ...]
    """All slices that are searched for what was copied."""


def adjacent_refs(scan: Slice, series: Sequence[Series]) -> AdjacentRefs | None:
    """The slices next to ``scan`` in its series, without a gap.

    None where either of them is missing.
    """
    whole = series_holding(scan.ref, series)
    if whole is None:
        return None
    own = place_in(whole, scan.ref)
    if own is None:
        return None
    alike = _stack_of(own, whole)
    place = alike.index(own)
    if not 0 < place < len(alike) - 1:
        return None
    below, above = alike[place - 1], alike[place + 1]
    first = max(0, min(place - MOST_OTHERS // 2, len(alike) - 1 - MOST_OTHERS))
    series_refs = tuple(ref for ref in alike[first : first + MOST_OTHERS + 1] if ref is not own)
    positions = [ref.position_mm for ref in alike if ref.position_mm is not None]
    if len(positions) < len(alike):
        # A volume is a stack even where nobody says how it lies; the frames of a DICOM file may as
        # well be moments.
        return AdjacentRefs(below, above, None, series_refs) if is_nifti(own.path) else None
    usual = statistics.median_low(
        [after - before for before, after in itertools.pairwise(positions)]
    )
    thickness = scan.facts.thickness_mm
    steps = (positions[place] - positions[place - 1], positions[place + 1] - positions[place])
    near = all(
        usual / GAP <= step <= usual * GAP and not (thickness and step > WIDEST * thickness)
        for step in steps
    )
    straight = all(
        _shift(own, ref, step) <= max(SLANT * step, SMALLEST_SHIFT_MM)
        for ref, step in zip((below, above), steps, strict=True)
    )
    return AdjacentRefs(below, above, steps, series_refs) if near and straight else None


def _stack_of(own: SliceRef, whole: Series) -> list[SliceRef]:
    """The slices of the phase of ``own``, in order.

    Where a position was written twice, the second slice there is a phase of its own. It stands in
    the stack of the first phase then, in place of the slice that it was acquired with.
    """
    alike = [ref for ref in whole.slices if ref.phase == own.phase]
    if len(alike) > 1 or own.phase != 1:
        return alike
    first = [ref for ref in whole.slices if ref.phase == 0]
    taken = next((ref for ref in first if _together(ref, own)), None)
    return alike if taken is None else [own if ref is taken else ref for ref in first]


def _together(one: SliceRef, two: SliceRef) -> bool:
    """Whether two slices lie at one place and are of one acquisition."""
    if one.position_mm is None or two.position_mm is None or one.acquired != two.acquired:
        return False
    return abs(one.position_mm - two.position_mm) <= SAME_POSITION_MM


def _shift(one: SliceRef, two: SliceRef, step: float) -> float:
    """How far the first pixels of two slices lie apart sideways, in mm.

    0 where a header does not say.
    """
    if not one.corner_mm or not two.corner_mm:
        return 0.0
    return math.sqrt(max(0.0, math.dist(one.corner_mm, two.corner_mm) ** 2 - step**2))


def series_holding(ref: SliceRef, series: Sequence[Series]) -> Series | None:
    """Which of ``series`` holds the slice that lies at ``ref``, or one that it is a copy of."""
    return next((one for one in series if place_in(one, ref) is not None), None)


def place_in(series: Series, ref: SliceRef) -> SliceRef | None:
    """The slice of ``series`` that lies at ``ref``, or that the file there is a copy of."""
    own = (each for each in series.slices if same_place(each, ref))
    copied = (original for copy, original in series.copies if same_place(copy, ref))
    return next(itertools.chain(own, copied), None)


def same_place(ref: SliceRef, other: SliceRef) -> bool:
    """Whether both name one frame of one file."""
    return (ref.path, ref.frame) == (other.path, other.frame)


def comparable(other: Slice, scan: Slice) -> bool:
    """Whether a pixel of ``other`` shows what the same pixel of ``scan`` does.

    That is: the same matrix, unit, kind of image and size of pixels.
    """
    one, two = other.facts, scan.facts
    if other.pixels.shape != scan.pixels.shape or one.unit != two.unit:
        return False
    if kind_of(one).name != kind_of(two).name or bool(one.spacing_mm) != bool(two.spacing_mm):
        return False
    sides = zip(one.spacing_mm or (), two.spacing_mm or (), strict=True)
    return all(abs(a / b - 1.0) <= SAME_SPACING for a, b in sides)


def name_from(path: Path, own: Path) -> str:
    """How a file is called from the folder of ``own`` on."""
    return str(path.relative_to(own.parent)) if path.is_relative_to(own.parent) else path.name


def rivals_of(ref: SliceRef, series: Sequence[Series]) -> list[SliceRef]:
    """Other slices of its series.

    In other files, at the place and of the acquisition of a slice.
    """
    whole = series_holding(ref, series)
    own = None if whole is None else place_in(whole, ref)
    if whole is None or own is None:
        return []
    return [each for each in whole.slices if each.path != own.path and _together(each, own)]


def notes_on(ref: SliceRef, series: Sequence[Series], same: Sequence[SliceRef] = ()) -> list[str]:
    """Sentences on copies of a slice in its folder and on others that carry its SOPInstanceUID.

    Args:
        ref: The slice.
        series: Those of its folder.
        same: Slices at its place that were found to hold the same pixels.
    """
    whole = series_holding(ref, series)
    own = None if whole is None else place_in(whole, ref)
    if whole is None or own is None:
        return []
    files = [own, *same, *(copy for copy, original in whole.copies if original is own)]
    names = sorted({name_from(one.path, ref.path) for one in files if one.path != ref.path})
    notes = []
    if len(names) == 1:
        notes.append(
            f"a copy of this file lies beside it ({quoted(names[0])}) and is no neighbour of it"
        )
    elif names:
        count = f"{len(names)} copies of this file lie beside it"
        notes.append(f"{count} ({quoted(names[0])} is one) and are no neighbours of it")
    others = uids_shared(whole.slices)[own.sop_uid] - 1
    if others > 0:
        notes.append(
            f"the SOPInstanceUID of this slice stands in other files too ({others}), whose slices "
            "differ: they are taken as different slices"
        )
    return notes
