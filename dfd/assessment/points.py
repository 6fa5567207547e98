"""From points of one slice to findings: the whole way, from top to bottom.

1. Refuse a slice that the model was not made for (``dfd.suitability``).
2. Turn each point into a region, a disk around it (``dfd.regions``).
3. Measure each region against the rest of the same slice, by every evidence family
   (``dfd.evidence``).
4. Decide: the calibration turns the measured numbers into a p-value, a verdict, a form of tampering
   and a reason (``dfd.calibration``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from dfd.assessment.criteria import NO_CONTEXT, Criteria, SliceContext
from dfd.assessment.notes import ReconstructionNotes
from dfd.calibration import SERIES, SLICE, DecisionContext, decide
from dfd.context.series_slices import SeriesSlices
from dfd.errors import PointsError
from dfd.evidence import context_families, family_names
from dfd.evidence.family import Need
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import Modality
from dfd.population import covariates_of
from dfd.records import Evidence, Finding, Point, Prediction, Region, Slice, Verdict
from dfd.regions import region_of, shape_note
from dfd.sentences import quoted
from dfd.suitability import Objections, objections


@dataclass(frozen=True)
class PointAssessor:
    """Assesses points of one slice after another."""

    criteria: Criteria
    series: SeriesSlices = field(default_factory=SeriesSlices)
    """Reads the other slices of a series; those read last are kept for the next slice."""

    def assess(
        self,
        scan: Slice,
        points: Sequence[Point],
        prediction: Prediction,
        context: SliceContext = NO_CONTEXT,
    ) -> tuple[list[Finding], list[Region | None]]:
        """One finding and one region (None where the point has none) per point, in order.

        Args:
            scan: The slice, ``[H, W]``.
            points: Places in it, x to the right and y downwards, in pixels from 0.
            prediction: What the network expects in each pixel, ``[H, W]`` each.
            context: What other slices say of it.
        """
        modality, calibration = self.criteria.modality, self.criteria.calibration
        suitability = objections(scan, modality)
        if suitability.refusal or suitability.not_assessable:
            return [unassessed(each, suitability) for each in points], [None] * len(points)

        placed = [place(point, scan, modality) for point in points]
        regions = [each for each in placed if isinstance(each, Region)]
        evidence = self._measure(regions, scan, prediction, context)

        of_slice = DecisionContext(
            covariates=covariates_of(prediction, scan.facts, modality),
            remarks=suitability.remarks,
            notes=(*context.notes, *shape_note(scan.facts.spacing_mm)),
        )
        reconstructions = ReconstructionNotes(scan, context.reconstructions, modality)

        def finding(point: Point, region: Region | PointsError) -> Finding:
            if isinstance(region, PointsError):
                return Finding(point, Verdict.UNREADABLE, error=region.sentence)
            of_region = replace(
                of_slice,
                radius_mm=region.radius_mm,
                setting=setting_of(evidence[region]),
                notes=(*of_slice.notes, *reconstructions.of(region)),
            )
            return decide(point, evidence[region], calibration, of_region)

        findings = [finding(*each) for each in zip(points, placed, strict=True)]
        return findings, [each if isinstance(each, Region) else None for each in placed]

    def _measure(
        self, regions: Sequence[Region], scan: Slice, prediction: Prediction, context: SliceContext
    ) -> Mapping[Region, Sequence[Evidence]]:
        """One piece of evidence per family for each region."""
        adjacent, calibration = context.adjacent, self.criteria.calibration
        series = calibration.settings.get(SERIES) if calibration else None
        # Copies are searched in the whole series only where that is calibrated: it takes time.
        in_series = family_names(needing=Need.SERIES)
        calibrated = series is not None and any(family in series.tables for family in in_series)
        if adjacent is not None and calibrated:
            adjacent = self.series.into(adjacent, scan)
        evidence = SliceEvidence(
            prediction, self.criteria.modality, adjacent, torch.device(self.criteria.device)
        )
        measured = evidence.measure_all(regions)
        return dict(zip(regions, measured, strict=True))


def unassessed(point: Point, suitability: Objections) -> Finding:
    """The answer where a slice is refused, or where a score of it would mean nothing."""
    if suitability.refusal:
        error = f"{quoted(point.filename)}: {suitability.refusal}"
        return Finding(point, Verdict.UNREADABLE, error=error)
    return Finding(point, Verdict.NOT_ASSESSABLE, reason=suitability.not_assessable)


def place(point: Point, scan: Slice, modality: Modality) -> Region | PointsError:
    """The region that a point asks about, or why there is none."""
    try:
        return region_of(point, scan, modality)
    except PointsError as error:
        return error


def setting_of(evidence: Sequence[Evidence]) -> str:
    """Which tables hold for a region: of slices with neighbours where it was compared with them."""
    in_context = context_families()
    compared = any(each.family in in_context and np.isfinite(each.statistic) for each in evidence)
    return SERIES if compared else SLICE
