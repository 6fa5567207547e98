"""Genuine scans + network -> calibration."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from dfd import calibration
from dfd.bundle.context import LoadContextd, LoadSeriesd
from dfd.bundle.genuine import usable_slice
from dfd.bundle.items import Cohort
from dfd.bundle.screening import whole_slices
from dfd.calibration import SCREENING, SERIES, Calibration, Setting
from dfd.evidence import NEIGHBOURED, OFFERED, SliceEvidence, noise
from dfd.modalities import MODALITIES
from dfd.population import covariates_of
from dfd.predict import predict_slice
from dfd.progress import Progress
from dfd.records import Point
from dfd.regions import region_of

logger = logging.getLogger(__name__)

SLICES_PER_PATIENT = 12
"""Neighbouring slices say much the same; a dozen spread over the series is enough per patient."""
REGIONS_PER_SLICE = 12

LEAST_SHARE = 0.5
"""Of the calibration patients that must have neighbouring slices, for tables of their own."""

Row = Mapping[str, float]
"""Statistic of each family in one region; NaN where it could not be measured."""


def genuine_regions(
    item: Mapping[str, Any],
    network: torch.nn.Module,
    modality_name: str,
    seed: int,
    beside: LoadContextd | None = None,
) -> tuple[list[Row], dict[str, float]]:
    """Statistics of random genuine regions of one slice, by family, and the slice's covariates.

    Both empty where it cannot be used.

    ``beside`` finds the slices above and below; None: the slice counts as alone.
    """
    modality = MODALITIES[modality_name]
    loaded = usable_slice(item, modality, beside or dict)
    if loaded is None:
        return [], {}
    scan = loaded["scan"]
    prediction = predict_slice(loaded["image"][0], network, modality)
    region = region_of(Point(0, str(item["image"]), 0.0, 0.0), scan, modality)
    examined = SliceEvidence(prediction, modality, loaded.get("context"))
    centres = examined.windows(region.radius_px).table.centres
    # The same way as a click: any place of the body whose window has support.
    drawn = np.random.default_rng(seed).permutation(centres)[: 2 * REGIONS_PER_SLICE]
    rows: list[Row] = []
    for places in (drawn[:REGIONS_PER_SLICE], drawn[REGIONS_PER_SLICE:]):
        if len(rows) < REGIONS_PER_SLICE:
            found = examined.measure_all(
                [replace(region, x=float(x), y=float(y)) for x, y in places]
            )
            measured = [{each.family: each.statistic for each in one} for one in found]
            rows += [row for row in measured if np.isfinite(row[noise.FAMILY])]
    del rows[REGIONS_PER_SLICE:]
    return rows, covariates_of(prediction, scan.facts, modality)


@dataclass(frozen=True)
class Genuine:
    """What genuine scans of some patients gave, before any table is fitted."""

    by_patient: list[list[Row]]
    """Regions of each patient."""
    slices: list[list[Sequence[Row]]]
    """Of each patient, slices that were looked at all over: every place of them."""
    population: Mapping[str, Sequence[float]]
    """Covariate -> its value in each slice."""
    patients: Sequence[str] = ()
    """Their names, in order."""


def measured_on(network: torch.nn.Module, cohort: Cohort) -> Genuine:
    """Genuine regions of ``cohort``, whom ``network`` has not seen."""
    network.eval()
    by_patient: list[list[Row]] = []
    population: dict[str, list[float]] = defaultdict(list)
    beside = LoadSeriesd()
    chosen = [_spread(cohort.collection.of([patient])) for patient in cohort.patients]
    told = Progress("calibration: measuring regions, slices", sum(map(len, chosen)))
    for number, items in enumerate(chosen):
        rows: list[Row] = []
        for place, item in enumerate(items):
            measured, covariates = genuine_regions(
                item,
                network,
                cohort.collection.modality,
                cohort.seed + 1000 * number + place,
                beside,
            )
            rows += measured
            for name, value in covariates.items():
                if np.isfinite(value):
                    population[name].append(value)
            told.update()
        by_patient.append(rows)
        logger.info(
            "calibration: patient %d of %d, %d genuine regions",
            number + 1,
            len(cohort.patients),
            len(rows),
        )
    told.close()
    return Genuine(by_patient, whole_slices(network, cohort), population, cohort.patients)


def _spread(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most ``SLICES_PER_PATIENT`` slices, spread over all of a patient."""
    return [
        items[int(index)]
        for index in np.unique(np.linspace(0, len(items) - 1, SLICES_PER_PATIENT).round())
    ]


def fitted(parts: Sequence[Genuine], modality_name: str, weights_sha256: str) -> Calibration:
    """The calibration that ``parts`` give together.

    Several where each patient was measured by a network that did not see him (cross-fitting).

    Raises:
        CalibrationError: not one region of them could be measured.
    """
    names = [name for part in parts for name in part.patients]
    by_patient = genuine_alone([rows for part in parts for rows in part.by_patient], names)
    tables, combined = calibration.fit(
        [[{family: row[family] for family in OFFERED} for row in rows] for rows in by_patient]
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
        [row for row in rows if any(np.isfinite(row.get(family, np.nan)) for family in NEIGHBOURED)]
        for rows in by_patient
    ]
    patients = sum(map(bool, chosen))
    enough = patients > 0 and patients >= LEAST_SHARE * len(by_patient)
    told = "calibration: %d of %d patients have neighbouring slices" + (
        "" if enough else ": too few for tables of their own"
    )
    logger.info(told, patients, len(by_patient))
    return {SERIES: Setting(*calibration.fit(chosen))} if enough else {}
