"""What the genuine regions of calibration patients say.

Tables of every family, of their combination, and of what the scans are like.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from dfd.calibration.tables import (
    SMALLEST_P,
    FloatArray,
    Table,
    fit_table,
    p_value,
    shares_beyond,
    thinned,
)
from dfd.errors import CalibrationError

SLICE, SERIES, SCREENING = "slice", "series", "screening"
"""Ways of measuring: a point in a lone slice, a point in a slice with its neighbours, every place
of a slice without a point."""
POPULATION_MARGIN = 0.25
"""Share of a covariate's range by which a scan may lie outside the calibration scans before it
counts as unlike them."""
COVARIATES = ("log noise scale", "log pixel spacing", "log energy of z", "grain")
"""What is known of a scan beside its pixels: level and correlation of its noise, size of its
pixels, honesty of the predicted spread."""


class Tables(Protocol):
    """What families and their combination are judged by."""

    @property
    def tables(self) -> Mapping[str, Table]:
        """One for each family."""

    @property
    def combined(self) -> Table | None:
        """Of all families together."""


@dataclass(frozen=True)
class Setting:
    """Tables of one way of measuring."""

    tables: Mapping[str, Table]
    combined: Table | None = None
    """Genuine values of ``rarity``: the families together, calibrated as a whole, so that no
    independence is assumed. None: of one family only."""
    maximum: Table | None = None
    """Genuine values of the largest ``rarity`` of a whole slice; None where no slices were
    searched."""


@dataclass(frozen=True)
class Calibration:
    """Everything that turns evidence into p-values, for the weights it names."""

    bundle: str
    weights_sha256: str
    radius_mm: float
    tables: Mapping[str, Table]
    """Of points in a lone slice: what every calibration has."""
    population: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Covariate -> (lowest, highest) over calibration scans."""
    combined: Table | None = None
    """Of points in a lone slice, see ``Setting``."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Of other ways of measuring, by name."""

    @property
    def patients(self) -> int:
        """How many patients the p-values stand on."""
        return _patients(self.tables)

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this many patients support."""
        return 1.0 / (1 + self.patients)

    def of(self, setting: str) -> Tables:
        """The tables for one way of measuring.

        Those of a lone slice where it was not calibrated for itself.
        """
        return self.settings.get(setting, self)


def _patients(tables: Mapping[str, Table]) -> int:
    return min((len(table.patients) for table in tables.values()), default=0)


def unlike(covariates: Mapping[str, float], calibration: Calibration) -> list[str]:
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


def fit(by_patient: Sequence[Sequence[Mapping[str, float]]]) -> tuple[dict[str, Table], Table]:
    """Tables of all families.

    And of their combination, from the genuine regions of each patient (family -> statistic).

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
    return tables, fit_table([rarities(rows, tables).tolist() for rows in by_patient])


def rarity(statistics: Mapping[str, float], tables: Mapping[str, Table]) -> float:
    """How rare the families together are.

    10 ** length of the vector of their -log10(share of genuine regions beyond).

    >= 1, higher = more suspicious; NaN where no family could be measured. Families that agree count
    together, and one that stands alone loses nothing. The largest alone and the sum (Fisher) were
    tried (docs/explanation/tried.md).
    """
    return float(rarities([statistics], tables)[0])


def rarities(rows: Sequence[Mapping[str, float]], tables: Mapping[str, Table]) -> FloatArray:
    """As ``rarity``, of many regions: ``[n]``."""
    squares, measured = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for family, table in tables.items():
        values = np.array([row.get(family, math.nan) for row in rows], dtype=np.float64)
        known = np.isfinite(values)
        squares[known] += np.log10(np.maximum(shares_beyond(values[known], table), SMALLEST_P)) ** 2
        measured |= known
    return np.where(measured, 10.0 ** np.sqrt(squares), np.nan)


def without(number: int, calibration: Calibration) -> Calibration:
    """The same with one patient (by place in the tables) taken out.

    What can be said of that patient's own scans.

    Raises:
        CalibrationError: the families do not stand on the same patients.
    """
    lone = _setting_without(number, Setting(calibration.tables, calibration.combined))
    # A setting that fewer patients stand behind has other places: nobody knows whose row is whose,
    # and the tables of a lone slice stand in.
    whole = [
        (name, setting)
        for name, setting in calibration.settings.items()
        if _patients(setting.tables) == calibration.patients
    ]
    others = {name: _setting_without(number, setting) for name, setting in whole}
    return replace(calibration, tables=lone.tables, combined=lone.combined, settings=others)


def _setting_without(number: int, setting: Setting) -> Setting:
    whole = (setting.combined, setting.maximum)
    if (
        len(
            {
                len(table.patients)
                for table in (*setting.tables.values(), *whole)
                if table is not None
            }
        )
        != 1
    ):
        raise CalibrationError(
            "the families stand on different patients, so none can be taken out; calibrate on "
            "other scans."
        )
    combined, maximum = (None if table is None else thinned(number, table) for table in whole)
    return Setting(
        {name: thinned(number, table) for name, table in setting.tables.items()}, combined, maximum
    )


def combined_p(statistics: Mapping[str, float], tables: Tables) -> tuple[float, bool]:
    """p-value of the families together, and whether it lies beyond what the patients support."""
    if tables.combined is not None:
        return p_value(rarity(statistics, tables.tables), tables.combined)
    single = [
        p_value(value, tables.tables[family])
        for family, value in statistics.items()
        if family in tables.tables and math.isfinite(value)
    ]
    p, beyond = min(single)
    return min(1.0, p * len(single)), beyond  # Bonferroni
