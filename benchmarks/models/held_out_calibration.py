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
    combined_p,
    combined_statistic,
    fit_table,
    leave_out,
)
from dfd.errors import CalibrationError


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
        places = {place for place, name in enumerate(self.names) if name in absent}
        alone = replace(self.calibration, settings={SLICE: self.calibration.of(SLICE)})
        try:
            return HeldOutCalibration(leave_out(places, alone))
        except CalibrationError:
            return None


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
    if calibration.patients != len(names):
        raise CalibrationError(
            f"the calibration of {what} stands on {calibration.patients} patients, not on its "
            f"{len(names)}; run `dfd calibrate` on these."
        )
    return Pool(tuple(names), calibration)


def of_series(pool: Pool) -> Pool | None:
    """The same patients with the tables of slices with neighbours.

    None where there are none.
    """
    setting = pool.calibration.settings.get(SERIES)
    if setting is None:
        return None
    return Pool(pool.names, replace(pool.calibration, settings={SLICE: setting}))


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
