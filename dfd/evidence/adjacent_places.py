"""Evidence of the places of a screened slice, with that of the places beside them.

A large edit lies in several places of the grid, while what is strange by chance mostly lies in one.
So the statistics of a place grow and shrink with those of the four places beside it. Copies are
left as they are: whatever is copied has one best match. Measured by ``benchmarks.studies.froc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.family import Measured
from dfd.evidence.running_sums import FloatArray
from dfd.records import Evidence, Family

WEIGHT = 0.3
"""Of the logarithm of each statistic beside, where the place's own counts 1. A place that was not
measured counts nothing, as one of statistic 1."""
BY_THEMSELVES = (Family.COPY_MOVE, Family.SERIES_COPY)
LEAST = 1e-3
"""Smaller statistics count as this."""
BESIDE = ((0, 1), (1, 0), (0, -1), (-1, 0))


def with_those_beside(
    families: Mapping[str, Measured], places: NDArray[np.int64], step: int
) -> dict[str, Measured]:
    """The families with statistics that count the places beside each.

    Args:
        families: what each measured at ``places``.
        places: ``[n, 2]`` (x, y), some of a grid.
        step: of the grid, in pixels.
    """
    neighbours = _beside(places, step)
    return {
        name: each if name in BY_THEMSELVES else _raised(each, neighbours)
        for name, each in families.items()
    }


def _beside(places: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """``[n, 4]``: number of each place beside, -1 where there is none."""
    numbers = {(int(x), int(y)): number for number, (x, y) in enumerate(places)}
    found = [
        [numbers.get((int(x) + across * step, int(y) + down * step), -1) for across, down in BESIDE]
        for x, y in places
    ]
    return np.array(found, dtype=np.int64).reshape(-1, len(BESIDE))


def _raised(measured: Measured, neighbours: NDArray[np.int64]) -> Measured:
    own = np.log(np.maximum(measured.statistics, LEAST))
    # One more, for places that are not there.
    beside = np.append(own, np.nan)[neighbours]
    sums = np.where(np.isfinite(beside), beside, 0.0).sum(axis=1)
    values = np.exp(own + WEIGHT * sums)
    return _with_statistics(measured, values)


def _with_statistics(measured: Measured, values: FloatArray) -> Measured:
    def record(number: int) -> Evidence:
        return replace(measured[number], statistic=float(values[number]))

    return Measured(values, record, by_themselves=measured.statistics)
