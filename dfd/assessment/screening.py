"""From a slice without a point to a screening: every place of it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from dfd.assessment.criteria import Criteria
from dfd.assessment.points import place, unassessed
from dfd.calibration import Calibration, DecisionContext, Places, decide_slice, p_of_places
from dfd.calibration.series import Grids
from dfd.errors import PointsError
from dfd.evidence import screening_grid
from dfd.evidence.slice_evidence import SliceEvidence, measurable
from dfd.modalities import Modality
from dfd.population import covariates_of
from dfd.records import Finding, FloatImage, Point, Prediction, Region, Screening, Slice, Verdict
from dfd.suitability import objections

AROUND_STEPS = 2
"""Places to each side of a point in the map around it."""


def places_of(
    prediction: Prediction, modality: Modality, like: Region, device: str = "cpu"
) -> Places:
    """What is measured all over a slice, in regions as large as ``like``; ``device``: where."""
    regions, measured = SliceEvidence(prediction, modality, device=torch.device(device)).everywhere(
        like
    )
    return Places(regions, measured.statistics, measured, measured.by_themselves)


def grids_of(places: Places, shape: tuple[int, ...], like: Region) -> Grids:
    """``[R, C]`` of each family: its statistics on the grid of places of a slice of ``shape``.

    In single precision, as runs keep them. Each place by itself: a series averages over places.
    """
    centres = np.array([(each.x, each.y) for each in places.regions], dtype=np.int64)
    return {
        name: screening_grid.on_grid(centres.reshape(-1, 2), values, shape, like.radius_px).astype(
            np.float32
        )
        for name, values in (places.by_themselves or places.statistics).items()
    }


def map_of(places: Places, prediction: Prediction, calibration: Calibration) -> FloatImage:
    """``[H, W]``: -log10 of the p-value of a region around each pixel.

    NaN where nothing can be said.
    """
    if not places.regions:
        return np.full(prediction.z.shape, np.nan, dtype=np.float32)
    centres = np.array([(region.x, region.y) for region in places.regions], dtype=np.int64)
    values = -np.log10(p_of_places(places, calibration)) + 0.0
    return screening_grid.painted(
        centres, values, prediction.assessed, screening_grid.step_of(places.regions[0].radius_px)
    )


def map_around(like: Region, evidence: SliceEvidence, calibration: Calibration) -> FloatImage:
    """As ``map_of``, near one region only.

    Places one step apart from its middle, ``AROUND_STEPS`` to each side.
    """
    step = screening_grid.step_of(like.radius_px)
    prediction = evidence.prediction
    height, width = prediction.z.shape
    x, y = round(like.x), round(like.y)
    # One step farther, since places count those beside them.
    shifts = step * np.arange(-AROUND_STEPS - 1, AROUND_STEPS + 2)
    centres = np.stack(np.meshgrid(x + shifts, y + shifts), axis=-1).reshape(-1, 2)
    inside = (centres >= 0).all(axis=1) & (centres < (width, height)).all(axis=1)
    regions, measured = evidence.at_places(centres[inside].astype(np.int64), like)
    off = np.abs(centres[inside] - (x, y)).max(axis=1)
    shown = np.flatnonzero(off <= AROUND_STEPS * step)
    kept, seen = measurable([regions[n] for n in shown.tolist()], measured.at(shown))
    places = Places(kept, seen.statistics, seen)
    return map_of(places, prediction, calibration)


def screen(
    scan: Slice, points: Sequence[Point], prediction: Prediction, criteria: Criteria
) -> dict[int, Screening]:
    """Row -> answer, for each of ``points`` that asks about the slice as a whole.

    Each radius is measured once.
    """
    modality, calibration = criteria.modality, criteria.calibration
    suitability = objections(scan, modality)
    context = DecisionContext(
        covariates=covariates_of(prediction, scan.facts, modality), remarks=suitability.remarks
    )
    no_map = np.full(prediction.z.shape, np.nan, dtype=np.float32)
    measured: dict[float, tuple[Places, FloatImage]] = {}
    answers = {}
    for point in points:
        like = place(replace(point, x=0.0, y=0.0), scan, modality)
        if isinstance(like, PointsError):
            finding = Finding(point, Verdict.UNREADABLE, error=like.sentence)
            answers[point.row] = Screening(finding, no_map, 0.0)
            continue
        if suitability.refusal or suitability.not_assessable:
            answers[point.row] = Screening(unassessed(point, suitability), no_map, like.radius_px)
            continue
        if like.radius_px not in measured:
            places = places_of(prediction, modality, like, criteria.device)
            p_map = no_map if calibration is None else map_of(places, prediction, calibration)
            measured[like.radius_px] = places, p_map
        places, p_map = measured[like.radius_px]
        finding, suspicions = decide_slice(
            point, places, calibration, replace(context, radius_mm=like.radius_mm)
        )
        grids = grids_of(places, scan.pixels.shape, like)
        answers[point.row] = Screening(finding, p_map, like.radius_px, suspicions, grids)
    return answers
