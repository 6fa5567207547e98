"""What the families that compare windows of a slice with each other share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import torch

from dfd.evidence.deviation_scores import (
    DeviationScores,
    FittedStatistic,
    deviation_scores,
    fit_statistic,
)
from dfd.evidence.family import Measured, Need, RegionBatch, SliceInput
from dfd.evidence.reference_windows import RegionWindows, dominant_tissue
from dfd.records import Evidence, Region

Prepared = TypeVar("Prepared")


class ComparedWindows(ABC, Generic[Prepared]):
    """A family whose statistic is that of the window of a region that deviates most."""

    name: str

    @abstractmethod
    def prepare(self, slice_input: SliceInput) -> Prepared:
        """What does not depend on the place of a region."""

    @abstractmethod
    def compare(
        self, batch: RegionBatch, prepared: Prepared
    ) -> tuple[RegionWindows, FittedStatistic]:
        """The windows of the regions compared with the slice, and what is ordinary in it."""

    @abstractmethod
    def reason_for(self, statistic: float, measures: Mapping[str, float]) -> str:
        """One plain sentence on a region."""

    def reasons_by_form(self, measures: Mapping[str, float]) -> Mapping[str, str]:
        """One plain sentence for each form of tampering that the measures may speak for."""
        return {}

    def measure(self, batch: RegionBatch, prepared: Prepared) -> Measured:
        """The evidence of each region, in order."""
        windows, fitted = self.compare(batch, prepared)
        scores = deviation_scores(windows, fitted)
        regions = batch.regions

        def record(number: int) -> Evidence:
            return self._record(regions[number], number, scores, fitted)

        details = torch.cat(windows.deviations, dim=1)
        return Measured(scores.statistics.cpu().numpy(), record, details)

    def _record(
        self, region: Region, row: int, scores: DeviationScores, fitted: FittedStatistic
    ) -> Evidence:
        reference = fitted.reference
        tissue = dominant_tissue(region, reference.labels(), reference.modality)
        obstacle = scores.obstacle(row)
        if obstacle:
            return Evidence(self.name, float("nan"), tissue=tissue, obstacle=obstacle)
        statistic, measures = float(scores.statistics[row]), scores.measures(row)
        return Evidence(
            self.name,
            statistic,
            measures,
            tissue,
            self.reason_for(statistic, measures),
            reason_by_form=self.reasons_by_form(measures),
        )


class WindowFamily(ComparedWindows[FittedStatistic]):
    """A family that compares the slice's own windows by one statistic."""

    needs = frozenset({Need.WINDOWS})

    @abstractmethod
    def statistic(self, deviation: torch.Tensor) -> torch.Tensor:
        """``[n]`` of deviations ``[n, 9]``, higher = more suspicious."""

    def prepare(self, slice_input: SliceInput) -> FittedStatistic:
        """What is ordinary in the slice."""
        return fit_statistic(slice_input.windows, self.statistic)

    def compare(
        self, batch: RegionBatch, prepared: FittedStatistic
    ) -> tuple[RegionWindows, FittedStatistic]:
        """The windows that all families share."""
        return batch.windows, prepared
