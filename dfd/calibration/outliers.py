"""Tampered scans among those that a calibration takes for genuine.

What lies far beyond everything that the other patients show is left out.

A calibration is valid with them too, since they only raise p-values; but it would find little. So
the bar is high: it must not take out what genuine scans hold now and then, because a p-value has to
count that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfd.calibration.cohort import fit, rarities
from dfd.calibration.screening import Row
from dfd.calibration.tables import FloatArray

FAR = 1000.0
"""How many times as rare as the rarest that half of the other patients hold: more than an order
beyond what any genuine patient reached so far."""
FEWEST_PATIENTS = 3
"""Of two that differ nobody knows which is the strange one."""


def outstanding(by_patient: Sequence[Sequence[Row]]) -> list[list[int]]:
    """Of each patient the places (in order) of the regions that lie beyond ``FAR``.

    Nobody's where there are fewer than ``FEWEST_PATIENTS``.
    """
    filled = [number for number, rows in enumerate(by_patient) if rows]
    found: list[list[int]] = [[] for _ in by_patient]
    if len(filled) < FEWEST_PATIENTS:
        return found
    for number in filled:
        others = [by_patient[other] for other in filled if other != number]
        tables, _ = fit(others)
        largest = [_largest(rarities(rows, tables)) for rows in others]
        values = rarities(by_patient[number], tables)
        found[number] = [int(place) for place in np.flatnonzero(values > FAR * np.median(largest))]
    return found


def _largest(values: FloatArray) -> float:
    usable = values[np.isfinite(values)]
    return float(usable.max()) if usable.size else 1.0
