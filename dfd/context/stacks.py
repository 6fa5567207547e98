"""Slices of a series that follow each other without a gap."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence

from dfd.context.adjacent import GAP
from dfd.reading.content import is_nifti
from dfd.records import Series, SliceRef


def stacks_of(series: Series) -> list[tuple[SliceRef, ...]]:
    """The slices of ``series`` as stacks, each in order, all slices once.

    A stack is of one phase. It ends where the next slice lies farther away than ``GAP`` usual
    distances, or nearer than its inverse: a slice is missing or was written twice. Where a DICOM
    file names no position nobody knows what lies beside what, and each slice is a stack by itself;
    the slices of a NIfTI volume are one.
    """
    return [
        stack
        for _, members in itertools.groupby(series.slices, key=lambda ref: ref.phase)
        for stack in _without_gaps(tuple(members))
    ]


def _without_gaps(refs: tuple[SliceRef, ...]) -> Iterator[tuple[SliceRef, ...]]:
    positions = [ref.position_mm for ref in refs if ref.position_mm is not None]
    if len(positions) < len(refs):
        if all(is_nifti(ref.path) for ref in refs):
            yield refs
        else:
            yield from ((ref,) for ref in refs)
        return
    ends = _ends(positions)
    for first, last in itertools.pairwise((0, *ends, len(refs))):
        yield refs[first:last]


def _ends(positions: Sequence[float]) -> list[int]:
    """Where a stack ends: numbers of the slices that begin the next one."""
    steps = [after - before for before, after in itertools.pairwise(positions)]
    if not steps:
        return []
    usual = statistics.median_low(steps)
    return [
        number
        for number, step in enumerate(steps, start=1)
        if not usual / GAP <= step <= usual * GAP
    ]
