"""What the residual of one window looks like, for many windows of a slice at once.

The ground the evidence families stand on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude
from scipy.spatial import cKDTree

from dfd.intensity import MAD_TO_SD, brightness_scale
from dfd.modalities import Modality
from dfd.records import Prediction

LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""(row, column) shifts at which the residual's correlation is measured: with the energy, seven
numbers."""
MEASURES = (
    "energy",
    *(f"correlation {row},{column}" for row, column in LAGS),
    "added noise",
    "replaced content",
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
NEIGHBOURS = 40
"""Genuine windows of the same slice that a window is compared with."""
FEWEST_NEIGHBOURS = 12
"""Below this many no robust spread can be told, and the region is not assessable."""
BESIDE, BESIDE_RADIUS, BESIDE_NUMBER = 1.7, 0.55, 8
"""The surroundings of a region are disks: their distance and radius in radii of the region, and how
many. Their median counts, so that an edit which the click missed by a little does not excuse
itself."""
BESIDE_SUPPORT = 0.3
"""Share of such a disk that must be measured."""
APART = 2.2
"""Reference windows begin this many radii away, so that a click a little off does not put the edit
into its own reference."""

FloatArray = NDArray[np.float64]
Planes = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True)
class WindowTable:
    """Numbers of windows.

    ``centres`` ``[n, 2]`` (x, y), ``measures`` ``[n, 9]``, ``covariates`` ``[n, c]``; rows without
    support are NaN.
    """

    radius: float
    centres: NDArray[np.int64]
    measures: FloatArray
    covariates: FloatArray

    @cached_property
    def width(self) -> FloatArray:
        """``[c]`` robust spread of the covariates."""
        return np.maximum(_robust_spread(self.covariates), 1e-3)

    @cached_property
    def floor(self) -> FloatArray:
        """``[9]`` half the robust spread of the measures.

        The least that a handful of windows is believed to vary by.
        """
        return np.maximum(0.5 * _robust_spread(self.measures), 1e-3)

    @cached_property
    def by_place(self) -> cKDTree:
        """Over the centres."""
        return cKDTree(self.centres)

    @cached_property
    def by_likeness(self) -> cKDTree:
        """Over the covariates in units of ``width``."""
        return cKDTree(self.covariates / self.width)

    def rows(self, chosen: NDArray[np.int64] | slice) -> WindowTable:
        """The table of some of its windows."""
        return WindowTable(
            self.radius, self.centres[chosen], self.measures[chosen], self.covariates[chosen]
        )


def _robust_spread(values: FloatArray) -> FloatArray:
    spread: FloatArray = MAD_TO_SD * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return spread


def disk_offsets(radius: float) -> NDArray[np.int64]:
    """``[k, 2]`` (row, column) offsets of the pixels of a disk."""
    reach = int(np.floor(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= radius**2
    return np.stack([rows[inside], columns[inside]], axis=1)


def _shifted_product(
    z: FloatArray, known: NDArray[np.bool_], lag: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    moved = np.roll(z, (-lag[0], -lag[1]), axis=(0, 1))
    both = known & np.roll(known, (-lag[0], -lag[1]), axis=(0, 1))
    # What np.roll carries around the border is not a neighbour.
    both[z.shape[0] - lag[0] :, :] = False
    if lag[1] > 0:
        both[:, z.shape[1] - lag[1] :] = False
    elif lag[1] < 0:
        both[:, : -lag[1]] = False
    return np.where(both, z * moved, 0.0), both.astype(np.float64)


@dataclass(frozen=True)
class RunningSums:
    """Planes of a slice summed along each row, cut to the part that holds anything.

    Sums over any disks cost two values per row of a disk.

    (Summed-area tables, Crow 1984, in one dimension: the rows of a disk have no gaps.)
    """

    running: Planes
    """``[H + 1, W + 1, F]`` of that part: sums of what lies left; the last row is empty."""
    corner: tuple[int, int]
    """(row, column) of that part in the slice."""
    beside: dict[tuple[float, bytes], FloatArray] = field(default_factory=dict)
    """What ``surroundings`` found before: windows of several sizes stand at the same places."""

    @cached_property
    def energies(self) -> RunningSums:
        """Of the first two planes alone: known pixels and the squares of z."""
        return RunningSums(
            np.array(self.running[..., :2], dtype=np.float64, order="C"), self.corner
        )

    def over(self, centres: NDArray[np.int64], radius: float) -> FloatArray:
        """Sums over the disks of ``radius`` around ``centres`` ``[n, 2]`` (x, y): ``[n, F]``.

        Outside the slice there is nothing.
        """
        height, width = self.running.shape[0] - 1, self.running.shape[1] - 1
        flat = self.running.reshape(-1, self.running.shape[2])
        sums = np.zeros((len(centres), flat.shape[1]))
        offsets = disk_offsets(radius)
        rows, columns = centres[:, 1] - self.corner[0], centres[:, 0] - self.corner[1]
        for step in np.unique(offsets[:, 0]):
            reach = int(offsets[offsets[:, 0] == step, 1].max())
            row = rows + step
            start = np.where((row >= 0) & (row < height), row, height) * (width + 1)
            sums += flat.take(start + np.clip(columns + reach + 1, 0, width), axis=0)
            sums -= flat.take(start + np.clip(columns - reach, 0, width), axis=0)
        return sums


def running_sums(planes: Planes) -> RunningSums:
    """Of ``[F, H, W]`` planes, all of which are 0 where the first is.

    Counts keep exact in float32.
    """
    held = planes[0] != 0
    rows, columns = np.flatnonzero(held.any(axis=1)), np.flatnonzero(held.any(axis=0))
    if not len(rows):
        return RunningSums(np.zeros((1, 1, len(planes)), dtype=planes.dtype), (0, 0))
    part = planes[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    running = np.zeros((part.shape[1] + 1, part.shape[2] + 1, len(planes)), dtype=planes.dtype)
    np.cumsum(part.transpose(1, 2, 0), axis=1, out=running[:-1, 1:])
    return RunningSums(running, (int(rows[0]), int(columns[0])))


def planes_of(prediction: Prediction, modality: Modality) -> FloatArray:
    """``[19, H, W]``: what is summed over windows.

    The same for every window of a slice, so it is made once.
    """
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
            *(
                np.zeros((2, *z.shape))
                if prediction.log_odds is None
                else np.where(known, prediction.log_odds, 0.0)
            ),
        ]
    )


def measure_windows(
    sums: RunningSums, centres: NDArray[np.int64], radius: float, around: float
) -> WindowTable:
    """Log energy of z.

    Its correlation (Fisher's z) at ``LAGS`` and mean log-odds in the disks around ``centres``, and
    what windows are matched by.

    ``sums`` are those of ``planes_of``. Covariates: mean of the predicted slice (hundreds of HU for
    CT, shares of the brightness scale for MR); log of its edge strength and of the predicted
    spread, both in units of the noise scale; log energy of z beside a region of radius ``around``
    (see ``BESIDE``); column and row. Noise changes over a slice (dose, coil sensitivity), so like
    is compared with like nearby.
    """
    lags, found = len(LAGS), sums.over(centres, radius)
    count = found[:, 0]
    enough = count >= SUPPORT * len(disk_offsets(radius))
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = found[:, 1] / count
        correlation = found[:, 2 : 2 + lags] / found[:, 2 + lags : 2 + 2 * lags] / energy[:, None]
        rest = found[:, 2 + 2 * lags :] / count[:, None]
        measures = np.column_stack(
            [
                np.log(np.maximum(energy, 1e-6)),
                np.arctanh(np.clip(correlation, -0.98, 0.98)),
                rest[:, 3:],
            ]
        )
        beside = surroundings(sums, centres, around)
        logs = [
            np.log(np.maximum(rest[:, 1], 1e-3)),
            rest[:, 2],
            np.where(np.isfinite(beside), beside, measures[:, 0]),
        ]
        covariates = np.column_stack([rest[:, 0], *logs, centres])
    measures[~enough] = np.nan
    covariates[~enough] = np.nan
    return WindowTable(radius, centres, measures, covariates)


def surroundings(sums: RunningSums, centres: NDArray[np.int64], around: float) -> FloatArray:
    """``[n]`` median log energy of z in the disks beside regions of radius ``around``.

    NaN where none of them has support.
    """
    key = (around, centres.tobytes())
    if key not in sums.beside:
        sums.beside[key] = _surroundings(sums, centres, around)
    return sums.beside[key]


def _surroundings(sums: RunningSums, centres: NDArray[np.int64], around: float) -> FloatArray:
    radius = BESIDE_RADIUS * around
    least = BESIDE_SUPPORT * len(disk_offsets(radius))
    energies = np.full((BESIDE_NUMBER, len(centres)), np.nan)
    for number, turn in enumerate(np.arange(BESIDE_NUMBER) * 2 * np.pi / BESIDE_NUMBER):
        step = np.rint([BESIDE * around * np.cos(turn), BESIDE * around * np.sin(turn)]).astype(
            np.int64
        )
        found = sums.energies.over(centres + step, radius)
        held = found[:, 0] >= least
        energies[number, held] = np.log(np.maximum(found[held, 1] / found[held, 0], 1e-3))
    # np.nanmedian warns of windows with nothing beside them.
    count = np.isfinite(energies).sum(axis=0)
    ordered = np.sort(energies, axis=0)  # NaN last
    low, high = (
        np.take_along_axis(ordered, np.maximum(index, 0)[None], axis=0)[0]
        for index in ((count - 1) // 2, count // 2)
    )
    return np.asarray(np.where(count > 0, (low + np.where(count > 1, high, low)) / 2.0, np.nan))


def grid_centres(prediction: Prediction, radius: float) -> NDArray[np.int64]:
    """``[n, 2]`` (x, y) centres half a radius apart wherever the middle pixel is measured."""
    step = max(LEAST_STEP, round(radius / 2))
    rows, columns = np.mgrid[
        step // 2 : prediction.z.shape[0] : step, step // 2 : prediction.z.shape[1] : step
    ]
    inside = prediction.assessed[rows, columns]
    return np.stack([columns[inside], rows[inside]], axis=1).astype(np.int64)


def supported(table: WindowTable) -> WindowTable:
    """The rows of a table that have support."""
    return table.rows(np.flatnonzero(np.isfinite(table.measures).all(axis=1)))


def deviations(asked: WindowTable, reference: WindowTable) -> FloatArray:
    """``[n, 9]``: robust deviation of each asked window from its most similar reference windows.

    The ``NEIGHBOURS`` nearest in the covariates, each in units of its own robust spread over the
    reference; those closer than ``APART`` radii are left out. NaN where there are fewer than
    ``FEWEST_NEIGHBOURS``.
    """
    result = np.full(asked.measures.shape, np.nan)
    rows = np.flatnonzero(np.isfinite(asked.covariates).all(axis=1))
    if len(reference.centres) < FEWEST_NEIGHBOURS or not len(rows):
        return result
    nearest, usable = _similar(asked, reference, rows)
    enough = usable.sum(axis=1) >= FEWEST_NEIGHBOURS
    values = np.where((usable | ~enough[:, None])[..., None], reference.measures[nearest], np.nan)
    # The plain median is several times as fast, and hardly ever is a neighbour missing.
    median = np.nanmedian if np.isnan(values).any() else np.median
    middle = median(values, axis=1)
    spread = MAD_TO_SD * median(np.abs(values - middle[:, None]), axis=1)
    # A handful of windows may agree by chance.
    deviation = (asked.measures[rows] - middle) / np.maximum(spread, reference.floor)
    deviation[~enough] = np.nan
    result[rows] = deviation
    return result


def _similar(
    asked: WindowTable, reference: WindowTable, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Two arrays ``[rows, NEIGHBOURS]``.

    The reference windows most similar to each asked one, and whether each lies far enough away to
    be used.
    """
    clear = APART * asked.radius
    too_near = reference.by_place.query_ball_point(asked.centres[rows], clear, return_length=True)
    number = min(NEIGHBOURS, len(reference.centres) - 1)
    # As many more as lie too near anywhere: then the wanted ones are among them.
    count = min(len(reference.centres), number + int(too_near.max()))
    found = reference.by_likeness.query(asked.covariates[rows] / reference.width, k=count)[
        1
    ].reshape(len(rows), count)
    steps = reference.centres[found] - asked.centres[rows][:, None]
    apart = np.hypot(steps[..., 0], steps[..., 1]) >= clear
    first = np.argsort(~apart, axis=1, kind="stable")[:, :number]
    return np.take_along_axis(found, first, axis=1), np.take_along_axis(apart, first, axis=1)
