"""Statistics of genuine regions -> calibration."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch

from dfd.assessment.cohort import Cohort
from dfd.assessment.genuine_sample import GenuineSample, ScreenedPlaces, measured_on
from dfd.calibration import (
    SCREENING,
    SERIES,
    SERIES_SCREENING,
    SLICE,
    Calibration,
    Setting,
    Statistics,
    enough,
    fit,
    fit_screening,
    fit_series,
    outlier_regions,
    patient_weights,
)
from dfd.evidence import context_families, lone_slice_families
from dfd.modalities import MODALITIES
from dfd.records import TOGETHER, TOGETHER_ALONE

logger = logging.getLogger(__name__)


def calibration_of(
    parts: Sequence[GenuineSample], modality_name: str, weights_sha256: str
) -> Calibration:
    """The calibration that ``parts`` give together.

    Several where each patient was measured by a network that did not see him (cross-fitting).

    Raises:
        CalibrationError: not one region of them could be measured.
    """
    names = [name for part in parts for name in part.patients]
    by_patient = without_outliers([rows for part in parts for rows in part.by_patient], names)
    weights = patient_weights([group for part in parts for group in part.groups])
    of_slices = fit([[_alone(row) for row in rows] for rows in by_patient], weights)
    values = {
        name: [value for part in parts for value in part.population.get(name, ())]
        for part in parts
        for name in part.population
    }
    bounds = {name: (min(each), max(each)) for name, each in values.items()}
    slices = slices_without_outliers([each for part in parts for each in part.slices], names)
    screening = fit_screening([[each.rows for each in of_one] for of_one in slices], weights)
    settings = {
        SLICE: of_slices,
        **with_neighbours(by_patient, weights),
        **({} if screening is None else {SCREENING: screening}),
        **_of_series(parts, slices, weights),
    }
    modality = MODALITIES[modality_name]
    return Calibration(modality.bundle, weights_sha256, modality.radius_mm, bounds, settings)


def _alone(row: Statistics) -> Statistics:
    """What the slice by itself says."""
    own = {family: row[family] for family in lone_slice_families()}
    whole = row.get(TOGETHER_ALONE, row.get(TOGETHER))
    return own if whole is None else {**own, TOGETHER: whole}


def _of_series(
    parts: Sequence[GenuineSample],
    slices: Sequence[Sequence[ScreenedPlaces]],
    weights: Sequence[float] | None,
) -> dict[str, Setting]:
    """The setting of whole series, where any were measured.

    The learned statistic has no part in it: it has learned from single slices, and whether edited
    series stand out more with it was not measured.
    """
    by_patient = [series for part in parts for series in part.series]
    places = fit_screening([[each.by_themselves for each in own] for own in slices], weights)
    if places is None or not any(by_patient):
        return {}
    families = {name: table for name, table in places.tables.items() if name != TOGETHER}
    setting = fit_series(by_patient, families, weights)
    return {} if setting is None else {SERIES_SCREENING: setting}


def without_outliers(
    by_patient: Sequence[Sequence[Statistics]], names: Sequence[str]
) -> list[list[Statistics]]:
    """The regions that do not stand out far from those of all other patients.

    A warning names the patients of those that do, by ``names`` where there are any.
    """
    outliers = outlier_regions(by_patient)
    for number, places in enumerate(outliers):
        if places:
            _warn(f"{len(places)} of {len(by_patient[number])} regions", number, names)
    return [
        [row for place, row in enumerate(rows) if place not in places]
        for rows, places in zip(by_patient, map(set, outliers), strict=True)
    ]


def slices_without_outliers(
    by_patient: Sequence[Sequence[ScreenedPlaces]], names: Sequence[str]
) -> list[list[ScreenedPlaces]]:
    """The slices that hold no such region."""
    outliers = outlier_regions(
        [[row for each in slices for row in each.rows] for slices in by_patient]
    )
    kept: list[list[ScreenedPlaces]] = []
    for number, (slices, places) in enumerate(zip(by_patient, outliers, strict=True)):
        ends = np.cumsum([len(each.rows) for each in slices])
        strange = {int(np.searchsorted(ends, place, side="right")) for place in places}
        if strange:
            _warn(f"{len(strange)} of {len(slices)} slices looked at all over", number, names)
        kept.append([each for place, each in enumerate(slices) if place not in strange])
    return kept


def _warn(what: str, number: int, names: Sequence[str]) -> None:
    whose = f"patient {names[number]}" if number < len(names) else f"patient number {number + 1}"
    logger.warning(
        (
            "calibration: %s of %s stand out far beyond all other patients and were left out; "
            "make sure that these scans are genuine"
        ),
        what,
        whose,
    )


def calibrate_network(network: torch.nn.Module, cohort: Cohort, weights_sha256: str) -> Calibration:
    """The calibration of ``network`` on genuine scans of ``cohort``.

    Raises:
        CalibrationError: not one region of them can be measured.
    """
    return calibration_of(
        [measured_on(network, cohort)], cohort.collection.modality, weights_sha256
    )


def with_neighbours(
    by_patient: Sequence[Sequence[Statistics]], weights: Sequence[float] | None = None
) -> dict[str, Setting]:
    """Tables of the regions that could be compared with the slices above and below, by setting.

    Empty where too few of the patients have such regions (``enough``).
    """
    chosen = [
        [
            {name: value for name, value in row.items() if name != TOGETHER_ALONE}
            for row in rows
            if any(np.isfinite(row.get(family, np.nan)) for family in context_families())
        ]
        for rows in by_patient
    ]
    patients = sum(map(bool, chosen))
    message = "calibration: %d of %d patients have neighbouring slices"
    if enough(patients, len(by_patient)):
        logger.info(message, patients, len(by_patient))
        return {SERIES: fit(chosen, weights)}
    if patients:
        message += ": too few for tables of their own, so points are judged in their slice alone"
        logger.warning(message, patients, len(by_patient))
    return {}
