"""Neighbours' evidence.

Does a region differ from the slices above and below more than tissue alike does? An edit of one
slice ends with it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from dfd.evidence.noise import LARGEST
from dfd.evidence.reference_windows import SliceTables, evidence_of, labels_of, scales_of, standing
from dfd.evidence.window_features import (
    SUPPORT,
    FloatArray,
    RunningSums,
    WindowTable,
    disk_offsets,
    running_sums,
)
from dfd.intensity import brightness_scale, low_pass, tissue_map
from dfd.modalities import Modality
from dfd.records import BoolImage, Context, Evidence, FloatImage, Prediction, Region

FAMILY = "neighbours"
DIRECTION = (
    "higher = differs from the slices above and below more, or far less, than the same tissue of "
    "the same slice"
)
SOURCE = (
    "locally standardised difference from the interpolated neighbours, weighted as in Rao's score "
    "test for added variance; ours"
)

SHARES = (0.65, 1.0)
"""Windows looked at, as shares of the region's radius. Not smaller: a genuine nodule or vessel that
ends between slices fills a small window."""
SMOOTH_PX = 1.0
"""Sigma of the low pass: white noise, which other families see, falls out, and what spans more than
a few pixels stays."""
AROUND_PX = (2.0, 4.0, 8.0)
"""Sigmas of the surroundings in which the neighbours' own differences and edges are told: a vessel
that moves leaves one place and enters another."""
MOST = 2.0
"""Differences are cut here, in units of what is expected in that place: an anatomy that ends
between slices must not outweigh a window."""
FLOOR = 0.05
"""Least difference, in units of the noise scale: whole numbers are no finer."""
TOO_LITTLE = 3.0
"""Usual variations below the ordinary from which on too little difference counts as well, as where
content was interpolated from the neighbours."""
EVERY = 7
"""Of the pixels one in so many tells how differences follow from what the neighbours show; prime,
so that no column is favoured."""
LOG_CHI2 = -1.2704
"""Mean of the log of a squared standard normal number: what a mean of log squares lies below the
log of the mean square."""
HUNDRED_HU = 100.0
BRIGHTNESS = (-10.0, 3.0)
"""Hundreds of HU (-1000 to 300), or shares of the brightness scale, beyond which brightness says no
more: metal must not bend the fit."""
NAMES = ("difference",)


def difference_of(
    prediction: Prediction, context: Context
) -> tuple[FloatImage, FloatImage, BoolImage]:
    """``[H, W]`` each.

    The slice minus its interpolated neighbours, those neighbours, and where all three are measured.
    """
    known = prediction.assessed & np.isfinite(context.below) & np.isfinite(context.above)
    below, above = (np.where(known, slice_, 0.0) for slice_ in (context.below, context.above))
    near, far = context.distances_mm or (1.0, 1.0)
    between = (below * far + above * near) / (near + far)
    pixels = prediction.mean + prediction.z * prediction.spread
    return (
        np.where(known, pixels - between, 0.0).astype(np.float32),
        between.astype(np.float32),
        known,
    )


def _features(
    between: FloatImage,
    apart: FloatImage,
    known: BoolImage,
    tissues: tuple[NDArray[np.int8], FloatImage, float],
) -> FloatArray:
    """``[k, n]`` of the ``n`` known pixels.

    How far the neighbours differ (here and around), their edges (here and around), brightness and
    tissue.

    None of it follows from the slice itself, so that an edit cannot change what is expected of it.
    ``tissues``: their map, their brightness in units of ``HUNDRED_HU`` or the brightness scale, and
    the noise scale.
    """
    labels, level, noise = tissues
    edges = gaussian_gradient_magnitude(
        low_pass(between, known, SMOOTH_PX).astype(np.float64), SMOOTH_PX
    ).astype(np.float32)
    rest: list[FloatArray] = []
    here, around = [], []
    for image in (low_pass(apart, known, SMOOTH_PX), edges):
        planes = [
            np.abs(image),
            *(np.sqrt(np.maximum(gaussian_filter(image**2, sigma), 0.0)) for sigma in AROUND_PX),
        ]
        logs = [
            np.log(np.maximum(plane[known] / noise, FLOOR)).astype(np.float64) for plane in planes
        ]
        here.append(logs[0])
        around.append(logs[1])
        rest += logs
    bright = np.clip(level[known].astype(np.float64), *BRIGHTNESS)
    classes = [(labels[known] == number).astype(np.float64) for number in np.unique(labels[known])]
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
    difference: FloatImage, features: FloatArray, known: BoolImage, noise: float
) -> FloatImage:
    """``[H, W]``: standard deviation of ``difference`` that ``features`` foretell.

    By least squares on log squares over the slice; 1 elsewhere.
    """
    design = np.vstack([features, np.ones(features.shape[1])])
    wanted = np.log(difference[known].astype(np.float64) ** 2 + (FLOOR * noise) ** 2)
    weights = np.linalg.lstsq(design[:, ::EVERY].T, wanted[::EVERY], rcond=None)[0]
    scale = np.ones(difference.shape, dtype=np.float32)
    scale[known] = np.exp((weights @ design - LOG_CHI2) / 2.0)
    return scale


def planes_of(prediction: Prediction, modality: Modality, context: Context) -> FloatArray:
    """``[5, H, W]``: what is summed over windows.

    Known pixels, weighted square of the standardised difference, its weight, brightness between the
    neighbours, log of the expected scale.
    """
    difference, between, known = difference_of(prediction, context)
    if not known.any():
        return np.zeros((5, *known.shape))
    noise = prediction.noise_scale if np.isfinite(prediction.noise_scale) else 1.0
    scale = brightness_scale(between, known) if modality.relative else None
    level = (between / (scale or HUNDRED_HU)).astype(np.float32)
    apart = np.where(known, (context.above - context.below) / 2.0, 0.0).astype(np.float32)
    features = _features(
        between, apart, known, (tissue_map(between, known, modality, scale), level, noise)
    )
    low = low_pass(difference, known, SMOOTH_PX)
    expected = expected_scale(low, features, known, noise)
    # Where little is expected, added variance shows most: the score test's weight, blunted at the
    # slice's median.
    weight = np.where(known, 1.0 / (expected**2 + np.median(expected[known]) ** 2), 0.0)
    square = weight * np.clip(low / expected, -MOST, MOST) ** 2
    return np.stack(
        [
            known.astype(np.float64),
            square,
            weight,
            np.where(known, level, 0.0),
            np.where(known, np.log(expected / noise), 0.0),
        ]
    )


def measure_windows(
    sums: RunningSums, centres: NDArray[np.int64], radius: float, around: float
) -> WindowTable:
    """Log of the weighted mean square in the disks around ``centres``.

    Matched by brightness, expected scale, and how uneven that is.

    ``sums`` are those of ``planes_of``; ``around``, the radius of the region, plays no part.
    """
    found = sums.over(centres, radius)
    count = found[:, 0]
    enough = count >= SUPPORT * len(disk_offsets(radius))
    with np.errstate(divide="ignore", invalid="ignore"):
        measures = np.log(np.maximum(found[:, 1:2] / found[:, 2:3], 1e-3))
        covariates = np.column_stack(
            [found[:, 3] / count, found[:, 4] / count, np.log(found[:, 2] / count)]
        )
    measures[~enough] = np.nan
    covariates[~enough] = np.nan
    return WindowTable(radius, centres, measures, covariates)


def prepare(
    prediction: Prediction, radius: float, modality: Modality, context: Context
) -> SliceTables:
    """Measures the windows of a slice against its neighbours.

    Once for all regions of about this radius (pixels).
    """
    planes = planes_of(prediction, modality, context)
    known, sums = replace(prediction, assessed=planes[0] > 0), running_sums(planes)
    scales = scales_of(
        known, radius, SHARES, lambda centres, size: measure_windows(sums, centres, size, radius)
    )
    return SliceTables(
        prediction,
        modality,
        scales,
        sums,
        labels_of(known, modality),
        radius,
        measure_windows,
        NAMES,
    )


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: 1 where the difference is ordinary, more where it is larger.

    Or smaller by more than ``TOO_LITTLE``.
    """
    away = np.clip(deviation[:, 0], -LARGEST, LARGEST)
    result: FloatArray = np.maximum(1.0 + np.maximum(away, -TOO_LITTLE - away), 0.0)
    return result


def measure(region: Region, reference: SliceTables) -> Evidence:
    """How far ``region`` differs from the slices above and below.

    Against windows of the same slice of which the neighbours foretell as much.

    Unitless, >= 0, about 1 = ordinary, higher = more suspicious. Source: see ``SOURCE``.
    """
    return evidence_of(
        FAMILY, standing(region, reference, statistic), lambda each: reason_for(each.measures)
    )


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence."""
    value = measures["difference"]
    than = "more" if value > 0 else "less"
    times = f"{abs(value):.1f} times the usual variation"
    return (
        f"this region differs from the slices above and below {than} than the same tissue "
        f"elsewhere in this slice, {times}"
    )
