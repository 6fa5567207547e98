"""Evidence of the adjacent slices, called "neighbours" in calibrations and in scores.csv.

Does a region differ from the slices above and below more than the same tissue does elsewhere? An
edit of one slice ends with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

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
from dfd.evidence.running_sums import FloatArray, RunningSums, disk_offsets, running_sums
from dfd.evidence.window_family import ComparedWindows
from dfd.evidence.window_features import CPU, HUNDRED_HU, SUPPORT
from dfd.evidence.window_table import WindowTable
from dfd.intensity import brightness_scale, low_pass, tissue_map
from dfd.modalities import Modality
from dfd.records import BoolImage, Context, Family, FloatImage, Prediction

SHARES = (0.65, 1.0)
"""Radii of the windows, as shares of the region's. Not smaller: a genuine nodule or vessel that
ends between slices fills a small window."""
SMOOTH_PX = 1.0
"""Sigma of the low pass: white noise, which other families see, falls out, and what spans more than
a few pixels stays."""
AROUND_PX = (2.0, 4.0, 8.0)
"""Sigmas of the surroundings in which differences and edges of the adjacent slices are measured: a
vessel that moves leaves one place and enters another."""
MOST = 2.0
"""Differences are cut here, in units of what is expected in that place: an anatomy that ends
between slices must not outweigh a window."""
FLOOR = 0.05
"""Least difference, in units of the noise scale: whole numbers are no finer."""
TOO_LITTLE = 3.0
"""Usual variations below the ordinary from which on too little difference counts as well, as where
content was interpolated from the adjacent slices."""
EVERY = 7
"""The fit of differences to what the adjacent slices show uses one of so many pixels; prime, so
that no column is favoured."""
LOG_CHI2 = -1.2704
"""Mean of the log of a squared standard normal number: what a mean of log squares lies below the
log of the mean square."""
BRIGHTNESS = (-10.0, 3.0)
"""Hundreds of HU (-1000 to 300), or shares of the brightness scale, beyond which brightness says no
more: metal must not bend the fit."""
NAMES = ("difference",)


def difference_of(
    prediction: Prediction, context: Context
) -> tuple[FloatImage, FloatImage, BoolImage]:
    """``[H, W]`` each.

    The slice minus what lies between its adjacent slices, that itself, and where all three are
    measured.
    """
    valid = prediction.assessed & np.isfinite(context.below) & np.isfinite(context.above)
    below, above = (np.where(valid, slice_, 0.0) for slice_ in (context.below, context.above))
    near, far = context.distances_mm or (1.0, 1.0)
    between = (below * far + above * near) / (near + far)
    pixels = prediction.mean + prediction.z * prediction.spread
    return (
        np.where(valid, pixels - between, 0.0).astype(np.float32),
        between.astype(np.float32),
        valid,
    )


def _features(
    between: FloatImage,
    apart: FloatImage,
    valid: BoolImage,
    tissues: tuple[NDArray[np.int8], FloatImage, float],
) -> FloatArray:
    """``[k, n]`` of the ``n`` valid pixels.

    How far the adjacent slices differ (here and around), their edges (here and around), brightness
    and tissue.

    None of it follows from the slice itself, so that an edit cannot change what is expected of it.
    ``tissues``: their map, their brightness in units of ``HUNDRED_HU`` or the brightness scale, and
    the noise scale.
    """
    labels, level, noise = tissues
    edges = gaussian_gradient_magnitude(
        low_pass(between, valid, SMOOTH_PX).astype(np.float64), SMOOTH_PX
    ).astype(np.float32)
    rest: list[FloatArray] = []
    here, around = [], []
    for image in (low_pass(apart, valid, SMOOTH_PX), edges):
        planes = [
            np.abs(image),
            *(np.sqrt(np.maximum(gaussian_filter(image**2, sigma), 0.0)) for sigma in AROUND_PX),
        ]
        logs = [
            np.log(np.maximum(plane[valid] / noise, FLOOR)).astype(np.float64) for plane in planes
        ]
        here.append(logs[0])
        around.append(logs[1])
        rest += logs
    bright = np.clip(level[valid].astype(np.float64), *BRIGHTNESS)
    classes = [(labels[valid] == number).astype(np.float64) for number in np.unique(labels[valid])]
    return np.stack(
        [
            *rest,
            here[0] * here[1],
            around[0] * around[1],
            around[0] ** 2,
            around[1] ** 2,
            bright,
            bright**2,
            *classes,
        ]
    )


def expected_scale(
    difference: FloatImage, features: FloatArray, valid: BoolImage, noise: float
) -> FloatImage:
    """``[H, W]``: standard deviation of ``difference`` that ``features`` predict.

    By least squares on log squares over the slice; 1 elsewhere.
    """
    design = np.vstack([features, np.ones(features.shape[1])])
    wanted = np.log(difference[valid].astype(np.float64) ** 2 + (FLOOR * noise) ** 2)
    weights = np.linalg.lstsq(design[:, ::EVERY].T, wanted[::EVERY], rcond=None)[0]
    scale = np.ones(difference.shape, dtype=np.float32)
    scale[valid] = np.exp((weights @ design - LOG_CHI2) / 2.0)
    return scale


def planes_of(prediction: Prediction, modality: Modality, context: Context) -> FloatArray:
    """``[5, H, W]``: what is summed over windows.

    Valid pixels, weighted square of the standardised difference, its weight, brightness between the
    adjacent slices, log of the expected scale.
    """
    difference, between, valid = difference_of(prediction, context)
    if not valid.any():
        return np.zeros((5, *valid.shape))
    noise = prediction.noise_scale if np.isfinite(prediction.noise_scale) else 1.0
    scale = brightness_scale(between, valid) if modality.relative else None
    level = (between / (scale or HUNDRED_HU)).astype(np.float32)
    apart = np.where(valid, (context.above - context.below) / 2.0, 0.0).astype(np.float32)
    features = _features(
        between, apart, valid, (tissue_map(between, valid, modality, scale), level, noise)
    )
    low = low_pass(difference, valid, SMOOTH_PX)
    expected = expected_scale(low, features, valid, noise)
    # Where little is expected, added variance shows most: the score test's weight, blunted at the
    # slice's median.
    weight = np.where(valid, 1.0 / (expected**2 + np.median(expected[valid]) ** 2), 0.0)
    square = weight * np.clip(low / expected, -MOST, MOST) ** 2
    return np.stack(
        [
            valid.astype(np.float64),
            square,
            weight,
            np.where(valid, level, 0.0),
            np.where(valid, np.log(expected / noise), 0.0),
        ]
    )


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
    planes = planes_of(prediction, modality, context)
    compared = replace(prediction, assessed=planes[0] > 0)
    sums = running_sums(torch.from_numpy(planes).to(device))
    measure = partial(measure_windows, sums)
    scales = scales_of(compared, radius, SHARES, measure, device)
    labels = cache(partial(labels_of, compared, modality))
    return SliceReference(prediction, modality, scales, labels, measure, NAMES)


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
