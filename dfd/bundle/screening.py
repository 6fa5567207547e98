"""Slices without a point: every place of them, for an answer and for the calibration behind it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dfd import calibration
from dfd.bundle.genuine import usable_slice
from dfd.bundle.items import Cohort
from dfd.calibration import Calibration, Circumstances, Places
from dfd.errors import PointsError
from dfd.evidence import SliceEvidence, grid
from dfd.modalities import MODALITIES, Modality
from dfd.population import covariates_of
from dfd.predict import predict_slice
from dfd.progress import Progress
from dfd.records import Finding, FloatImage, Point, Prediction, Region, Screening, Slice
from dfd.regions import region_of
from dfd.sentences import quoted
from dfd.suitability import objections

logger = logging.getLogger(__name__)

SLICES_PER_PATIENT = 4
"""Slices of a calibration patient that are looked at all over: each costs as much as its
prediction, and gives one maximum."""

AROUND_STEPS = 2
"""Places to each side of a point in the map around it."""


def places_of(prediction: Prediction, modality: Modality, like: Region) -> Places:
    """What is measured all over a slice, in regions as large as ``like``."""
    return Places(*SliceEvidence(prediction, modality).everywhere(like))


def map_of(places: Places, prediction: Prediction, found: Calibration) -> FloatImage:
    """``[H, W]``: -log10 of the p-value of a region around each pixel.

    NaN where nothing can be said.
    """
    if not places.regions:
        return np.full(prediction.z.shape, np.nan, dtype=np.float32)
    centres = np.array([(region.x, region.y) for region in places.regions], dtype=np.int64)
    values = -np.log10(calibration.p_of_places(places, found)) + 0.0
    return grid.painted(
        centres, values, prediction.assessed, grid.step_of(places.regions[0].radius_px)
    )


def map_around(like: Region, examined: SliceEvidence, found: Calibration) -> FloatImage:
    """As ``map_of``, near one region only.

    Places one step apart from its middle, ``AROUND_STEPS`` to each side.
    """
    step = grid.step_of(like.radius_px)
    prediction = examined.prediction
    height, width = prediction.z.shape
    shifts = [step * number for number in range(-AROUND_STEPS, AROUND_STEPS + 1)]
    middle = round(like.x), round(like.y)
    centres = [(middle[0] + across, middle[1] + down) for down in shifts for across in shifts]
    regions = [
        replace(like, x=float(x), y=float(y))
        for x, y in centres
        if 0 <= x < width and 0 <= y < height
    ]
    measured = zip(regions, examined.measure_all(regions, quick=True), strict=True)
    kept = [(region, evidence) for region, evidence in measured if not evidence[0].obstacle]
    return map_of(
        Places([region for region, _ in kept], [evidence for _, evidence in kept]),
        prediction,
        found,
    )


def screen(
    scan: Slice,
    points: Sequence[Point],
    prediction: Prediction,
    modality: Modality,
    found: Calibration | None,
) -> dict[int, Screening]:
    """Row -> answer, for each of ``points`` that asks about the slice as a whole.

    Each radius is looked at once.
    """
    against = objections(scan, modality)
    around = Circumstances(
        covariates=covariates_of(prediction, scan.facts, modality), remarks=against.remarks
    )
    nothing = np.full(prediction.z.shape, np.nan, dtype=np.float32)
    measured: dict[float, tuple[Places, FloatImage]] = {}
    answers = {}
    for point in points:
        try:
            like = _anywhere(point, scan, modality)
        except PointsError as error:
            answers[point.row] = Screening(
                Finding(point, "unreadable", error=error.sentence), nothing, 0.0
            )
            continue
        if against.refusal:
            refused = f"{quoted(point.filename)}: {against.refusal}"
            answers[point.row] = Screening(
                Finding(point, "unreadable", error=refused), nothing, like.radius_px
            )
            continue
        if against.not_assessable:
            answers[point.row] = Screening(
                Finding(point, "not assessable", reason=against.not_assessable),
                nothing,
                like.radius_px,
            )
            continue
        if like.radius_px not in measured:
            places = places_of(prediction, modality, like)
            measured[like.radius_px] = (
                places,
                nothing if found is None else map_of(places, prediction, found),
            )
        places, painted = measured[like.radius_px]
        finding, suspicions = calibration.judge_slice(
            point, places, found, replace(around, radius_mm=like.radius_mm)
        )
        answers[point.row] = Screening(finding, painted, like.radius_px, suspicions)
    return answers


def _anywhere(point: Point, scan: Slice, modality: Modality) -> Region:
    """A region as large as those that ``point`` asks about."""
    return region_of(replace(point, x=0.0, y=0.0), scan, modality)


def whole_slices(network: Any, cohort: Cohort) -> list[list[Sequence[Mapping[str, float]]]]:
    """Of each patient a handful of genuine slices, every place of them.

    Those that cannot be used are left out.
    """
    modality = MODALITIES[cohort.collection.modality]
    by_patient: list[list[Sequence[Mapping[str, float]]]] = []
    chosen = [_inner(cohort.collection.of([patient])) for patient in cohort.patients]
    with Progress("calibration: screening slices", sum(map(len, chosen))) as done:
        for number, items in enumerate(chosen, start=1):
            kept = []
            for item in items:
                kept.append(genuine_places(item, network, modality))
                done.update()
            by_patient.append([rows for rows in kept if rows])
            told = "calibration: patient %d of %d, %d genuine slices looked at all over"
            logger.info(told, number, len(chosen), len(by_patient[-1]))
    return by_patient


def _inner(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most ``SLICES_PER_PATIENT`` slices, spread over a patient, not those at the ends of it."""
    places = np.linspace(0, len(items) - 1, SLICES_PER_PATIENT + 2)[1:-1]
    return [items[int(index)] for index in np.unique(places.round())]


def genuine_places(
    item: Mapping[str, Any], network: Any, modality: Modality
) -> list[Mapping[str, float]]:
    """Statistics of every place of one genuine slice, by family; none where it cannot be used."""
    loaded = usable_slice(item, modality)
    if loaded is None:
        return []
    prediction = predict_slice(loaded["image"][0], network, modality)
    return places_of(
        prediction, modality, _anywhere(Point(0, str(item["image"])), loaded["scan"], modality)
    ).rows
