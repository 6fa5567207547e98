"""What the residual of one window looks like, for many windows of a slice at once: the ground the evidence families stand on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude
from scipy.spatial import cKDTree

from dfd.intensity import brightness_scale
from dfd.modalities import Modality
from dfd.records import Prediction

LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""(row, column) shifts at which the residual's correlation is measured: with the energy, seven numbers."""
MEASURES = ("energy", *(f"correlation {row},{column}" for row, column in LAGS), "added noise", "replaced content")
"""The last two are the mean log-odds of the network's head, 0 where it has none."""
GRAIN, ADDED, REPLACED = slice(0, 1 + len(LAGS)), 1 + len(LAGS), 2 + len(LAGS)
"""Columns of the measures: the residual itself, and both answers of the head."""
LARGEST_Z = 6.0
"""Residuals are cut here: one pixel on a metal edge must not outweigh a window."""
SUPPORT = 0.6
"""Share of a window's pixels that must be measured."""
NEIGHBOURS = 40
"""Genuine windows of the same slice that a window is compared with."""
FEWEST_NEIGHBOURS = 12
"""Below this many no robust spread can be told, and the region is not assessable."""
APART = 2.2
"""Reference windows begin this many radii away, so that a click a little off does not put the edit into its own reference."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class WindowTable:
    """Numbers of windows: ``centres`` ``[n, 2]`` (x, y), ``measures`` ``[n, 9]``, ``covariates`` ``[n, 3]``; rows without support are NaN."""

    radius: float
    centres: NDArray[np.int64]
    measures: FloatArray
    covariates: FloatArray

    def rows(self, chosen: NDArray[np.int64] | slice) -> WindowTable:
        """The table of some of its windows."""
        return WindowTable(self.radius, self.centres[chosen], self.measures[chosen], self.covariates[chosen])


def disk_offsets(radius: float) -> NDArray[np.int64]:
    """``[k, 2]`` (row, column) offsets of the pixels of a disk."""
    reach = int(np.floor(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= radius**2
    return np.stack([rows[inside], columns[inside]], axis=1)


def _shifted_product(z: FloatArray, known: NDArray[np.bool_], lag: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    moved = np.roll(z, (-lag[0], -lag[1]), axis=(0, 1))
    both = known & np.roll(known, (-lag[0], -lag[1]), axis=(0, 1))
    # What np.roll carries around the border is not a neighbour.
    both[z.shape[0] - lag[0] :, :] = False
    if lag[1] > 0:
        both[:, z.shape[1] - lag[1] :] = False
    elif lag[1] < 0:
        both[:, : -lag[1]] = False
    return np.where(both, z * moved, 0.0), both.astype(np.float64)


def _gather(planes: FloatArray, centres: NDArray[np.int64], offsets: NDArray[np.int64]) -> FloatArray:
    """Sums of ``[F, H, W]`` planes over the disks at ``centres``: ``[n, F]``. Outside the slice there is nothing.

    The rows of a disk have no gaps, so each is the difference of two running sums (summed-area tables, Crow 1984, in one dimension).
    """
    if not len(centres) or not len(offsets):
        return np.zeros((len(centres), len(planes)))
    reach = int(np.abs(offsets).max())
    # Only the part that the disks touch is summed: a single click must not pay for the whole slice.
    low, high = centres.min(axis=0) - reach, centres.max(axis=0) + reach + 1
    cut = planes[:, max(0, low[1]) : max(0, high[1]), max(0, low[0]) : max(0, high[0])]
    before = [max(0, -int(low[axis])) for axis in (1, 0)]
    after = [max(0, int(high[axis]) - planes.shape[2 - axis]) for axis in (1, 0)]
    running = np.zeros((len(planes), cut.shape[1] + before[0] + after[0], cut.shape[2] + before[1] + after[1] + 1))
    inner = running[:, before[0] : before[0] + cut.shape[1]]
    np.cumsum(cut, axis=2, out=inner[:, :, before[1] + 1 : before[1] + 1 + cut.shape[2]])
    inner[:, :, before[1] + 1 + cut.shape[2] :] = inner[:, :, before[1] + cut.shape[2], None]
    sums = np.zeros((len(planes), len(centres)))
    width = running.shape[2]
    flat = running.reshape(len(planes), -1)
    places = (centres[:, 1] - low[1]) * width + centres[:, 0] - low[0]
    for row in np.unique(offsets[:, 0]):
        steps = offsets[offsets[:, 0] == row, 1]
        start = places + row * width
        sums += flat.take(start + steps.max() + 1, axis=1) - flat.take(start + steps.min(), axis=1)
    return np.ascontiguousarray(sums.T)


def planes_of(prediction: Prediction, modality: Modality) -> FloatArray:
    """``[19, H, W]``: what is summed over windows. The same for every window of a slice, so it is made once."""
    known = prediction.assessed
    z = np.where(known, np.clip(prediction.z, -LARGEST_Z, LARGEST_Z), 0.0).astype(np.float64)
    products = [_shifted_product(z, known, lag) for lag in LAGS]
    noise = prediction.noise_scale if np.isfinite(prediction.noise_scale) else 1.0
    unit = brightness_scale(prediction.mean, known) if modality.relative else 100.0
    edges = gaussian_gradient_magnitude(prediction.mean.astype(np.float64), 1.0) / noise
    return np.stack(
        [
            known.astype(np.float64),
            z**2,
            *(product for product, _ in products),
            *(both for _, both in products),
            np.where(known, prediction.mean / unit, 0.0),
            np.where(known, edges, 0.0),
            np.where(known, np.log(np.maximum(prediction.spread, 1e-6) / noise), 0.0),
            *(np.zeros((2, *z.shape)) if prediction.log_odds is None else np.where(known, prediction.log_odds, 0.0)),
        ]
    )


def measure_windows(planes: FloatArray, centres: NDArray[np.int64], radius: float) -> WindowTable:
    """Log energy of z, its correlation (Fisher's z) at ``LAGS`` and mean log-odds in the disks around ``centres``, and what windows are matched by.

    ``planes`` come from ``planes_of``. Covariates: mean of the predicted slice (hundreds of HU for CT, shares of the brightness scale for MR), log of
    its edge strength and of the predicted spread, both in units of the noise scale.
    """
    offsets = disk_offsets(radius)
    sums = _gather(planes, centres, offsets)
    count = sums[:, 0]
    enough = count >= SUPPORT * len(offsets)
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = sums[:, 1] / count
        lags = len(LAGS)
        correlation = sums[:, 2 : 2 + lags] / sums[:, 2 + lags : 2 + 2 * lags] / energy[:, None]
        rest = sums[:, 2 + 2 * lags :] / count[:, None]
        measures = np.column_stack([np.log(np.maximum(energy, 1e-6)), np.arctanh(np.clip(correlation, -0.98, 0.98)), rest[:, 3:]])
        covariates = np.column_stack([rest[:, 0], np.log(np.maximum(rest[:, 1], 1e-3)), rest[:, 2]])
    measures[~enough] = np.nan
    covariates[~enough] = np.nan
    return WindowTable(radius, centres, measures, covariates)


def grid_centres(prediction: Prediction, radius: float) -> NDArray[np.int64]:
    """``[n, 2]`` (x, y) centres half a radius apart wherever the middle pixel is measured."""
    step = max(4, round(radius / 2))
    rows, columns = np.mgrid[step // 2 : prediction.z.shape[0] : step, step // 2 : prediction.z.shape[1] : step]
    inside = prediction.assessed[rows, columns]
    return np.stack([columns[inside], rows[inside]], axis=1).astype(np.int64)


def supported(table: WindowTable) -> WindowTable:
    """The rows of a table that have support."""
    return table.rows(np.flatnonzero(np.isfinite(table.measures).all(axis=1)))


def deviations(asked: WindowTable, reference: WindowTable) -> FloatArray:
    """``[n, 9]``: robust deviation of each asked window from its ``NEIGHBOURS`` most similar reference windows.

    NaN where there are fewer than ``FEWEST_NEIGHBOURS``. Similar: nearest in the covariates, each in units of its own robust spread over the
    reference. Reference windows closer than ``APART`` radii are left out.
    """
    result = np.full(asked.measures.shape, np.nan)
    rows = np.flatnonzero(np.isfinite(asked.covariates).all(axis=1))
    if len(reference.centres) < FEWEST_NEIGHBOURS or not len(rows):
        return result
    centre = np.median(reference.covariates, axis=0)
    width = np.maximum(1.4826 * np.median(np.abs(reference.covariates - centre), axis=0), 1e-3)
    floor = np.maximum(0.5 * 1.4826 * np.median(np.abs(reference.measures - np.median(reference.measures, axis=0)), axis=0), 1e-3)
    nearest, usable = _similar(asked, reference, rows, width)
    enough = usable.sum(axis=1) >= FEWEST_NEIGHBOURS
    values = np.where((usable | ~enough[:, None])[..., None], reference.measures[nearest], np.nan)
    # The plain median is several times as fast, and hardly ever is a neighbour missing.
    median = np.nanmedian if np.isnan(values).any() else np.median
    middle = median(values, axis=1)
    spread = 1.4826 * median(np.abs(values - middle[:, None]), axis=1)
    # A handful of windows may agree by chance: half the spread over the whole slice is the least that is believed.
    deviation = (asked.measures[rows] - middle) / np.maximum(spread, floor)
    deviation[~enough] = np.nan
    result[rows] = deviation
    return result


def _similar(asked: WindowTable, reference: WindowTable, rows: NDArray[np.int64], width: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Two arrays ``[rows, NEIGHBOURS]``: the reference windows most similar to each asked one, and whether each lies far enough away to be used."""
    clear = APART * asked.radius
    too_near = cKDTree(reference.centres).query_ball_point(asked.centres[rows], clear, return_length=True)
    number = min(NEIGHBOURS, len(reference.centres) - 1)
    # As many more as lie too near anywhere: then the wanted ones are among them.
    count = min(len(reference.centres), number + int(too_near.max()))
    found = cKDTree(reference.covariates / width).query(asked.covariates[rows] / width, k=count)[1].reshape(len(rows), count)
    steps = reference.centres[found] - asked.centres[rows][:, None]
    apart = np.hypot(steps[..., 0], steps[..., 1]) >= clear
    first = np.argsort(~apart, axis=1, kind="stable")[:, :number]
    return np.take_along_axis(found, first, axis=1), np.take_along_axis(apart, first, axis=1)


def sums_in(planes: FloatArray, centres: NDArray[np.int64], radius: float) -> FloatArray:
    """Sums of ``[F, H, W]`` planes over the disks of ``radius`` around ``centres`` ``[n, 2]`` (x, y): ``[n, F]``."""
    return _gather(planes, centres, disk_offsets(radius))
