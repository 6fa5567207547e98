"""Tampered scans among those that a calibration takes for genuine.

Regions far beyond everything that the other patients show are outliers and left out.

A calibration is valid with them too, since they only raise p-values; but it would detect little. So
the bar is high: what genuine scans hold now and then must stay, because a p-value has to count it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dfd.calibration.cohort import combined_statistics, fit
from dfd.calibration.screening import largest_of
from dfd.calibration.tables import CalibrationTable, Statistics, columns_of

FAR = 1000.0
"""How many times as rare as the rarest that half of the other patients hold: more than an order
beyond what any genuine patient reached so far."""
FEWEST_PATIENTS = 3
"""Of two patients that differ nobody knows which is the outlier."""


def outlier_regions(by_patient: Sequence[Sequence[Statistics]]) -> list[list[int]]:
    """Of each patient the places (in order) of the regions that lie beyond ``FAR``.

    Nobody's where there are fewer than ``FEWEST_PATIENTS``.
    """
    filled = [number for number, rows in enumerate(by_patient) if rows]
    outliers: list[list[int]] = [[] for _ in by_patient]
    if len(filled) < FEWEST_PATIENTS:
        return outliers
    for number in filled:
        others = [by_patient[other] for other in filled if other != number]
        tables = fit(others).tables
        largest = [_largest(rows, tables) for rows in others]
        values = combined_statistics(columns_of(by_patient[number]), tables)
        far = values > FAR * np.median(largest)
        outliers[number] = [int(place) for place in np.flatnonzero(far)]
    return outliers


def _largest(rows: Sequence[Statistics], tables: Mapping[str, CalibrationTable]) -> float:
    """1, the smallest there is, where nothing was measured."""
    largest = largest_of(combined_statistics(columns_of(rows), tables))
    return largest if math.isfinite(largest) else 1.0
