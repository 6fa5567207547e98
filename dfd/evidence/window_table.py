"""Windows of a slice and how far each deviates from those most similar to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dfd.evidence.running_sums import FloatArray
from dfd.intensity import MAD_TO_SD

N_REFERENCE = 40
"""Genuine windows of the same slice that a window is compared with."""
MIN_REFERENCE = 12
"""Below this many there is no robust spread, and the region is not assessable."""
EXCLUSION_RADII = 2.2
"""Reference windows begin this many radii away, so that a click a little off does not put the edit
into its own reference."""


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

    @property
    def has_support(self) -> NDArray[np.bool_]:
        """``[n]``, True where enough of a window was measured."""
        return np.asarray(np.isfinite(self.measures).all(axis=1))

    def rows(self, chosen: NDArray[np.int64] | slice) -> WindowTable:
        """The table of some of its windows."""
        return WindowTable(
            self.radius, self.centres[chosen], self.measures[chosen], self.covariates[chosen]
        )


def _robust_spread(values: FloatArray) -> FloatArray:
    spread: FloatArray = MAD_TO_SD * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return spread


def supported(table: WindowTable) -> WindowTable:
    """The rows of a table that have support."""
    return table.rows(np.flatnonzero(table.has_support))


def deviations(windows: WindowTable, reference: WindowTable) -> FloatArray:
    """``[n, 9]``: robust deviation of each window from its most similar reference windows.

    Those are the ``N_REFERENCE`` with the nearest covariates, each in units of its own robust
    spread over the reference; those closer than ``EXCLUSION_RADII`` radii are left out. NaN where
    there are fewer than ``MIN_REFERENCE``.
    """
    result = np.full(windows.measures.shape, np.nan)
    rows = np.flatnonzero(np.isfinite(windows.covariates).all(axis=1))
    if len(reference.centres) < MIN_REFERENCE or not len(rows):
        return result
    nearest, usable = _similar(windows, reference, rows)
    enough = usable.sum(axis=1) >= MIN_REFERENCE
    values = np.where((usable | ~enough[:, None])[..., None], reference.measures[nearest], np.nan)
    # The plain median is several times as fast, and a reference window is hardly ever missing.
    median = np.nanmedian if np.isnan(values).any() else np.median
    middle = median(values, axis=1)
    spread = MAD_TO_SD * median(np.abs(values - middle[:, None]), axis=1)
    # A handful of windows may agree by chance.
    deviation = (windows.measures[rows] - middle) / np.maximum(spread, reference.floor)
    deviation[~enough] = np.nan
    result[rows] = deviation
    return result


def _similar(
    windows: WindowTable, reference: WindowTable, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Two arrays ``[rows, N_REFERENCE]``.

    The reference windows most similar to each of the windows, and whether each lies far enough away
    to be used.
    """
    clear = EXCLUSION_RADII * windows.radius
    too_near = reference.by_place.query_ball_point(windows.centres[rows], clear, return_length=True)
    number = min(N_REFERENCE, len(reference.centres) - 1)
    # As many more as lie too near anywhere: then the wanted ones are among them.
    count = min(len(reference.centres), number + int(too_near.max()))
    similar = reference.by_likeness.query(windows.covariates[rows] / reference.width, k=count)[
        1
    ].reshape(len(rows), count)
    steps = reference.centres[similar] - windows.centres[rows][:, None]
    apart = np.hypot(steps[..., 0], steps[..., 1]) >= clear
    first = np.argsort(~apart, axis=1, kind="stable")[:, :number]
    return np.take_along_axis(similar, first, axis=1), np.take_along_axis(apart, first, axis=1)
