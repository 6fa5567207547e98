"""Evidence -> p-value.

Conformal over patients, extended smoothly beyond them, and marked where it is.

The exchangeable unit is the patient. Each calibration patient contributes the distribution of the
statistic over genuine regions; the p-value of a new region is (1 + sum over patients of the share
of genuine regions at least as large) / (1 + patients) (hierarchical conformal prediction, Lee,
Barber and Willett 2023, arXiv 2306.06342, section 3). Its smallest value is 1 / (1 + patients).
Beyond that the tail is extended by a Pareto fit (Hill 1975) and marked: the one in the numerator,
which stands for the new patient, gives way to the share that is expected for him.

Patients may count unequally, so that many of one scanner do not outvote the rest. The effective
number of patients (Kish, Survey Sampling, 1965, section 11.7) then stands for their number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dfd.errors import CalibrationError

QUANTILES = 200
"""Most values kept per patient: order statistics of the genuine regions."""
STORED_DIGITS = 5
"""Decimals kept of a statistic: keeps the file small. Rounded when fitted, so that the file gives
the same p-values as what was fitted."""
WEIGHT_DIGITS = 4
"""Decimals kept of how much a patient counts."""
TAIL_SHARE = 0.1
"""Upper share of genuine regions that the tail is fitted to."""
SMALLEST_P = 1e-12

FloatArray = NDArray[np.float64]
Statistics: TypeAlias = Mapping[str, float]
"""Evidence family -> its statistic in one region; NaN where it could not be measured."""
Columns: TypeAlias = Mapping[str, FloatArray]
"""Evidence family -> its statistics ``[n]`` in many regions."""


@dataclass(frozen=True)
class CalibrationTable:
    """Genuine statistics of one evidence family: one sorted array per calibration patient."""

    patients: tuple[FloatArray, ...]
    threshold: float = math.inf
    """Where the fitted tail begins."""
    tail_index: float = 1.0
    """Pareto exponent of the tail: the share beyond t falls as (t / threshold) ** -tail_index."""
    numbers: tuple[int, ...] | None = None
    """Place of each among all patients of the calibration, since a family is not measured on all
    of them. None: not recorded."""
    weights: tuple[float, ...] | None = None
    """How much each counts; None: all alike."""

    @property
    def effective_patients(self) -> float:
        """So many patients that count alike would say as much."""
        if self.weights is None:
            return float(len(self.patients))
        return math.fsum(self.weights) ** 2 / math.fsum(each**2 for each in self.weights)


def columns_of(rows: Sequence[Statistics]) -> Columns:
    """Of each family its statistics in all of ``rows``, NaN where a row has none."""
    families = dict.fromkeys(family for row in rows for family in row)
    return {
        family: np.array([row.get(family, math.nan) for row in rows], dtype=np.float64)
        for family in families
    }


def rows_of(columns: Columns) -> list[Statistics]:
    """Of each region its statistics."""
    each = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in each]


def fit_table(
    by_patient: Sequence[Sequence[float]], weights: Sequence[float] | None = None
) -> CalibrationTable:
    """Table of one family from the genuine statistics of each patient.

    Patients without any are left out.

    Args:
        by_patient: statistics of each patient.
        weights: how much each patient counts; None: all alike.

    Raises:
        CalibrationError: nothing to fit.
    """
    measured = [
        np.sort(np.asarray([v for v in values if math.isfinite(v)], dtype=np.float64))
        for values in by_patient
    ]
    numbers = tuple(number for number, values in enumerate(measured) if len(values))
    if not numbers:
        raise CalibrationError(
            "no genuine region could be measured, so there is nothing to calibrate on; give "
            "more or larger slices."
        )
    stored = [
        np.quantile(values, np.linspace(0, 1, QUANTILES)) if len(values) > QUANTILES else values
        for values in (measured[number] for number in numbers)
    ]
    patients = tuple(np.round(values, STORED_DIGITS) for values in stored)
    kept = (
        None if weights is None else tuple(round(weights[each], WEIGHT_DIGITS) for each in numbers)
    )
    return CalibrationTable(patients, *_fit_tail(patients, kept), numbers, kept)


def patient_weights(groups: Sequence[str]) -> list[float] | None:
    """How much each patient counts: n patients of one group as much as sqrt(n) of n groups.

    Between one voice for each patient and one for each group, as slices are drawn in training.

    Args:
        groups: scanner and kernel of each patient.

    Returns:
        Weights with a mean of 1; None where all count alike.
    """
    counts = Counter(groups)
    if len(set(counts.values())) <= 1:
        return None
    weights = [1.0 / math.sqrt(counts[group]) for group in groups]
    return [weight * len(weights) / math.fsum(weights) for weight in weights]


def _fit_tail(
    patients: Sequence[FloatArray], patient_weight: Sequence[float] | None
) -> tuple[float, float]:
    pooled = np.concatenate(patients)
    counting = [1.0] * len(patients) if patient_weight is None else patient_weight
    weights = np.concatenate(
        [
            np.full(len(values), weight / len(values))
            for values, weight in zip(patients, counting, strict=True)
        ]
    ) / math.fsum(counting)
    order = np.argsort(pooled)[::-1]
    pooled, weights = np.maximum(pooled[order], 1e-9), weights[order]
    count = max(1, int(np.searchsorted(np.cumsum(weights), TAIL_SHARE)))
    threshold = float(pooled[min(count, len(pooled) - 1)])
    excess = float(np.average(np.log(pooled[:count] / threshold), weights=weights[:count]))
    return threshold, 1.0 / max(excess, 0.02)


def shares_beyond(statistics: FloatArray, table: CalibrationTable) -> FloatArray:
    """``[n]``: patient-weighted share of genuine regions at least as large as each statistic.

    Smooth beyond the tail's threshold. Not increasing.
    """
    counted = np.minimum(statistics, table.threshold)
    of_patients = [
        1.0 - np.searchsorted(values, counted, side="left") / len(values)
        for values in table.patients
    ]
    if table.weights is None:
        shares = np.mean(of_patients, axis=0)
    else:
        shares = np.tensordot(table.weights, of_patients, axes=1) / math.fsum(table.weights)
    return np.asarray(shares * np.maximum(statistics / table.threshold, 1.0) ** -table.tail_index)


def share_beyond(statistic: float, table: CalibrationTable) -> float:
    """As ``shares_beyond``, of one statistic."""
    return float(shares_beyond(np.array([statistic]), table)[0])


def p_value(statistic: float, table: CalibrationTable) -> tuple[float, bool]:
    """Two answers: p in (0, 1], not increasing in ``statistic``.

    And whether it lies beyond what the patients support.
    """
    p, beyond = p_values(np.array([statistic]), table)
    return float(p[0]), bool(beyond[0])


def p_values(
    statistics: FloatArray, table: CalibrationTable
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """As ``p_value``, of many statistics ``[n]``: both answers ``[n]``."""
    n = table.effective_patients
    shares = shares_beyond(statistics, table)
    beyond = shares < 1.0 / (n + 1)
    # Below the limit conformal p-values end. (1 + n shares) min(shares, 1 / (n + 1)) joins them
    # without a step, never falls below the share that the patients give, and tends to it: a
    # factor that stays (2 was tried) promises no more there and halves the realised rate.
    extended = np.maximum(shares * (1 + n * shares), SMALLEST_P)
    return np.where(beyond, extended, np.minimum(1.0, (1 + n * shares) / (n + 1))), beyond


def drop_patients(left_out: Collection[int], table: CalibrationTable) -> CalibrationTable | None:
    """The table without some patients, by their place in the calibration.

    None where nobody remains.
    """
    numbers = range(len(table.patients)) if table.numbers is None else table.numbers
    rows = [row for row, number in enumerate(numbers) if number not in left_out]
    if not rows:
        return None
    kept = tuple(table.patients[row] for row in rows)
    weights = None if table.weights is None else tuple(table.weights[row] for row in rows)
    return CalibrationTable(
        kept, *_fit_tail(kept, weights), tuple(numbers[row] for row in rows), weights
    )


def true_rate_bound(patients: int, alarm: float, confidence: float = 0.95) -> float:
    """Upper bound of the true false-alarm rate at nominal ``alarm`` for so many patients.

    Source: Vovk 2012, Beta law of split conformal prediction.
    """
    rank = math.floor((patients + 1) * alarm)
    if rank < 1:
        return 1.0
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if _beta_share_below(middle, rank, patients) < confidence:
            low = middle
        else:
            high = middle
    return middle


def _beta_share_below(rate: float, rank: int, patients: int) -> float:
    """Share of the Beta law of ``rank`` and ``patients + 1 - rank`` that lies below ``rate``.

    For whole parameters it is that of at least ``rank`` successes in ``patients`` draws, which
    spares the import of scipy.stats.
    """
    factorials = [math.lgamma(number + 1) for number in range(patients + 1)]
    return math.fsum(
        math.exp(
            factorials[patients]
            - factorials[number]
            - factorials[patients - number]
            + number * math.log(rate)
            + (patients - number) * math.log1p(-rate)
        )
        for number in range(rank, patients + 1)
    )
