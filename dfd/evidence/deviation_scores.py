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
    """``[scales]`` median over the slice's own windows, the scale of the regions first."""


@dataclass(frozen=True)
class DeviationScores:
    """How far the regions of a batch deviate."""

    statistics: torch.Tensor
    """``[n]`` in units of what is ordinary in the slice; NaN where it could not be measured."""
    scale: torch.Tensor
    """``[n]``: at which scale they deviate most, that of the regions is 0."""
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
    ordinary = [scale.ordinary(statistic) for scale in reference.own_first]
    return FittedStatistic(reference, statistic, torch.stack(ordinary))


def deviation_scores(windows: RegionWindows, fitted: FittedStatistic) -> DeviationScores:
    """The highest statistic over the scales, each in units of its own ordinary value.

    Calibration goes through the same maximum. Nothing is said of a region that could not be
    measured as a whole. Windows wider than the region have few to be compared with in a small
    slice, and count in the learned statistic alone. ``windows``: of ``measure_regions``.
    """
    own = windows.tables[0].radius
    within = [number for number, each in enumerate(windows.tables) if each.radius <= own]
    values = torch.stack([fitted.statistic(windows.deviations[number]) for number in within])
    values /= fitted.ordinary[within, None]
    measured = torch.stack([windows.tables[number].has_support for number in within])
    measured &= values.isfinite()
    statistics, scale = values.masked_fill_(~measured, -torch.inf).max(dim=0)
    statistics.masked_fill_(~measured[0], torch.nan)
    return DeviationScores(statistics, scale, windows, fitted.reference.names)
