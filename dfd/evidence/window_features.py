"""The residual of a window in numbers, for many windows of a slice at once.

The evidence families that compare windows start from these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude

from dfd.evidence.running_sums import FloatArray, RunningSums, disk_offsets
from dfd.evidence.window_table import WindowTable
from dfd.intensity import brightness_scale
from dfd.modalities import Modality
from dfd.records import Prediction

LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""(row, column) shifts at which the residual's correlation is measured: with the energy, seven
numbers."""
ENERGY, ADDED_NOISE, REPLACED_CONTENT = "energy", "added noise", "replaced content"
MEASURES = (
    ENERGY,
    *(f"correlation {row},{column}" for row, column in LAGS),
    ADDED_NOISE,
    REPLACED_CONTENT,
)
"""The last two are the mean log-odds of the network's head, 0 where it has none."""
GRAIN, ADDED, REPLACED = slice(0, 1 + len(LAGS)), 1 + len(LAGS), 2 + len(LAGS)
"""Columns of the measures: the residual itself, and both answers of the head."""
LARGEST_Z = 6.0
"""Residuals are cut here: one pixel on a metal edge must not outweigh a window."""
LEAST_STEP = 6
"""Pixels between windows of a slice at least: more of them would say the same again."""
SUPPORT = 0.6
"""Share of a window's pixels that must be measured."""
BACKGROUND_DISTANCE, BACKGROUND_RADIUS, N_BACKGROUND = 1.7, 0.55, 8
"""The local background of a region is measured in disks: their distance and radius in radii of the
region, and how many. Their median counts, so that an edit which the click missed by a little does
not excuse itself."""
BACKGROUND_SUPPORT = 0.3
"""Share of such a disk that must be measured."""
HUNDRED_HU = 100.0
"""Unit of CT brightness among the covariates, in HU."""


def _shifted_product(
    z: FloatArray, valid: NDArray[np.bool_], lag: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    moved = np.roll(z, (-lag[0], -lag[1]), axis=(0, 1))
    both = valid & np.roll(valid, (-lag[0], -lag[1]), axis=(0, 1))
    # What np.roll carries around the border is no adjacent pixel.
    both[z.shape[0] - lag[0] :, :] = False
    if lag[1] > 0:
        both[:, z.shape[1] - lag[1] :] = False
    elif lag[1] < 0:
        both[:, : -lag[1]] = False
    return np.where(both, z * moved, 0.0), both.astype(np.float64)


def planes_of(prediction: Prediction, modality: Modality) -> FloatArray:
    """``[19, H, W]``: what is summed over windows.

    The same for every window of a slice, so it is made once.
    """
    valid = prediction.assessed
    z = np.where(valid, np.clip(prediction.z, -LARGEST_Z, LARGEST_Z), 0.0).astype(np.float64)
    products = [_shifted_product(z, valid, lag) for lag in LAGS]
    noise = prediction.noise_scale if np.isfinite(prediction.noise_scale) else 1.0
    unit = brightness_scale(prediction.mean, valid) if modality.relative else HUNDRED_HU
    edges = gaussian_gradient_magnitude(prediction.mean.astype(np.float64), 1.0) / noise
    return np.stack(
        [
            valid.astype(np.float64),
            z**2,
            *(product for product, _ in products),
            *(both for _, both in products),
            np.where(valid, prediction.mean / unit, 0.0),
            np.where(valid, edges, 0.0),
            np.where(valid, np.log(np.maximum(prediction.spread, 1e-6) / noise), 0.0),
            *(
                np.zeros((2, *z.shape))
                if prediction.log_odds is None
                else np.where(valid, prediction.log_odds, 0.0)
            ),
        ]
    )


def measure_windows(
    sums: RunningSums, around: float, centres: NDArray[np.int64], radii: Sequence[float]
) -> list[WindowTable]:
    """Windows of each of ``radii`` around ``centres`` ``[n, 2]`` (x, y).

    Measures: log energy of z, its correlation (Fisher's z) at ``LAGS`` and mean log-odds.

    Covariates, by which windows are matched: mean of the predicted slice (hundreds of HU for CT,
    shares of the brightness scale for MR); log of its edge strength and of the predicted spread,
    both in units of the noise scale; log energy of z in the local background; column and row. Noise
    changes over a slice (dose, coil sensitivity), so windows are compared with similar ones nearby.

    Args:
        sums: of ``planes_of``.
        around: radius of the regions whose background is measured, see ``local_background``.
        centres: of the windows.
        radii: of the windows, in pixels.
    """
    background = local_background(sums, centres, around)
    return [_measured(sums, centres, radius, background) for radius in radii]


def _measured(
    sums: RunningSums, centres: NDArray[np.int64], radius: float, background: FloatArray
) -> WindowTable:
    lags, totals = len(LAGS), sums.over(centres, radius)
    count = totals[:, 0]
    enough = count >= SUPPORT * len(disk_offsets(radius))
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = totals[:, 1] / count
        correlation = totals[:, 2 : 2 + lags] / totals[:, 2 + lags : 2 + 2 * lags] / energy[:, None]
        rest = totals[:, 2 + 2 * lags :] / count[:, None]
        measures = np.column_stack(
            [
                np.log(np.maximum(energy, 1e-6)),
                np.arctanh(np.clip(correlation, -0.98, 0.98)),
                rest[:, 3:],
            ]
        )
        logs = [
            np.log(np.maximum(rest[:, 1], 1e-3)),
            rest[:, 2],
            np.where(np.isfinite(background), background, measures[:, 0]),
        ]
        covariates = np.column_stack([rest[:, 0], *logs, centres])
    measures[~enough] = np.nan
    covariates[~enough] = np.nan
    return WindowTable(radius, centres, measures, covariates)


def local_background(sums: RunningSums, centres: NDArray[np.int64], around: float) -> FloatArray:
    """``[n]`` median log energy of z in the disks beside regions of radius ``around``.

    NaN where none of them has support.
    """
    radius = BACKGROUND_RADIUS * around
    least = BACKGROUND_SUPPORT * len(disk_offsets(radius))
    energies = np.full((N_BACKGROUND, len(centres)), np.nan)
    distance = BACKGROUND_DISTANCE * around
    for number, turn in enumerate(np.arange(N_BACKGROUND) * 2 * np.pi / N_BACKGROUND):
        step = np.rint([distance * np.cos(turn), distance * np.sin(turn)]).astype(np.int64)
        totals = sums.energies.over(centres + step, radius)
        valid = totals[:, 0] >= least
        energies[number, valid] = np.log(np.maximum(totals[valid, 1] / totals[valid, 0], 1e-3))
    # np.nanmedian warns of windows with nothing beside them.
    count = np.isfinite(energies).sum(axis=0)
    ordered = np.sort(energies, axis=0)  # NaN last
    low, high = (
        np.take_along_axis(ordered, np.maximum(index, 0)[None], axis=0)[0]
        for index in ((count - 1) // 2, count // 2)
    )
    return np.asarray(np.where(count > 0, (low + np.where(count > 1, high, low)) / 2.0, np.nan))


def grid_step(radius: float) -> int:
    """Pixels between the centres of the windows of ``radius`` all over a slice."""
    return max(LEAST_STEP, round(radius / 2))


def grid_centres(prediction: Prediction, radius: float) -> NDArray[np.int64]:
    """``[n, 2]`` (x, y) centres half a radius apart wherever the middle pixel is measured."""
    step = grid_step(radius)
    rows, columns = np.mgrid[
        step // 2 : prediction.z.shape[0] : step, step // 2 : prediction.z.shape[1] : step
    ]
    inside = prediction.assessed[rows, columns]
    return np.stack([columns[inside], rows[inside]], axis=1).astype(np.int64)
