"""A calibration with the names of its patients, from which some can be left out.

Each patient of a cross-fitted calibration (`benchmarks.models.cross_validation`) was measured by a
network not trained on that patient. The p-value of a patient then stands on the others: the patient
is left out, or everybody scanned by the same manufacturer. Only this module of the benchmarks uses
the tables of ``dfd.calibration``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dfd.calibration import (
    SERIES,
    SLICE,
    Calibration,
    CalibrationTable,
    Setting,
    combined_p,
    combined_statistic,
    fit_table,
)
from dfd.errors import CalibrationError

COMBINED = ""
"""Name of the table of the combination among those of families."""


@dataclass(frozen=True)
class HeldOutCalibration:
    """Genuine regions of some patients, that p-values of others stand on."""

    calibration: Calibration

    @property
    def patients(self) -> int:
        """How many."""
        return self.calibration.patients

    def statistic(self, statistics: Mapping[str, float]) -> float:
        """The families together: >= 1, higher = more suspicious.

        NaN where none could be measured.
        """
        return combined_statistic(statistics, self.calibration.of(SLICE).tables)

    def p(self, statistics: Mapping[str, float]) -> float:
        """p-value of the families together; NaN where none could be measured."""
        return (
            combined_p(statistics, self.calibration.of(SLICE))[0]
            if math.isfinite(self.statistic(statistics))
            else math.nan
        )


@dataclass(frozen=True)
class Pool:
    """A calibration with the names of its patients."""

    names: tuple[str, ...]
    """Whose values stand where in every table."""
    calibration: Calibration
    _cache: dict[frozenset[str], HeldOutCalibration | None] = field(
        default_factory=dict, repr=False, compare=False
    )

    def without(self, left_out: Collection[str] = ()) -> HeldOutCalibration | None:
        """By everybody but ``left_out``; None where nobody remains."""
        absent = frozenset(left_out) & frozenset(self.names)
        if absent not in self._cache:
            self._cache[absent] = self._fit_without(absent)
        return self._cache[absent]

    def _fit_without(self, absent: frozenset[str]) -> HeldOutCalibration | None:
        if not absent:
            return HeldOutCalibration(self.calibration)
        places = [place for place, name in enumerate(self.names) if name not in absent]
        if not places:
            return None
        every = _tables(self.calibration)
        return HeldOutCalibration(
            _with(
                self.calibration,
                {
                    name: [table.patients[place].tolist() for place in places]
                    for name, table in every.items()
                },
            )
        )


def name_patients(calibration: Calibration | None, names: Sequence[str], what: str) -> Pool:
    """The calibration with ``names``, in the order of the rows of its tables.

    Raises:
        CalibrationError: it is not there, or stands on others than ``names``; ``what`` says whose
            it is.
    """
    if calibration is None:
        raise CalibrationError(
            f"the model of {what} has no calibration; train it again or run `dfd calibrate`."
        )
    standing = {len(table.patients) for table in _tables(calibration).values()}
    if standing != {len(names)}:
        numbers = " and ".join(map(str, sorted(standing)))
        raise CalibrationError(
            f"the calibration of {what} stands on {numbers} patients, not on its "
            f"{len(names)}; run `dfd calibrate` on these."
        )
    return Pool(tuple(names), calibration)


def of_series(pool: Pool) -> Pool | None:
    """The same patients with the tables of slices with neighbours.

    None where there are none, or not all of the patients had neighbours.
    """
    setting = pool.calibration.settings.get(SERIES)
    if setting is None:
        return None
    series = replace(pool.calibration, settings={SLICE: setting})
    return (
        Pool(pool.names, series)
        if {len(table.patients) for table in _tables(series).values()} == {len(pool.names)}
        else None
    )


def _tables(calibration: Calibration) -> dict[str, CalibrationTable]:
    """Those of the families, and of their combination under ``COMBINED``."""
    setting = calibration.of(SLICE)
    return {
        **setting.tables,
        **({} if setting.combined is None else {COMBINED: setting.combined}),
    }


def _with(calibration: Calibration, values: Mapping[str, Sequence[Sequence[float]]]) -> Calibration:
    """The same with other tables of slices by themselves, and no other settings.

    ``values``: for each family and for the combination a list per patient.
    """
    tables = {name: fit_table(each) for name, each in values.items()}
    combined = tables.pop(COMBINED, None)
    return replace(calibration, settings={SLICE: Setting(tables, combined)})


def scores(
    regions: Sequence[Mapping[str, float]], genuine: Sequence[Sequence[Mapping[str, float]]]
) -> list[float]:
    """How rare each of ``regions`` (family -> statistic) is by tables of ``genuine``.

    ``genuine`` holds a list for each patient; see ``combined_statistic``.

    A family that was measured on none of them plays no part; NaN where that holds for all.
    """
    families = sorted(
        {
            family
            for rows in genuine
            for row in rows
            for family, value in row.items()
            if math.isfinite(value)
        }
    )
    tables = {
        family: fit_table([[row.get(family, math.nan) for row in rows] for rows in genuine])
        for family in families
    }
    return [float(combined_statistic(row, tables)) for row in regions]
