"""FROC: the share of edits found against false places a genuine slice.

Free-response receiver operating characteristic, as in LUNA16 (Setio et al. 2017, Medical Image
Analysis 42:1, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.bootstrap import intervals

FloatArray = NDArray[np.float64]
FALSE_PLACES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""A slice."""
MEAN = "mean"
COUNTED = (MEAN, "slice p <= 0.05", "listed first")
"""What has an interval."""


class Outcome(NamedTuple):
    """What came of one edited slice."""

    patient: str
    found: NDArray[np.bool_]
    """At each of ``FALSE_PLACES``."""
    alarm: float
    """1 where the slice is rare; NaN where that cannot be said."""
    first: float
    """1 where the edit is the first place."""


def row_of(
    name: str, outcomes: Sequence[Sequence[Outcome]], rng: np.random.Generator
) -> dict[str, Any]:
    """Means over the edits of ``outcomes``; ``rng`` draws patients for the intervals."""
    at = np.mean(
        [np.mean([each.found for each in of_edit], axis=0) for of_edit in outcomes], axis=0
    )
    return {
        "edit": name,
        "slices": sum(map(len, outcomes)),
        **{f"at {rate:g}": float(each) for rate, each in zip(FALSE_PLACES, at, strict=True)},
        **_with_intervals(outcomes, rng),
    }


def _with_intervals(
    outcomes: Sequence[Sequence[Outcome]], rng: np.random.Generator
) -> dict[str, Any]:
    """Means over edits of ``COUNTED``, each with its interval over patients."""
    names = sorted({each.patient for of_edit in outcomes for each in of_edit})
    sums = np.zeros((len(outcomes), len(names), len(COUNTED)))
    counts = np.zeros((len(outcomes), len(names), 1))
    for edit, of_edit in enumerate(outcomes):
        for each in of_edit:
            place = edit, names.index(each.patient)
            sums[place] += (float(each.found.mean()), each.alarm, each.first)
            counts[place] += 1

    def means(chosen: NDArray[np.int64]) -> dict[str, float]:
        there = counts[:, chosen].sum(axis=1)
        shares = sums[:, chosen].sum(axis=1)[there[:, 0] > 0] / there[there[:, 0] > 0]
        return dict(zip(COUNTED, shares.mean(axis=0).tolist(), strict=True))

    bounds = intervals(means, len(names), rng)
    return {
        key: {"value": value, "low": bounds[key][0], "high": bounds[key][1]}
        for key, value in means(np.arange(len(names))).items()
    }


def limit_of(false: FloatArray, allowed: float) -> float:
    """The score that at most ``allowed`` false places exceed."""
    number = math.floor(allowed)
    return float(false[number]) if number < len(false) else -math.inf
