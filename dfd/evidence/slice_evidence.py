"""One slice measured by every family of evidence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

from dfd import evidence
from dfd.evidence import reference_windows, screening_grid
from dfd.evidence.family import EvidenceFamily, Need, RegionBatch, SliceInput
from dfd.evidence.reference_windows import SliceReference, measure_regions
from dfd.modalities import Modality
from dfd.progress import progress
from dfd.records import Context, Evidence, Prediction, Region

THREADS = 8
"""More would only wait for the interpreter."""


class SliceEvidence:
    """Measures regions of one slice by every family of the table.

    Families that need the slices above and below are left out where there are none. What does not
    depend on the place of a region is prepared once for each radius.

    Args:
        prediction: what the network expects in each pixel, ``[H, W]`` each.
        modality: of the slice.
        context: the slices above and below, where they are at hand.
    """

    def __init__(
        self, prediction: Prediction, modality: Modality, context: Context | None = None
    ) -> None:
        self.prediction, self.modality, self._context = prediction, modality, context
        self._families: list[EvidenceFamily[Any]] = [
            family
            for family in evidence.families()
            if context is not None or Need.CONTEXT not in family.needs
        ]
        self._windows: dict[float, SliceReference] = {}
        self._prepared: dict[float, list[Any]] = {}
        self._lock = Lock()

    def windows(self, radius: float) -> SliceReference:
        """The slice's own windows for regions of ``radius`` (pixels)."""
        with self._lock:  # several families may ask at once
            if radius not in self._windows:
                self._windows[radius] = reference_windows.prepare(
                    self.prediction, radius, self.modality
                )
            return self._windows[radius]

    def measure(self, region: Region) -> Sequence[Evidence]:
        """One piece of evidence per family, in the order of the table."""
        return self.measure_all([region])[0]

    def measure_all(
        self, regions: Sequence[Region], *, quick: bool = False
    ) -> list[Sequence[Evidence]]:
        """The same for many regions, on every core.

        ``quick``: copies are looked for as they are and mirrored only, for searches of a whole
        slice; they are calibrated for themselves.
        """
        if not regions:
            return []
        cores = max(1, min(THREADS, os.cpu_count() or 1))
        by_radius: dict[float, list[int]] = {}
        for number, region in enumerate(regions):
            by_radius.setdefault(region.radius_px, []).append(number)
        with ThreadPoolExecutor(max_workers=cores) as pool:
            plain = RegionBatch(
                (), quick=quick, threads=cores if len(regions) == 1 else 1, pool=pool
            )
            # All batches are begun before the first is waited for.
            rows = [
                (numbers, self._measured(replace(plain, regions=[regions[i] for i in numbers])))
                for numbers in by_radius.values()
            ]
            pairs = (pair for numbers, each in rows for pair in zip(numbers, each, strict=True))
            measured = dict(progress(pairs, "measuring regions", len(regions)))
        return [measured[number] for number in range(len(regions))]

    def _measured(self, batch: RegionBatch) -> Iterator[Sequence[Evidence]]:
        """For each region its evidence, in the order of the table."""
        radius = batch.regions[0].radius_px
        prepared = self._prepare(radius)
        with_windows = batch
        if any(Need.WINDOWS in family.needs for family in self._families):
            windows = measure_regions(batch.regions, self.windows(radius))
            with_windows = replace(batch, region_windows=windows)
        return zip(
            *(
                family.measure(with_windows if Need.WINDOWS in family.needs else batch, each)
                for family, each in zip(self._families, prepared, strict=True)
            ),
            strict=True,
        )

    def _prepare(self, radius: float) -> list[Any]:
        """What each family prepares for regions of ``radius``; made once."""
        if radius not in self._prepared:
            # Some only wait for the windows, which others are not to wait for.
            with ThreadPoolExecutor(max_workers=len(self._families)) as pool:
                self._prepared[radius] = list(
                    pool.map(partial(self._prepare_family, radius=radius), self._families)
                )
        return self._prepared[radius]

    def _prepare_family(self, family: EvidenceFamily[Any], radius: float) -> object:
        return family.prepare(
            SliceInput(
                self.prediction,
                radius,
                self.modality,
                partial(self.windows, radius) if Need.WINDOWS in family.needs else None,
                self._context if Need.CONTEXT in family.needs else None,
            )
        )

    def everywhere(self, like: Region) -> tuple[list[Region], list[Sequence[Evidence]]]:
        """Regions as large as ``like`` all over the slice, and the evidence of each.

        What the first family cannot measure is left out.
        """
        places = [
            replace(like, x=float(x), y=float(y))
            for x, y in screening_grid.centres(self.prediction.z.shape, like.radius_px)
        ]
        measured = [
            (region, each)
            for region, each in zip(places, self.measure_all(places, quick=True), strict=True)
            if not each[0].obstacle
        ]
        return [region for region, _ in measured], [each for _, each in measured]
