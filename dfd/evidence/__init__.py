"""The tables of evidence families. A new one is one file beside this one and one line here; families without an entry are not offered to users.

Each is a module with ``FAMILY``, ``DIRECTION``, ``SOURCE``, ``prepare(prediction, radius, modality)`` (once per slice and radius; families may
share it) and ``measure(region, prepared)``. Those of ``NEIGHBOURED`` are prepared with the slice's ``Context`` as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from dfd.evidence import copy_move, neighbours, noise, synthesis, tables
from dfd.evidence.tables import SliceTables
from dfd.modalities import Modality
from dfd.records import Context, Evidence, Prediction, Region

_Prepared = TypeVar("_Prepared")

OFFERED: dict[str, Any] = {
    noise.FAMILY: noise,
    copy_move.FAMILY: copy_move,
    synthesis.FAMILY: synthesis,
}
NEIGHBOURED: dict[str, Any] = {neighbours.FAMILY: neighbours}
"""Families that are offered beside those where the slices above and below are at hand."""

THREADS = 8
"""More would only wait for the interpreter."""
GRID_FAMILIES = tuple(family for family, module in OFFERED.items() if hasattr(module, "score_grid"))
"""Families that measure all windows of a slice at once."""


class SliceEvidence:
    """Measures regions of one slice by every family that is offered; what families share is prepared once for each radius.

    ``context``: the slices above and below, where they are at hand.
    """

    def __init__(self, prediction: Prediction, modality: Modality, context: Context | None = None) -> None:
        self.prediction, self.modality = prediction, modality
        # Made once, since what is prepared is kept by who prepares it.
        beside = {} if context is None else {each: partial(each.prepare, context=context) for each in NEIGHBOURED.values()}
        self._families: list[tuple[Any, Callable[..., Any]]] = [*((each, each.prepare) for each in OFFERED.values()), *beside.items()]
        self._prepared: dict[tuple[Callable[..., Any], float], Any] = {}

    def windows(self, radius: float) -> SliceTables:
        """The slice's own windows for regions of ``radius`` (pixels)."""
        prepared: SliceTables = self._of(tables.prepare, radius)
        return prepared

    def measure(self, region: Region) -> Sequence[Evidence]:
        """One piece of evidence per family, in the order of the tables."""
        return [module.measure(region, self._of(prepare, region.radius_px)) for module, prepare in self._families]

    def measure_all(self, regions: Sequence[Region]) -> list[Sequence[Evidence]]:
        """The same for many regions, on every core: the search for copies, most of the work, leaves the interpreter free."""
        for radius in {region.radius_px for region in regions}:
            for _, prepare in self._families:
                self._of(prepare, radius)
        with ThreadPoolExecutor(max_workers=max(1, min(THREADS, os.cpu_count() or 1, len(regions)))) as pool:
            return list(pool.map(self.measure, regions))

    def _of(self, prepare: Callable[..., _Prepared], radius: float) -> _Prepared:
        if (prepare, radius) not in self._prepared:
            self._prepared[prepare, radius] = prepare(self.prediction, radius, self.modality)
        prepared: _Prepared = self._prepared[prepare, radius]
        return prepared
