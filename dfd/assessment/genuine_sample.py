"""Genuine scans + network -> statistics of genuine regions and slices."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from dfd.assessment.cohort import Cohort
from dfd.assessment.genuine_series import usable_scan, whole_series
from dfd.assessment.screening import places_of
from dfd.calibration import Statistics, rows_of
from dfd.calibration.series import Stacks
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.evidence import noise
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES, Modality
from dfd.population import covariates_of
from dfd.prediction.predict import predict_slice
from dfd.progress import Progress
from dfd.reading.pixel_values import pixels_of
from dfd.records import Point
from dfd.regions import region_of

logger = logging.getLogger(__name__)

SLICES_PER_PATIENT = 12
"""Adjacent slices give much the same; a dozen spread over the series is enough per patient."""
REGIONS_PER_SLICE = 12
SCREENED_PER_PATIENT = 4
"""Slices of a calibration patient that are measured everywhere: each costs as much as its
prediction, and gives one maximum."""


def genuine_regions(
    item: Mapping[str, Any],
    network: torch.nn.Module,
    modality_name: str,
    seed: int,
    adjacent: AdjacentSlices | None = None,
) -> tuple[list[Statistics], dict[str, float]]:
    """Statistics of random genuine regions of one slice, by family, and the slice's covariates.

    Both empty where it cannot be used.

    ``adjacent`` finds the slices above and below; None: the slice has no context.
    """
    modality = MODALITIES[modality_name]
    scan = usable_scan(item, modality)
    if scan is None:
        return [], {}
    context = None if adjacent is None else adjacent.of(scan)[0]
    prediction = predict_slice(pixels_of(scan), network, modality)
    region = region_of(Point(0, str(item["image"]), 0.0, 0.0), scan, modality)
    evidence = SliceEvidence(prediction, modality, context)
    centres = evidence.windows(region.radius_px).table.centres.cpu().numpy()
    # The same way as a click: any place of the body whose window has support.
    drawn = np.random.default_rng(seed).permutation(centres)[: 2 * REGIONS_PER_SLICE]
    rows: list[Statistics] = []
    for places in (drawn[:REGIONS_PER_SLICE], drawn[REGIONS_PER_SLICE:]):
        if len(rows) < REGIONS_PER_SLICE:
            measured = evidence.measure_all(
                [replace(region, x=float(x), y=float(y)) for x, y in places]
            )
            each = rows_of(measured.statistics)
            rows += [row for row in each if np.isfinite(row[noise.FAMILY.name])]
    del rows[REGIONS_PER_SLICE:]
    return rows, covariates_of(prediction, scan.facts, modality)


class ScreenedPlaces(NamedTuple):
    """Every place of one slice."""

    rows: Sequence[Statistics]
    """Counting the places beside each."""
    by_themselves: Sequence[Statistics]
    """Not counting them."""


@dataclass(frozen=True)
class GenuineSample:
    """What genuine scans of some patients gave, before any table is fitted."""

    by_patient: list[list[Statistics]]
    """Regions of each patient."""
    slices: list[list[ScreenedPlaces]]
    """Of each patient, slices that were measured everywhere: every place of them."""
    population: Mapping[str, Sequence[float]]
    """Covariate -> its value in each slice."""
    patients: Sequence[str] = ()
    """Their names, in order."""
    series: Sequence[Sequence[Stacks]] = ()
    """Of each patient, series that were measured everywhere; empty where none were."""
    groups: Sequence[str] = ()
    """Scanner and kernel of each patient; empty where they are not known."""


def measured_on(network: torch.nn.Module, cohort: Cohort) -> GenuineSample:
    """Genuine regions of ``cohort``, whom ``network`` has not seen."""
    network.eval()
    by_patient: list[list[Statistics]] = []
    population: dict[str, list[float]] = defaultdict(list)
    adjacent = AdjacentSlices(others=True)
    chosen = [_spread(cohort.collection.of([patient])) for patient in cohort.patients]
    progress = Progress("calibration: measuring regions, slices", sum(map(len, chosen)))
    for number, items in enumerate(chosen):
        rows: list[Statistics] = []
        for place, item in enumerate(items):
            measured, covariates = genuine_regions(
                item,
                network,
                cohort.collection.modality,
                cohort.seed + 1000 * number + place,
                adjacent,
            )
            rows += measured
            for name, value in covariates.items():
                if np.isfinite(value):
                    population[name].append(value)
            progress.update()
        by_patient.append(rows)
        logger.info(
            "calibration: patient %d of %d, %d genuine regions",
            number + 1,
            len(cohort.patients),
            len(rows),
        )
    progress.close()
    slices, series = whole_slices(network, cohort), whole_series(network, cohort)
    return GenuineSample(by_patient, slices, population, cohort.patients, series, groups_of(cohort))


def groups_of(cohort: Cohort) -> list[str]:
    """Scanner and kernel of each patient of ``cohort``: those of most of the slices."""
    counts = [
        Counter(item["group"] for item in cohort.collection.of([patient]))
        for patient in cohort.patients
    ]
    return [max(sorted(each), key=each.__getitem__) for each in counts]


def _spread(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most ``SLICES_PER_PATIENT`` slices, spread over all of a patient."""
    return [
        items[int(index)]
        for index in np.unique(np.linspace(0, len(items) - 1, SLICES_PER_PATIENT).round())
    ]


def whole_slices(network: torch.nn.Module, cohort: Cohort) -> list[list[ScreenedPlaces]]:
    """Of each patient a handful of genuine slices, every place of them.

    Those that cannot be used are left out.
    """
    modality = MODALITIES[cohort.collection.modality]
    by_patient: list[list[ScreenedPlaces]] = []
    chosen = [_inner(cohort.collection.of([patient])) for patient in cohort.patients]
    with Progress("calibration: screening slices", sum(map(len, chosen))) as done:
        for number, items in enumerate(chosen, start=1):
            kept = []
            for item in items:
                kept.append(genuine_places(item, network, modality))
                done.update()
            by_patient.append([places for places in kept if places.rows])
            message = "calibration: patient %d of %d, %d genuine slices looked at all over"
            logger.info(message, number, len(chosen), len(by_patient[-1]))
    return by_patient


def _inner(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most ``SCREENED_PER_PATIENT`` slices, spread over a patient, not those at its ends."""
    places = np.linspace(0, len(items) - 1, SCREENED_PER_PATIENT + 2)[1:-1]
    return [items[int(index)] for index in np.unique(places.round())]


def genuine_places(
    item: Mapping[str, Any], network: torch.nn.Module, modality: Modality
) -> ScreenedPlaces:
    """Statistics of every place of one genuine slice, by family; none where it cannot be used."""
    scan = usable_scan(item, modality)
    if scan is None:
        return ScreenedPlaces([], [])
    prediction = predict_slice(pixels_of(scan), network, modality)
    region = region_of(Point(0, str(item["image"]), 0.0, 0.0), scan, modality)
    places = places_of(prediction, modality, region)
    rows = rows_of(places.statistics)
    alone = rows if places.by_themselves is None else rows_of(places.by_themselves)
    return ScreenedPlaces(rows, alone)
