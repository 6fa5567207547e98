"""What the genuine regions of calibration patients say.

Tables of every family, of their combination, and of what the scans are like.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
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
    drop_patients,
    fit_table,
    p_value,
    p_values,
    shares_beyond,
)
from dfd.errors import CalibrationError

SLICE, SERIES, SCREENING = "slice", "series", "screening"
"""Ways of measuring: a point in a slice by itself, a point in a slice with its neighbours, every
place of a slice without a point."""
SERIES_SCREENING = "series screening"
"""Every place of a series without a point."""
LEAST_SHARE, LEAST_PATIENTS = 0.5, 10
"""Tables stand on some of the calibration patients where these are so many of all, or so many."""
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

    @property
    def effective_patients(self) -> float:
        """So many patients that count alike would say as much as these do."""
        return min((table.effective_patients for table in self.tables.values()), default=0.0)


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
    def effective_patients(self) -> float:
        """So many patients that count alike would say as much as these do."""
        return self.settings[SLICE].effective_patients

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this many patients support."""
        return 1.0 / (1 + self.effective_patients)

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


def fit(
    by_patient: Sequence[Sequence[Statistics]], weights: Sequence[float] | None = None
) -> Setting:
    """Tables of all families and of their combination, from the genuine regions of each patient.

    Args:
        by_patient: regions of each patient.
        weights: how much each patient counts; None: all alike.

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
        family: fit_table(
            [[row.get(family, math.nan) for row in rows] for rows in by_patient], weights
        )
        for family in families
    }
    combined = fit_table(
        [combined_statistics(columns_of(rows), tables).tolist() for rows in by_patient], weights
    )
    return Setting(tables, combined)


def combined_statistic(statistics: Statistics, tables: Mapping[str, CalibrationTable]) -> float:
    """How rare the families together are.

    10 ** length of the vector of their -log10(share of genuine regions beyond).

    >= 1, higher = more suspicious; NaN where no family could be measured. Families that agree count
    together, and one that stands alone loses nothing. The largest alone and the sum (Fisher) were
    tried (docs/explanation/tried.md). Where the model has a learned statistic, it is one more.
    """
    return (
        float(combined_statistics(columns_of([statistics]), tables)[0]) if statistics else math.nan
    )


def combined_statistics(columns: Columns, tables: Mapping[str, CalibrationTable]) -> FloatArray:
    """As ``combined_statistic``, of many regions: ``[n]``."""
    size = max(map(len, columns.values()), default=0)
    squares, measured = np.zeros(size), np.zeros(size, dtype=bool)
    for family, table in tables.items():
        values = columns.get(family, np.full(size, np.nan))
        valid = np.isfinite(values)
        shares = shares_beyond(values[valid], table)
        squares[valid] += np.log10(np.maximum(shares, SMALLEST_P)) ** 2
        measured |= valid
    return np.where(measured, 10.0 ** np.sqrt(squares), np.nan)


def enough(patients: int, all_patients: int) -> bool:
    """Whether tables of their own can stand on some of the patients of a calibration.

    Tables of fewer would decide worse than those of all, which measure less.
    """
    return patients > 0 and (patients >= LEAST_SHARE * all_patients or patients >= LEAST_PATIENTS)


def leave_out(left_out: Collection[int], calibration: Calibration) -> Calibration:
    """The calibration without some patients, by their place in it.

    It gives the p-values of their own scans. A setting that nobody else stands behind is left out,
    and so is one of which it is not recorded who does.

    Raises:
        CalibrationError: nobody remains.
    """
    settings = {
        name: rest
        for name, setting in calibration.settings.items()
        if (rest := _leave_out(left_out, setting, calibration.patients)) is not None
    }
    if SLICE not in settings:
        raise CalibrationError(
            "no patient of the calibration remains where these are left out; calibrate on more."
        )
    return replace(calibration, settings=settings)


def _leave_out(left_out: Collection[int], setting: Setting, patients: int) -> Setting | None:
    def all_without(tables: Mapping[str, CalibrationTable]) -> dict[str, CalibrationTable]:
        rest = {
            name: drop_patients(left_out, table)
            for name, table in tables.items()
            if table.numbers is not None or len(table.patients) == patients
        }
        return {name: table for name, table in rest.items() if table is not None}

    whole = {"combined": setting.combined, "maximum": setting.maximum}
    given = {name: table for name, table in whole.items() if table is not None}
    tables, rest = all_without(setting.tables), all_without(given)
    if not tables or len(rest) < len(given):
        return None
    return Setting(
        tables,
        rest.get("combined"),
        rest.get("maximum"),
        all_without(setting.windows),
        setting.widths,
    )


def combined_p(statistics: Statistics, setting: Setting) -> tuple[float, bool]:
    """p-value of the families together, and whether it lies beyond what the patients support."""
    if setting.combined is not None:
        return p_value(combined_statistic(statistics, setting.tables), setting.combined)
    tables = setting.tables
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
    tables = setting.tables
    single = np.full((len(tables), len(combined)), np.inf)
    for number, (family, table) in enumerate(tables.items()):
        values = columns.get(family, np.full(len(combined), np.nan))
        measured = np.isfinite(values)
        single[number, measured] = p_values(values[measured], table)[0]
    single = single[:, valid]
    counts = np.isfinite(single).sum(axis=0)
    result[valid] = np.minimum(1.0, single.min(axis=0, initial=np.inf) * counts)  # Bonferroni
    return result
