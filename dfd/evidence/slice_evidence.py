"""One slice measured by every family of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from dfd import evidence
from dfd.evidence import adjacent_places, reference_windows, screening_grid, together
from dfd.evidence.cores import side_by_side
from dfd.evidence.family import EvidenceFamily, Measured, Need, RegionBatch, SliceInput
from dfd.evidence.reference_windows import SliceReference, measure_regions
from dfd.evidence.running_sums import FloatArray
from dfd.evidence.window_features import CPU
from dfd.modalities import Modality
from dfd.records import (
    TOGETHER,
    TOGETHER_ALONE,
    Context,
    Evidence,
    FloatImage,
    Prediction,
    Region,
)


@dataclass(frozen=True)
class SliceMeasurements(Sequence[Sequence[Evidence]]):
    """What every family says of some regions: the numbers, and the records on demand."""

    families: Mapping[str, Measured]
    """In the order of the table."""
    numbers: NDArray[np.int64]
    """``[n]``: which of the regions of ``families`` these are."""

    @property
    def statistics(self) -> dict[str, FloatArray]:
        """``[n]`` of each family, NaN where it could not be measured."""
        return {name: each.statistics[self.numbers] for name, each in self.families.items()}

    @property
    def by_themselves(self) -> dict[str, FloatArray]:
        """The same without the places beside each, for those who average for themselves."""
        return {
            name: (each.statistics if each.by_themselves is None else each.by_themselves)[
                self.numbers
            ]
            for name, each in self.families.items()
        }

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Sequence[Evidence]: ...

    @overload
    def __getitem__(self, place: slice) -> SliceMeasurements: ...

    def __getitem__(self, place: int | slice) -> Sequence[Evidence] | SliceMeasurements:
        """One piece of evidence per family, in the order of the table; or some of the regions."""
        if isinstance(place, slice):
            return self.at(np.arange(len(self))[place])
        number = int(self.numbers[place])
        return [each[number] for each in self.families.values()]

    def at(self, places: NDArray[np.int64]) -> SliceMeasurements:
        """Those of some of the regions."""
        return replace(self, numbers=self.numbers[places])


class SliceEvidence:
    """Measures regions of one slice by every family of the table.

    Families that need the slices above and below are left out where there are none. What does not
    depend on the place of a region is prepared once for each radius.

    Args:
        prediction: what the network expects in each pixel, ``[H, W]`` each.
        modality: of the slice.
        context: the slices above and below, where they are at hand.
        device: where the work is done.
    """

    def __init__(
        self,
        prediction: Prediction,
        modality: Modality,
        context: Context | None = None,
        device: torch.device = CPU,
    ) -> None:
        self.prediction, self.modality = prediction, modality
        self._context, self._device = context, device
        self._families: list[EvidenceFamily[Any]] = [
            family
            for family in evidence.families()
            if context is not None or Need.CONTEXT not in family.needs
        ]
        self._windows: dict[float, SliceReference] = {}
        self._prepared: dict[tuple[str, float], object] = {}

    def windows(self, radius: float) -> SliceReference:
        """The slice's own windows for regions of ``radius`` (pixels)."""
        if radius not in self._windows:
            self._windows[radius] = reference_windows.prepare(
                self.prediction, radius, self.modality, self._device
            )
        return self._windows[radius]

    def measure(self, region: Region) -> Sequence[Evidence]:
        """One piece of evidence per family, in the order of the table."""
        return self.measure_all([region])[0]

    def measure_all(self, regions: Sequence[Region], *, quick: bool = False) -> SliceMeasurements:
        """The same for many regions at once.

        ``quick``: copies are looked for as they are and mirrored only, for searches of a whole
        slice; they are calibrated for themselves.
        """
        by_radius: dict[float, list[int]] = {}
        for number, region in enumerate(regions):
            by_radius.setdefault(region.radius_px, []).append(number)
        parts = [
            self._measured(RegionBatch([regions[i] for i in numbers], quick=quick))
            for numbers in by_radius.values()
        ]
        # Where each region stands among those of the first radius, the second, and so on.
        order = np.argsort([number for numbers in by_radius.values() for number in numbers])
        joined = {name: Measured.joined([part[name] for part in parts]) for name in self._names}
        return SliceMeasurements(joined, order)

    @property
    def _names(self) -> list[str]:
        """Of what is measured: the families, and all of them together where the model weighs."""
        names = [family.name for family in self._families]
        if self.prediction.weigh is None or not self._compares:
            return names
        return [*names, TOGETHER, *([TOGETHER_ALONE] if self._context is not None else [])]

    @property
    def _compares(self) -> bool:
        """Whether any family compares windows."""
        return any(Need.WINDOWS in family.needs for family in self._families)

    def _measured(self, batch: RegionBatch) -> dict[str, Measured]:
        """What each family says of regions of one radius.

        And what all together say, where the model weighs that.
        """
        compared, measured = self._by_family(batch)
        if self.prediction.weigh is not None and self._compares:
            numbers = self._numbers(compared, measured)
            supported = np.isfinite(next(iter(measured.values())).statistics)
            weighed = partial(together.weighed, supported=supported, weigh=self.prediction.weigh)
            measured[TOGETHER] = weighed(numbers)
            if self._context is not None:
                measured[TOGETHER_ALONE] = weighed(together.without_context(numbers))
        return measured

    def numbers(self, regions: Sequence[Region], *, quick: bool = False) -> torch.Tensor:
        """``[n, k]``: what a learned statistic is given of regions of one radius."""
        return self._numbers(*self._by_family(RegionBatch(regions, quick=quick)))

    def _compared(self, batch: RegionBatch) -> RegionBatch:
        """The batch with its windows, where a family asks for them."""
        if not self._compares:
            return batch
        radius = batch.regions[0].radius_px
        return replace(batch, region_windows=measure_regions(batch.regions, self.windows(radius)))

    def _by_family(self, batch: RegionBatch) -> tuple[RegionBatch, dict[str, Measured]]:
        """The batch with its windows, and what each family says of its regions of one radius.

        Families that compare windows and those that do not work at the same time.
        """

        def comparing() -> tuple[RegionBatch, dict[str, Measured]]:
            compared = self._compared(batch)
            return compared, self._of_families(compared, comparing=True)

        def others() -> tuple[RegionBatch, dict[str, Measured]]:
            return batch, self._of_families(batch, comparing=False)

        (compared, measured), (_, more) = side_by_side([comparing, others], self._device)
        measured |= more
        return compared, {family.name: measured[family.name] for family in self._families}

    def _of_families(self, batch: RegionBatch, *, comparing: bool) -> dict[str, Measured]:
        """What each of the families says that compare windows, or of the others."""
        radius = batch.regions[0].radius_px
        return {
            family.name: family.measure(batch, self._prepare(family, radius))
            for family in self._families
            if (Need.WINDOWS in family.needs) == comparing
        }

    def _numbers(self, compared: RegionBatch, measured: Mapping[str, Measured]) -> torch.Tensor:
        own = self.windows(compared.regions[0].radius_px)
        return together.numbers_of(compared.regions, measured, compared.windows, own, self._depths)

    @cached_property
    def _depths(self) -> FloatImage:
        return together.depths(self.prediction)

    def _prepare(self, family: EvidenceFamily[Any], radius: float) -> object:
        """What a family prepares for regions of ``radius``; made once."""
        if (family.name, radius) not in self._prepared:
            self._prepared[family.name, radius] = family.prepare(
                SliceInput(
                    self.prediction,
                    radius,
                    self.modality,
                    partial(self.windows, radius) if Need.WINDOWS in family.needs else None,
                    self._context if Need.CONTEXT in family.needs else None,
                    self._device,
                )
            )
        return self._prepared[family.name, radius]

    def everywhere(self, like: Region) -> tuple[list[Region], SliceMeasurements]:
        """Regions as large as ``like`` all over the slice, and the evidence of each.

        What the first family cannot measure is left out.
        """
        centres = screening_grid.centres(self.prediction.z.shape, like.radius_px)
        return measurable(*self.at_places(centres, like))

    def at_places(
        self, centres: NDArray[np.int64], like: Region
    ) -> tuple[list[Region], SliceMeasurements]:
        """Regions as large as ``like`` at places of a screening grid, and the evidence of each.

        The statistics count the places beside each too (``dfd.evidence.adjacent_places``).

        Args:
            centres: ``[n, 2]`` (x, y).
            like: gives the radius, and with it the step of the grid.
        """
        places = [
            Region(x, y, like.radius_px, like.radius_mm)
            for x, y in centres.astype(np.float64).tolist()
        ]
        measured = self.measure_all(places, quick=True)
        step = screening_grid.step_of(like.radius_px)
        families = adjacent_places.with_those_beside(measured.families, centres, step)
        return places, replace(measured, families=families)


def at_place(region: Region, evidence: SliceEvidence) -> Sequence[Evidence]:
    """One piece of evidence per family, as of a place of a screened slice."""
    step = screening_grid.step_of(region.radius_px)
    around = [(0, 0), *adjacent_places.BESIDE]
    centres = [(round(region.x) + step * x, round(region.y) + step * y) for x, y in around]
    return evidence.at_places(np.array(centres, dtype=np.int64), region)[1][0]


def measurable(
    regions: Sequence[Region], measured: SliceMeasurements
) -> tuple[list[Region], SliceMeasurements]:
    """The regions that the first family can measure, and the evidence of each."""
    first = next(iter(measured.statistics.values()))
    places = np.flatnonzero(np.isfinite(first))
    return [regions[place] for place in places.tolist()], measured.at(places)
