"""p-values of rows: which patients of the calibration each row is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchmarks.data import partition, scans
from benchmarks.detection.comparison import P_VALUES, Row
from benchmarks.models import assignment, cross_validation, held_out_calibration, registry
from benchmarks.models.assignment import PatientGroup
from benchmarks.models.held_out_calibration import Pool
from dfd.evidence import context_families


def pool_of(modality: str) -> Pool:
    """Whose genuine regions p-values stand on: the patients of the shipped calibration."""
    calibration = registry.load(None, modality).calibration
    return held_out_calibration.name_patients(
        calibration,
        [] if calibration is None else cross_validation.standing(modality, calibration),
        "the bundle",
    )


def manufacturers_of(pool: Pool, scored: Sequence[PatientGroup]) -> dict[str, frozenset[str]]:
    """Manufacturers of the scanners of every patient: of those scored, and of the calibration."""
    result = {}
    folders = {name: folder for group in scored for name, folder in group.folders.items()}
    modality = scored[0].modality
    if scored[0].name != assignment.OWN:
        folders |= {name: partition.patient_folder(modality, name) for name in pool.names}
    for name, folder in folders.items():
        result[name] = frozenset(one.maker for one in scans.of_patient(name, folder, modality, 1))
    return result


def with_p_values(
    rows: Sequence[Row], pool: Pool, makers: Mapping[str, frozenset[str]]
) -> list[Row]:
    """Rows with our statistic and both p-values.

    The one with the manufacturer left out is NaN where no patient remains or no manufacturer is
    named.
    """
    all_named, series = (
        all(name in makers for name in pool.names),
        held_out_calibration.of_series(pool),
    )
    result: list[Row] = []
    for row in rows:
        patient, statistics = row["patient"], row["statistics"]
        same_manufacturer = {
            name
            for name in pool.names
            if all_named and makers[name] & makers.get(patient, frozenset())
        } | {patient}
        alone, others = (
            pool.without({patient}),
            pool.without(same_manufacturer) if all_named else None,
        )
        p_of = {
            key: calibration.p(statistics) if calibration else math.nan
            for key, calibration in zip(P_VALUES, (alone, others), strict=True)
        }
        result.append(
            {
                **row,
                "statistic": alone.statistic(statistics) if alone else math.nan,
                **p_of,
                **_with_neighbours(row, series),
            }
        )
    return result


def _with_neighbours(row: Row, series: Pool | None) -> dict[str, float]:
    """Our statistic and p-value with the slices above and below, patient left out.

    NaN where there were none.
    """
    compared = any(
        math.isfinite(row["statistics"].get(family, math.nan)) for family in context_families()
    )
    calibration = series.without({row["patient"]}) if series and compared else None
    statistics = row["statistics"]
    return {
        "statistic beside": calibration.statistic(statistics) if calibration else math.nan,
        "p beside": calibration.p(statistics) if calibration else math.nan,
    }
