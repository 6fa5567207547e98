"""What the genuine regions of calibration patients say.

Tables of every family, of their combination, and of what the scans are like.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dfd.calibration.tables import (
    SMALLEST_P,
    CalibrationTable,
    Columns,
    FloatArray,
    Statistics,
    columns_of,
    drop_patient,
    fit_table,
    p_value,
    p_values,
    shares_beyond,
)
from dfd.errors import CalibrationError
from dfd.records import TOGETHER

SLICE, SERIES, SCREENING = "slice", "series", "screening"
"""Ways of measuring: a point in a slice by itself, a point in a slice with its neighbours, every
place of a slice without a point."""
SERIES_SCREENING = "series screening"
"""Every place of a series without a point."""
POPULATION_MARGIN = 0.25
"""Share of a covariate's range by which a scan may lie outside the calibration scans before it
counts as out of their distribution."""


@dataclass(frozen=True)
class Setting:
    """Tables of one way of measuring."""

    tables: Mapping[str, CalibrationTable]
    """One for each family."""
    combined: CalibrationTable | None = None
    """Genuine values of ``combined_statistic``: the families together, calibrated as a whole, so
    that no independence is assumed. None: of one family only."""
    maximum: CalibrationTable | None = None
    """Genuine values of the largest ``combined_statistic`` of a whole slice, or of the rarity of a
    whole series; None where none were searched."""
    windows: Mapping[str, CalibrationTable] = field(default_factory=dict)
    """Of a series: genuine values of each window by its name (``series_windows``)."""
    widths: Mapping[str, float] = field(default_factory=dict)
    """Of a series: the largest width of the values of each window in any genuine series."""

    @property
    def patients(self) -> int:
        """How many patients its p-values stand on."""
        return min((len(table.patients) for table in self.tables.values()), default=0)


@dataclass(frozen=True)
class Calibration:
    """Everything that turns evidence into p-values, for the weights it names."""

    bundle: str
    weights_sha256: str
    radius_mm: float
    population: Mapping[str, tuple[float, float]]
    """Covariate -> (lowest, highest) over calibration scans."""
    settings: Mapping[str, Setting]
    """By way of measuring. Every calibration has that of ``SLICE``."""
    weigh: Callable[[Any], Any] | None = field(default=None, compare=False, repr=False)
    """The learned statistic of those weights, for those who have the calibration and not the
    network; None where there is none. Not stored with the rest."""

    @property
    def patients(self) -> int:
        """How many patients the p-values stand on."""
        return self.settings[SLICE].patients

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this many patients support."""
        return 1.0 / (1 + self.patients)

    def of(self, setting: str) -> Setting:
        """The tables for one way of measuring.

        Those of ``SLICE`` where it was not calibrated for itself.
        """
        return self.settings.get(setting, self.settings[SLICE])


def out_of_distribution(covariates: Mapping[str, float], calibration: Calibration) -> list[str]:
    """Names of the covariates in which a scan lies outside the calibration scans."""
    outside = []
    for name, value in covariates.items():
        if name not in calibration.population or not math.isfinite(value):
            continue
        low, high = calibration.population[name]
        margin = POPULATION_MARGIN * max(high - low, 0.1)
        if not low - margin <= value <= high + margin:
            outside.append(name)
    return outside


def fit(by_patient: Sequence[Sequence[Statistics]]) -> Setting:
    """Tables of all families and of their combination, from the genuine regions of each patient.

    Raises:
        CalibrationError: nothing to fit.
    """
    families = sorted(
        {
            family
            for rows in by_patient
            for row in rows
            for family, value in row.items()
            if math.isfinite(value)
        }
    )
    tables = {
        family: fit_table([[row.get(family, math.nan) for row in rows] for rows in by_patient])
        for family in families
    }
    combined = fit_table(
        [combined_statistics(columns_of(rows), tables).tolist() for rows in by_patient]
    )
    return Setting(tables, combined)


def combined_statistic(statistics: Statistics, tables: Mapping[str, CalibrationTable]) -> float:
    """How rare the families together are.

    10 ** length of the vector of their -log10(share of genuine regions beyond).

    >= 1, higher = more suspicious; NaN where no family could be measured. Families that agree count
    together, and one that stands alone loses nothing. The largest alone and the sum (Fisher) were
    tried (docs/explanation/tried.md). Where the model has a learned statistic, that alone counts,
    since it has weighed the families already.
    """
    return (
        float(combined_statistics(columns_of([statistics]), tables)[0]) if statistics else math.nan
    )


def combined_statistics(columns: Columns, tables: Mapping[str, CalibrationTable]) -> FloatArray:
    """As ``combined_statistic``, of many regions: ``[n]``."""
    tables = deciding(tables)
    size = max(map(len, columns.values()), default=0)
    squares, measured = np.zeros(size), np.zeros(size, dtype=bool)
    for family, table in tables.items():
        values = columns.get(family, np.full(size, np.nan))
        valid = np.isfinite(values)
        shares = shares_beyond(values[valid], table)
        squares[valid] += np.log10(np.maximum(shares, SMALLEST_P)) ** 2
        measured |= valid
    return np.where(measured, 10.0 ** np.sqrt(squares), np.nan)


def deciding(tables: Mapping[str, CalibrationTable]) -> Mapping[str, CalibrationTable]:
    """Of the families that decide: all, or what the learned statistic says of them together."""
    return {TOGETHER: tables[TOGETHER]} if TOGETHER in tables else tables


def leave_one_out(number: int, calibration: Calibration) -> Calibration:
    """The calibration without one patient (by place in the tables).

    It gives the p-values of that patient's own scans.

    Raises:
        CalibrationError: the families do not stand on the same patients.
    """
    # A setting that fewer patients stand behind has other places: nobody knows whose row is whose,
    # and the tables of ``SLICE`` stand in.
    settings = {
        name: _drop_patient(number, setting)
        for name, setting in calibration.settings.items()
        if setting.patients == calibration.patients
    }
    return replace(calibration, settings=settings)


def _drop_patient(number: int, setting: Setting) -> Setting:
    whole = [table for table in (setting.combined, setting.maximum) if table is not None]
    if len({len(table.patients) for table in (*setting.tables.values(), *whole)}) != 1:
        raise CalibrationError(
            "the families stand on different patients, so none can be taken out; calibrate on "
            "other scans."
        )
    combined, maximum = (
        None if table is None else drop_patient(number, table)
        for table in (setting.combined, setting.maximum)
    )
    # Long windows stand on the patients whose series are long, and nobody knows which these are.
    windows = {
        name: drop_patient(number, table)
        for name, table in setting.windows.items()
        if len(table.patients) == setting.patients
    }
    tables = {name: drop_patient(number, table) for name, table in setting.tables.items()}
    return Setting(tables, combined, maximum, windows, setting.widths)


def combined_p(statistics: Statistics, setting: Setting) -> tuple[float, bool]:
    """p-value of the families together, and whether it lies beyond what the patients support."""
    if setting.combined is not None:
        return p_value(combined_statistic(statistics, setting.tables), setting.combined)
    tables = deciding(setting.tables)
    single = [
        p_value(value, tables[family])
        for family, value in statistics.items()
        if family in tables and math.isfinite(value)
    ]
    p, beyond = min(single)
    return min(1.0, p * len(single)), beyond  # Bonferroni


def combined_p_values(columns: Columns, setting: Setting) -> FloatArray:
    """``[n]``: p-values as of ``combined_p``, NaN where nothing was measured."""
    combined = combined_statistics(columns, setting.tables)
    result = np.full(len(combined), np.nan)
    valid = np.isfinite(combined)
    if setting.combined is not None:
        result[valid] = p_values(combined[valid], setting.combined)[0]
        return result
    tables = deciding(setting.tables)
    single = np.full((len(tables), len(combined)), np.inf)
    for number, (family, table) in enumerate(tables.items()):
        values = columns.get(family, np.full(len(combined), np.nan))
        measured = np.isfinite(values)
        single[number, measured] = p_values(values[measured], table)[0]
    single = single[:, valid]
    counts = np.isfinite(single).sum(axis=0)
    result[valid] = np.minimum(1.0, single.min(axis=0, initial=np.inf) * counts)  # Bonferroni
    return result
