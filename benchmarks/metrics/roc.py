"""How well a number tells edited regions from genuine ones.

Higher = more suspicious, everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.metrics.bootstrap import interval

FloatArray = NDArray[np.float64]


def auc(edited: FloatArray, genuine: FloatArray) -> float:
    """Share of pairs in which the edited region has the higher number.

    Ties counting half (Mann-Whitney); NaN where one side is empty.
    """
    if not len(edited) or not len(genuine):
        return float("nan")
    ranks = rankdata(np.concatenate([edited, genuine]))
    return float(
        (ranks[: len(edited)].sum() - len(edited) * (len(edited) + 1) / 2)
        / (len(edited) * len(genuine))
    )


def sensitivity_at(edited: FloatArray, genuine: FloatArray, alarms: float) -> float:
    """Share of edited regions above the threshold that at most ``alarms`` of the genuine exceed.

    NaN where one side is empty.
    """
    if not len(edited) or not len(genuine):
        return float("nan")
    allowed = int(np.floor(alarms * len(genuine)))
    threshold = np.sort(genuine)[::-1][allowed] if allowed < len(genuine) else -np.inf
    return float((edited > threshold).mean())


def by_patient(
    values: Sequence[float], owners: Sequence[str], patients: Sequence[str]
) -> list[FloatArray]:
    """Finite values of each patient, in the order of ``patients``."""
    array, names = np.asarray(values, dtype=np.float64), np.asarray(owners)
    return [
        array[(names == patient) & np.isfinite(array)] if len(array) else array
        for patient in patients
    ]


def auc_interval(
    edited: Sequence[FloatArray], genuine: Sequence[FloatArray], rng: np.random.Generator
) -> tuple[float, float]:
    """Interval of the AUC when whole patients are drawn again.

    One array for each patient, in the same order on both sides.
    """
    return interval(
        lambda indices: auc(
            np.concatenate([edited[i] for i in indices]),
            np.concatenate([genuine[i] for i in indices]),
        ),
        len(edited),
        rng,
    )
