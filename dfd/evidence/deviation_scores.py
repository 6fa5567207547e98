"""How far regions deviate from the windows of their slice, in units of what is ordinary there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dfd.evidence.reference_windows import (
    NO_REFERENCE,
    NO_SUPPORT,
    RegionWindows,
    SliceReference,
    Statistic,
)


@dataclass(frozen=True)
class FittedStatistic:
    """A statistic in units of what is ordinary in one slice."""

    reference: SliceReference
    statistic: Statistic
    ordinary: torch.Tensor
    """``[scales]`` median over the slice's own windows, the largest scale first."""


@dataclass(frozen=True)
class DeviationScores:
    """How far the regions of a batch deviate."""

    statistics: torch.Tensor
    """``[n]`` in units of what is ordinary in the slice; NaN where it could not be measured."""
    scale: torch.Tensor
    """``[n]``: at which scale they deviate most, the largest is 0."""
    windows: RegionWindows
    names: tuple[str, ...]
    """Of the measures."""

    def obstacle(self, row: int) -> str:
        """Why a region could not be measured; empty where it could."""
        if self.statistics[row].isfinite():
            return ""
        return NO_REFERENCE if self.windows.tables[0].has_support[row] else NO_SUPPORT

    def measures(self, row: int) -> dict[str, float]:
        """Deviations of the window of a region that deviates most."""
        deviation = self.windows.deviations[int(self.scale[row])][row]
        return dict(zip(self.names, deviation.tolist(), strict=True))


def fit_statistic(reference: SliceReference, statistic: Statistic) -> FittedStatistic:
    """``statistic`` with what is ordinary in the slice at each scale."""
    ordinary = [scale.ordinary(statistic) for scale in reversed(reference.scales)]
    return FittedStatistic(reference, statistic, torch.stack(ordinary))


def deviation_scores(windows: RegionWindows, fitted: FittedStatistic) -> DeviationScores:
    """The highest statistic over the scales, each in units of its own ordinary value.

    Calibration goes through the same maximum. Nothing is said of a region that could not be
    measured as a whole. ``windows``: of ``measure_regions``.
    """
    values = torch.stack([fitted.statistic(each) for each in windows.deviations])
    values /= fitted.ordinary[:, None]
    measured = torch.stack([table.has_support for table in windows.tables]) & values.isfinite()
    statistics, scale = values.masked_fill_(~measured, -torch.inf).max(dim=0)
    statistics.masked_fill_(~measured[0], torch.nan)
    return DeviationScores(statistics, scale, windows, fitted.reference.names)
