"""The residual of a window in numbers, for many windows of a slice at once.

The evidence families that compare windows start from these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.evidence.gaussian import gradient_magnitude
from dfd.evidence.medians import median_of_first
from dfd.evidence.running_sums import Bounds, RunningSums, bounds_of, disk_offsets, running_sums
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
FIRST_MEAN = 2 + 2 * len(LAGS)
"""Of the planes: the first whose mean over a window counts."""
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
CPU = torch.device("cpu")


def _shifted_product(
    z: torch.Tensor, valid: torch.Tensor, lag: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Z times its value at a shift, and where both are ``valid``; ``[H, W]`` each, 0 elsewhere."""
    product, both = torch.zeros_like(z), torch.zeros_like(valid)
    (here_rows, there_rows), (here_columns, there_columns) = (
        (slice(max(-step, 0), size - max(step, 0)), slice(max(step, 0), size + min(step, 0)))
        for step, size in zip(lag, z.shape, strict=True)
    )
    here, there = (here_rows, here_columns), (there_rows, there_columns)
    both[here] = valid[here] & valid[there]
    product[here] = z[here] * z[there] * both[here]
    return product, both


def planes_of(
    prediction: Prediction, modality: Modality, part: Bounds, device: torch.device = CPU
) -> torch.Tensor:
    """``[19, h, w]``: what is summed over windows, of ``part`` of the slice.

    The same for every window of a slice, so it is made once.
    """
    mean, spread, z = (
        torch.from_numpy(np.ascontiguousarray(plane[part])).to(device)
        for plane in (prediction.mean, prediction.spread, prediction.z)
    )
    valid = torch.from_numpy(prediction.assessed[part].copy()).to(device)
    z = torch.where(valid, z.clamp(-LARGEST_Z, LARGEST_Z), 0.0).double()
    noise = prediction.noise_scale if np.isfinite(prediction.noise_scale) else 1.0
    relative = modality.relative
    unit = brightness_scale(prediction.mean, prediction.assessed) if relative else HUNDRED_HU
    planes = z.new_empty(FIRST_MEAN + 5, *z.shape)
    planes[0], planes[1] = valid, z.square()
    for number, lag in enumerate(LAGS, start=2):
        planes[number], planes[number + len(LAGS)] = _shifted_product(z, valid, lag)
    whole = torch.from_numpy(prediction.mean).to(device)
    edges = gradient_magnitude(whole.double(), part, 1.0) / noise
    log_spread = torch.log(spread.clamp(min=1e-6) / noise)
    for number, plane in enumerate((mean / unit, edges, log_spread), start=FIRST_MEAN):
        planes[number] = torch.where(valid, plane, 0.0)
    planes[FIRST_MEAN + 3 :] = 0.0
    if prediction.log_odds is not None:
        odds = torch.from_numpy(np.ascontiguousarray(prediction.log_odds[:, *part])).to(device)
        planes[FIRST_MEAN + 3 :] = torch.where(valid, odds, 0.0)
    return planes


def sums_of(prediction: Prediction, modality: Modality, device: torch.device = CPU) -> RunningSums:
    """``planes_of`` the part of a slice that holds anything, ready to be summed over windows."""
    part = bounds_of(prediction.assessed)
    planes = planes_of(prediction, modality, part, device)
    return running_sums(planes, (part[0].start, part[1].start))


def measure_windows(
    sums: RunningSums, around: float, centres: torch.Tensor, radii: Sequence[float]
) -> list[WindowTable]:
    """Windows of each of ``radii`` around ``centres`` ``[n, 2]`` (x, y).

    Measures: log energy of z, its correlation (Fisher's z) at ``LAGS`` and mean log-odds.

    Covariates, by which windows are matched: mean of the predicted slice (hundreds of HU for CT,
    shares of the brightness scale for MR); log of its edge strength and of the predicted spread,
    both in units of the noise scale; log energy of z in the local background; column and row. Noise
    changes over a slice (dose, coil sensitivity), so windows are compared with similar ones nearby.

    Args:
        sums: of ``sums_of``.
        around: radius of the regions whose background is measured, see ``local_background``.
        centres: of the windows.
        radii: of the windows, in pixels.
    """
    background = local_background(sums, centres, around)
    return [_measured(sums, centres, radius, background) for radius in radii]


def _measured(
    sums: RunningSums, centres: torch.Tensor, radius: float, background: torch.Tensor
) -> WindowTable:
    lags, totals = len(LAGS), sums.over(centres, radius)
    count = totals[:, :1]
    energy = totals[:, 1:2] / count
    correlation = totals[:, 2 : 2 + lags] / totals[:, 2 + lags : FIRST_MEAN] / energy
    means = totals[:, FIRST_MEAN:] / count
    log_energy = energy.clamp(min=1e-6).log()
    correlation = correlation.clamp(-0.98, 0.98)
    # Not atanh, whose last digit depends on how many windows are measured at once.
    fisher = 0.5 * ((1.0 + correlation) / (1.0 - correlation)).log()
    measures = torch.cat([log_energy, fisher, means[:, 3:]], dim=1)
    edges = means[:, 1:2].clamp(min=1e-3).log()
    around = torch.where(background.isfinite(), background, log_energy[:, 0])[:, None]
    covariates = torch.cat([means[:, :1], edges, means[:, 2:3], around, centres], dim=1)
    little = count < SUPPORT * len(disk_offsets(radius))
    return WindowTable(
        radius,
        centres,
        measures.masked_fill(little, torch.nan),
        covariates.masked_fill(little, torch.nan),
    )


def local_background(sums: RunningSums, centres: torch.Tensor, around: float) -> torch.Tensor:
    """``[n]`` median log energy of z in the disks beside regions of radius ``around``.

    NaN where none of them has support.
    """
    radius = BACKGROUND_RADIUS * around
    turns = np.arange(N_BACKGROUND) * 2 * np.pi / N_BACKGROUND
    steps = np.rint(BACKGROUND_DISTANCE * around * np.stack([np.cos(turns), np.sin(turns)], axis=1))
    beside = centres[:, None] + torch.from_numpy(steps.astype(np.int64)).to(centres.device)
    totals = sums.energies.over(beside.flatten(0, 1), radius).unflatten(0, beside.shape[:2])
    enough = totals[..., 0] >= BACKGROUND_SUPPORT * len(disk_offsets(radius))
    energies = (totals[..., 1] / totals[..., 0]).clamp(min=1e-3).log()
    count = enough.sum(dim=1)
    middle = median_of_first(energies.masked_fill(~enough, torch.inf), count)
    return middle.masked_fill(count == 0, torch.nan)


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
