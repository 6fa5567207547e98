"""Intervals over patients.

The patient is the unit that was drawn from the world, so it is the unit that is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
LEVEL = 0.95


def interval(
    statistic: Callable[[NDArray[np.int64]], float],
    patients: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """Percentile interval of ``statistic`` over patients drawn with replacement (Efron 1979.

    Clusters: Davison and Hinkley 1997, section 3.8).

    Args:
        statistic: gets the numbers of the drawn patients, ``[patients]``, repeated as drawn.
        patients: how many there are. With one the interval is empty (NaN).
        rng: generator.
        draws: how often.
    """
    if patients < 2:
        return float("nan"), float("nan")
    values = [statistic(rng.integers(0, patients, patients)) for _ in range(draws)]
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(values: Sequence[float], rng: np.random.Generator) -> tuple[float, float]:
    """Interval of the mean of one value per patient."""
    array = np.asarray(values, dtype=np.float64)
    return interval(lambda indices: float(array[indices].mean()), len(array), rng)


def intervals(
    statistic: Callable[[NDArray[np.int64]], Mapping[str, float]],
    patients: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> dict[str, tuple[float, float]]:
    """``interval`` of several numbers over the same drawn patients, by name."""
    samples = (
        [statistic(rng.integers(0, patients, patients)) for _ in range(draws)]
        if patients >= 2
        else []
    )
    bounds = {}
    for name in statistic(np.arange(patients)):
        finite = [value[name] for value in samples if np.isfinite(value[name])]
        low, high = (
            np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if finite else (np.nan, np.nan)
        )
        bounds[name] = (float(low), float(high))
    return bounds
