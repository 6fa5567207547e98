"""Evidence of the adjacent slices, called "neighbours" in calibrations and in scores.csv.

Does a region differ from the slices above and below more than the same tissue does elsewhere? An
edit of one slice ends with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import torch

from dfd.evidence.adjacent_planes import planes_of
from dfd.evidence.deviation_scores import FittedStatistic, fit_statistic
from dfd.evidence.family import Need, RegionBatch, SliceInput
from dfd.evidence.noise import LARGEST
from dfd.evidence.reference_windows import (
    RegionWindows,
    SliceReference,
    labels_of,
    measure_regions,
    scales_of,
)
from dfd.evidence.running_sums import RunningSums, bounds_of, disk_offsets, running_sums
from dfd.evidence.window_family import ComparedWindows
from dfd.evidence.window_features import CPU, SUPPORT
from dfd.evidence.window_table import WindowTable
from dfd.modalities import Modality
from dfd.records import Context, Family, Prediction

SHARES = (0.65, 1.0)
"""Radii of the windows, as shares of the region's. Not smaller: a genuine nodule or vessel that
ends between slices fills a small window."""
TOO_LITTLE = 3.0
"""Usual variations below the ordinary from which on too little difference counts as well, as where
content was interpolated from the adjacent slices."""
NAMES = ("difference",)


def measure_windows(
    sums: RunningSums, centres: torch.Tensor, radii: Sequence[float]
) -> list[WindowTable]:
    """Log of the weighted mean square in the disks of each of ``radii`` around ``centres``.

    Matched by brightness, expected scale, and how uneven that is. ``sums``: of ``planes_of``.
    """
    return [_measured(sums, centres, radius) for radius in radii]


def _measured(sums: RunningSums, centres: torch.Tensor, radius: float) -> WindowTable:
    totals = sums.over(centres, radius)
    count, weight = totals[:, :1], totals[:, 2:3]
    measures = (totals[:, 1:2] / weight).clamp(min=1e-3).log()
    covariates = torch.cat([totals[:, 3:] / count, (weight / count).log()], dim=1)
    little = count < SUPPORT * len(disk_offsets(radius))
    return WindowTable(
        radius,
        centres,
        measures.masked_fill(little, torch.nan),
        covariates.masked_fill(little, torch.nan),
    )


def reference_of(
    prediction: Prediction,
    radius: float,
    modality: Modality,
    context: Context,
    device: torch.device = CPU,
) -> SliceReference:
    """The windows of a slice against its adjacent slices, for regions of about this radius."""
    planes = planes_of(prediction, modality, context, device)
    compared = replace(prediction, assessed=(planes[0] > 0).cpu().numpy())
    part = bounds_of(compared.assessed)
    sums = running_sums(planes[:, *part], (part[0].start, part[1].start))
    measure = partial(measure_windows, sums)
    scales = scales_of(compared, radius, SHARES, measure, device)
    labels = cache(partial(labels_of, compared, modality))
    return SliceReference(prediction, modality, radius, scales, labels, measure, NAMES)


def statistic(deviation: torch.Tensor) -> torch.Tensor:
    """``[n]``: 1 where the difference is ordinary, more where it is larger.

    Or smaller by more than ``TOO_LITTLE``.
    """
    away = deviation[:, 0].clamp(-LARGEST, LARGEST)
    return (1.0 + torch.maximum(away, -TOO_LITTLE - away)).clamp(min=0.0)


def reason_for(measures: Mapping[str, float]) -> str:
    """One plain sentence."""
    value = measures["difference"]
    than = "more" if value > 0 else "less"
    times = f"{abs(value):.1f} times the usual variation"
    return (
        f"this region differs from the slices above and below {than} than the same tissue "
        f"elsewhere in this slice, {times}"
    )


class AdjacentSlicesEvidence(ComparedWindows[FittedStatistic]):
    """How far a region differs from the slices above and below.

    Against windows of the same slice whose adjacent slices let expect as much: unitless, >= 0,
    about 1 = ordinary, higher = more suspicious.
    """

    name = Family.ADJACENT_SLICES.value
    title = "Slices beside"
    question = (
        "Does the region differ from the slices above and below more than the same tissue does?"
    )
    direction = (
        "higher = differs from the slices above and below more, or far less, than the same tissue "
        "of the same slice"
    )
    source = (
        "locally standardised difference from the interpolated adjacent slices, weighted as in "
        "Rao's score test for added variance; ours"
    )
    needs = frozenset({Need.CONTEXT})

    def prepare(self, slice_input: SliceInput) -> FittedStatistic:
        """The windows of the slice against its adjacent slices, and what is ordinary there."""
        given = slice_input
        reference = reference_of(
            given.prediction, given.radius, given.modality, given.context, given.device
        )
        return fit_statistic(reference, statistic)

    def compare(
        self, batch: RegionBatch, prepared: FittedStatistic
    ) -> tuple[RegionWindows, FittedStatistic]:
        """Windows of their own, which differ from those that the other families share."""
        return measure_regions(batch.regions, prepared.reference), prepared

    def reason_for(self, _: float, measures: Mapping[str, float]) -> str:
        """See the function of this name."""
        return reason_for(measures)


FAMILY = AdjacentSlicesEvidence()
