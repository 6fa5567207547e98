"""The tables of evidence families.

A new one is one file beside this one and one line here; families without an entry are not offered
to users.

Each is a module with ``FAMILY``, ``DIRECTION``, ``SOURCE``, ``prepare(prediction, radius,
modality)`` (once per slice and radius; families may share it) and ``measure(region, prepared)``.
Those of ``NEIGHBOURED`` are prepared with the slice's ``Context`` as well, those of ``ON_WINDOWS``
with what gives the slice's windows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from dfd.evidence import (
    adjacent_slices,
    copy_move,
    noise,
    reference_windows,
    screening_grid,
    series_copy,
    synthesis,
    texture,
)
from dfd.evidence.copy_search import QUICK_TRANSFORMS, TRANSFORMS, Effort
from dfd.evidence.reference_windows import SliceTables
from dfd.modalities import Modality
from dfd.progress import progress
from dfd.records import Context, Evidence, Prediction, Region

_Prepared = TypeVar("_Prepared")

OFFERED: dict[str, Any] = {
    noise.FAMILY: noise,
    copy_move.FAMILY: copy_move,
    synthesis.FAMILY: synthesis,
    texture.FAMILY: texture,
}
NEIGHBOURED: dict[str, Any] = {
    adjacent_slices.FAMILY: adjacent_slices,
    series_copy.FAMILY: series_copy,
}
"""Families that are offered beside those where the slices above and below are at hand."""
ON_WINDOWS: dict[str, Any] = {texture.FAMILY: texture}
"""Offered families that go on from the windows whose noise is measured."""

THREADS = 8
"""More would only wait for the interpreter."""


class SliceEvidence:
    """Measures regions of one slice by every family that is offered.

    What families share is prepared once for each radius.

    ``context``: the slices above and below, where they are at hand.
    """

    def __init__(
        self, prediction: Prediction, modality: Modality, context: Context | None = None
    ) -> None:
        self.prediction, self.modality = prediction, modality
        # Made once, since what is prepared is kept by who prepares it.
        beside = (
            {}
            if context is None
            else {each: partial(each.prepare, context=context) for each in NEIGHBOURED.values()}
        )
        self._families: list[tuple[Any, Callable[..., Any]]] = [
            *((each, each.prepare) for each in OFFERED.values()),
            *beside.items(),
        ]
        self._prepared: dict[tuple[Callable[..., Any], float], Any] = {}
        self._locks: dict[tuple[Callable[..., Any], float], Lock] = {}

    def windows(self, radius: float) -> SliceTables:
        """The slice's own windows for regions of ``radius`` (pixels)."""
        prepared: SliceTables = self._of(reference_windows.prepare, radius)
        return prepared

    def measure(self, region: Region) -> Sequence[Evidence]:
        """One piece of evidence per family, in the order of the tables."""
        return self.measure_all([region])[0]

    def measure_all(
        self, regions: Sequence[Region], *, quick: bool = False
    ) -> list[Sequence[Evidence]]:
        """The same for many regions, windows at once and the search for copies, most of the work.

        On every core.

        ``quick``: copies are looked for as they are and mirrored only, for searches of a whole
        slice; they are calibrated for themselves.
        """
        if not regions:
            return []
        cores = max(1, min(THREADS, os.cpu_count() or 1))
        threads = cores if len(regions) == 1 else 1
        effort = (
            Effort(QUICK_TRANSFORMS, threads, refined=0) if quick else Effort(TRANSFORMS, threads)
        )
        with ThreadPoolExecutor(max_workers=cores) as pool:
            for radius in {region.radius_px for region in regions}:
                for prepared in pool.map(
                    partial(self._of, radius=radius),
                    dict.fromkeys(prepare for _, prepare in self._families),
                ):
                    if isinstance(prepared, SliceTables):
                        reference_windows.look(
                            [region for region in regions if region.radius_px == radius], prepared
                        )
            sought = pool.map(lambda region: self._copies(region, effort), regions)
            copies = list(progress(sought, "measuring regions", len(regions)))
        return [
            [
                copied
                if module is copy_move
                else module.measure(region, self._of(prepare, region.radius_px))
                for module, prepare in self._families
            ]
            for region, copied in zip(regions, copies, strict=True)
        ]

    def _copies(self, region: Region, effort: Effort) -> Evidence:
        reference: copy_move.CopyMoveReference = self._of(copy_move.prepare, region.radius_px)
        return copy_move.measure(region, reference, effort=effort)

    def everywhere(self, like: Region) -> tuple[list[Region], list[Sequence[Evidence]]]:
        """Regions as large as ``like`` all over the slice, and the evidence of each.

        What the first family cannot measure is left out.
        """
        places = [
            replace(like, x=float(x), y=float(y))
            for x, y in screening_grid.centres(self.prediction.z.shape, like.radius_px)
        ]
        measured = [
            (region, found)
            for region, found in zip(places, self.measure_all(places, quick=True), strict=True)
            if not found[0].obstacle
        ]
        return [region for region, _ in measured], [found for _, found in measured]

    def _of(self, prepare: Callable[..., _Prepared], radius: float) -> _Prepared:
        # Whoever comes second waits: two families may ask for the same in two threads.
        with self._locks.setdefault((prepare, radius), Lock()):
            if (prepare, radius) not in self._prepared:
                # Handed over here: kept in the list of families it would tie this object to itself,
                # and its hundreds of megabytes to the collector.
                more = (
                    {"windows": self.windows}
                    if any(prepare is each.prepare for each in ON_WINDOWS.values())
                    else {}
                )
                self._prepared[prepare, radius] = prepare(
                    self.prediction, radius, self.modality, **more
                )
        prepared: _Prepared = self._prepared[prepare, radius]
        return prepared
