"""From a slice without a point to a screening: every place of it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dfd import calibration
from dfd.assessment.criteria import Criteria
from dfd.assessment.points import place, without_evidence
from dfd.calibration import Calibration, Circumstances, Places
from dfd.errors import PointsError
from dfd.evidence import screening_grid
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import Modality
from dfd.population import covariates_of
from dfd.records import Finding, FloatImage, Point, Prediction, Region, Screening, Slice
from dfd.suitability import objections

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
    return screening_grid.painted(
        centres, values, prediction.assessed, screening_grid.step_of(places.regions[0].radius_px)
    )


def map_around(like: Region, examined: SliceEvidence, found: Calibration) -> FloatImage:
    """As ``map_of``, near one region only.

    Places one step apart from its middle, ``AROUND_STEPS`` to each side.
    """
    step = screening_grid.step_of(like.radius_px)
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
    scan: Slice, points: Sequence[Point], prediction: Prediction, criteria: Criteria
) -> dict[int, Screening]:
    """Row -> answer, for each of ``points`` that asks about the slice as a whole.

    Each radius is looked at once.
    """
    modality, found = criteria.modality, criteria.calibration
    doubts = objections(scan, modality)
    around = Circumstances(
        covariates=covariates_of(prediction, scan.facts, modality), remarks=doubts.remarks
    )
    nothing = np.full(prediction.z.shape, np.nan, dtype=np.float32)
    measured: dict[float, tuple[Places, FloatImage]] = {}
    answers = {}
    for point in points:
        like = place(replace(point, x=0.0, y=0.0), scan, modality)
        if isinstance(like, PointsError):
            refused = Finding(point, "unreadable", error=like.sentence)
            answers[point.row] = Screening(refused, nothing, 0.0)
            continue
        if doubts.refusal or doubts.not_assessable:
            refused = without_evidence(point, doubts.refusal, doubts.not_assessable)
            answers[point.row] = Screening(refused, nothing, like.radius_px)
            continue
        if like.radius_px not in measured:
            places = places_of(prediction, modality, like)
            painted = nothing if found is None else map_of(places, prediction, found)
            measured[like.radius_px] = places, painted
        places, painted = measured[like.radius_px]
        finding, suspicions = calibration.judge_slice(
            point, places, found, replace(around, radius_mm=like.radius_mm)
        )
        answers[point.row] = Screening(finding, painted, like.radius_px, suspicions)
    return answers
