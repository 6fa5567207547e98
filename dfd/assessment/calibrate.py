"""Statistics of genuine regions -> calibration."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch

from dfd import calibration
from dfd.assessment.cohort import Cohort
from dfd.assessment.genuine_sample import Genuine, Row, measured_on
from dfd.calibration import SCREENING, SERIES, Calibration, Setting
from dfd.evidence import context_families, lone_slice_families
from dfd.modalities import MODALITIES

logger = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""Of the calibration patients that must have neighbouring slices, for tables of their own."""


def fitted(parts: Sequence[Genuine], modality_name: str, weights_sha256: str) -> Calibration:
    """The calibration that ``parts`` give together.

    Several where each patient was measured by a network that did not see him (cross-fitting).

    Raises:
        CalibrationError: not one region of them could be measured.
    """
    names = [name for part in parts for name in part.patients]
    by_patient = genuine_alone([rows for part in parts for rows in part.by_patient], names)
    tables, combined = calibration.fit(
        [
            [{family: row[family] for family in lone_slice_families()} for row in rows]
            for rows in by_patient
        ]
    )
    values = {
        name: [value for part in parts for value in part.population.get(name, ())]
        for part in parts
        for name in part.population
    }
    bounds = {name: (min(each), max(each)) for name, each in values.items()}
    whole = calibration.fit_screening(
        genuine_slices([slices for part in parts for slices in part.slices], names)
    )
    settings = with_neighbours(by_patient) | ({} if whole is None else {SCREENING: whole})
    modality = MODALITIES[modality_name]
    return Calibration(
        modality.bundle, weights_sha256, modality.radius_mm, tables, bounds, combined, settings
    )


def genuine_alone(by_patient: Sequence[Sequence[Row]], names: Sequence[str]) -> list[list[Row]]:
    """The regions that do not stand out far from those of all other patients.

    Whose do is told, with ``names`` where there are any.
    """
    strange = calibration.outstanding(by_patient)
    for number, places in enumerate(strange):
        if places:
            _tell(f"{len(places)} of {len(by_patient[number])} regions", number, names)
    return [
        [row for place, row in enumerate(rows) if place not in places]
        for rows, places in zip(by_patient, map(set, strange), strict=True)
    ]


def genuine_slices(
    by_patient: Sequence[Sequence[Sequence[Row]]], names: Sequence[str]
) -> list[list[Sequence[Row]]]:
    """The slices that hold no such region."""
    strange = calibration.outstanding(
        [[row for rows in slices for row in rows] for slices in by_patient]
    )
    kept: list[list[Sequence[Row]]] = []
    for number, (slices, places) in enumerate(zip(by_patient, strange, strict=True)):
        ends = np.cumsum([len(rows) for rows in slices])
        held = {int(np.searchsorted(ends, place, side="right")) for place in places}
        if held:
            _tell(f"{len(held)} of {len(slices)} slices looked at all over", number, names)
        kept.append([rows for place, rows in enumerate(slices) if place not in held])
    return kept


def _tell(what: str, number: int, names: Sequence[str]) -> None:
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
    return fitted([measured_on(network, cohort)], cohort.collection.modality, weights_sha256)


def with_neighbours(by_patient: Sequence[Sequence[Row]]) -> dict[str, Setting]:
    """Tables of the regions that could be compared with the slices above and below, by setting.

    Empty where fewer than ``LEAST_SHARE`` of the patients have such regions: tables of a few would
    judge worse than those of a lone slice.
    """
    chosen = [
        [
            row
            for row in rows
            if any(np.isfinite(row.get(family, np.nan)) for family in context_families())
        ]
        for rows in by_patient
    ]
    patients = sum(map(bool, chosen))
    enough = patients > 0 and patients >= LEAST_SHARE * len(by_patient)
    told = "calibration: %d of %d patients have neighbouring slices" + (
        "" if enough else ": too few for tables of their own"
    )
    logger.info(told, patients, len(by_patient))
    return {SERIES: Setting(*calibration.fit(chosen))} if enough else {}
