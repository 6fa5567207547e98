"""The calibration as it is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dfd.calibration.cohort import SLICE, Calibration, Setting
from dfd.calibration.tables import CalibrationTable
from dfd.errors import CalibrationError

FORMAT = 3
DAMAGED = "the calibration is damaged; refit it with `dfd calibrate`."


def to_json(calibration: Calibration) -> dict[str, Any]:
    """Plain containers, as stored: the setting of ``SLICE`` on top, the others below it."""
    others = {name: each for name, each in calibration.settings.items() if name != SLICE}
    return {
        "format": FORMAT,
        "bundle": calibration.bundle,
        "weights_sha256": calibration.weights_sha256,
        "radius_mm": calibration.radius_mm,
        "patients": calibration.patients,
        "smallest_p": calibration.smallest_p,
        **_setting(calibration.of(SLICE)),
        "settings": {name: _setting(setting) for name, setting in others.items()},
        "population": {name: list(bounds) for name, bounds in calibration.population.items()},
    }


def _setting(setting: Setting) -> dict[str, Any]:
    whole = {"combined": setting.combined, "maximum": setting.maximum}
    return {
        "families": _all_plain(setting.tables),
        **{name: None if table is None else _plain(table) for name, table in whole.items()},
        **(
            {"windows": _all_plain(setting.windows), "widths": dict(setting.widths)}
            if setting.windows
            else {}
        ),
    }


def _all_plain(tables: Mapping[str, CalibrationTable]) -> dict[str, Any]:
    return {name: _plain(table) for name, table in tables.items()}


def _plain(table: CalibrationTable) -> dict[str, Any]:
    return {
        "threshold": table.threshold,
        "tail_index": table.tail_index,
        "patients": [values.tolist() for values in table.patients],
        **({} if table.numbers is None else {"numbers": list(table.numbers)}),
        **({} if table.weights is None else {"weights": list(table.weights)}),
    }


def from_json(content: Mapping[str, Any]) -> Calibration:
    """The record behind ``to_json``.

    Raises:
        CalibrationError: the content is no calibration of this version.
    """
    if not isinstance(content, Mapping):
        raise CalibrationError(DAMAGED)
    if content.get("format") != FORMAT:
        raise CalibrationError(
            f"the calibration has format {content.get('format')!r}, this version reads "
            f"{FORMAT}; refit it with `dfd calibrate`."
        )
    try:
        others = {str(name): _setting_of(each) for name, each in content["settings"].items()}
        settings = {SLICE: _setting_of(content), **others}
        population = {
            str(name): (float(low), float(high))
            for name, (low, high) in content["population"].items()
        }
        return Calibration(
            bundle=str(content["bundle"]),
            weights_sha256=str(content["weights_sha256"]),
            radius_mm=float(content["radius_mm"]),
            population=population,
            settings=settings,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise CalibrationError(DAMAGED) from None


def _setting_of(content: Mapping[str, Any]) -> Setting:
    combined, maximum = (
        None if content[name] is None else _table_of(content[name])
        for name in ("combined", "maximum")
    )
    return Setting(
        _tables_of(content["families"]),
        combined,
        maximum,
        _tables_of(content.get("windows", {})),
        {str(name): _width_of(each) for name, each in content.get("widths", {}).items()},
    )


def _width_of(content: Any) -> float:  # noqa: ANN401 - what a file holds
    width = float(content)
    if not 0.0 < width < math.inf:
        raise ValueError
    return width


def _tables_of(content: Mapping[str, Any]) -> dict[str, CalibrationTable]:
    return {str(name): _table_of(table) for name, table in content.items()}


def _table_of(content: Mapping[str, Any]) -> CalibrationTable:
    """One table out of its plain containers.

    ValueError where its numbers cannot have come from ``fit_table``.
    """
    patients = tuple(np.asarray(values, dtype=np.float64) for values in content["patients"])
    numbers = tuple(map(int, content["numbers"])) if "numbers" in content else None
    weights = tuple(map(float, content["weights"])) if "weights" in content else None
    table = CalibrationTable(
        patients, float(content["threshold"]), float(content["tail_index"]), numbers, weights
    )
    if numbers is not None and (len(numbers) != len(patients) or len(set(numbers)) != len(numbers)):
        raise ValueError
    if weights is not None and not (len(weights) == len(patients) and _all_positive(weights)):
        raise ValueError
    valid = [
        values.ndim == 1
        and len(values) > 0
        and np.isfinite(values).all()
        and (np.diff(values) >= 0).all()
        for values in patients
    ]
    if not (valid and all(valid) and table.threshold > 0 and table.tail_index > 0):
        raise ValueError
    return table


def _all_positive(values: Sequence[float]) -> bool:
    return all(0.0 < value < math.inf for value in values)
