"""From points of one slice to findings: the whole way, from top to bottom.

A slice that is no genuine scan of its kind is refused (``dfd.suitability``). Each point becomes a
region (``dfd.regions``). Each family of evidence measures all regions against the rest of the same
slice (``dfd.evidence``). The calibration turns the numbers into a p-value, verdict, form and reason
(``dfd.calibration``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dfd.assessment.criteria import NO_CONTEXT, Criteria, SliceContext
from dfd.assessment.notes import ReconstructionNotes
from dfd.calibration import SERIES, SLICE, Circumstances, judge
from dfd.context.series_slices import SeriesSlices
from dfd.errors import PointsError
from dfd.evidence import context_families, family_names
from dfd.evidence.family import Need
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import Modality
from dfd.population import covariates_of
from dfd.records import Context, Evidence, Finding, FloatImage, Point, Prediction, Region, Slice
from dfd.regions import region_of, shape_note
from dfd.sentences import quoted
from dfd.suitability import objections


@dataclass(frozen=True)
class PointAssessor:
    """Assesses points of one slice after another.

    Args:
        criteria: modality and calibration.
        series: reads the other slices of a series; those read last are kept for the next slice.
    """

    criteria: Criteria
    series: SeriesSlices = field(default_factory=SeriesSlices)

    def assess(
        self,
        scan: Slice,
        points: Sequence[Point],
        prediction: Prediction,
        context: SliceContext = NO_CONTEXT,
    ) -> tuple[list[Finding], list[Region | None]]:
        """One finding and one region (None where the point has none) per point, in order.

        Args:
            scan: the slice, ``[H, W]``.
            points: places in it, x to the right and y downwards, in pixels from 0.
            prediction: what the network expects in each pixel, ``[H, W]`` each.
            context: what other slices say of it.
        """
        modality = self.criteria.modality
        doubts = objections(scan, modality)
        if doubts.refusal or doubts.not_assessable:
            return [without_evidence(p, doubts.refusal, doubts.not_assessable) for p in points], [
                None
            ] * len(points)

        placed = [place(point, scan, modality) for point in points]
        regions = [each if isinstance(each, Region) else None for each in placed]
        measured = self._measured(scan, prediction, regions, context.adjacent)

        covariates = covariates_of(prediction, scan.facts, modality)
        slice_notes = (*context.notes, *shape_note(scan.facts.spacing_mm))
        other_views = ReconstructionNotes(scan, context.reconstructions, modality)

        def finding(point: Point, region: Region) -> Finding:
            evidence = next(measured)
            circumstances = Circumstances(
                region.radius_mm,
                covariates,
                doubts.remarks,
                setting=setting_of(evidence),
                notes=(*slice_notes, *other_views.of(region)),
            )
            return judge(point, evidence, self.criteria.calibration, circumstances)

        findings = [
            Finding(point, "unreadable", error=each.sentence)
            if isinstance(each, PointsError)
            else finding(point, each)
            for point, each in zip(points, placed, strict=True)
        ]
        return findings, regions

    def sources(
        self, findings: Sequence[Finding], adjacent: Context | None, scan: Slice
    ) -> dict[str, FloatImage]:
        """Pixels ``[H, W]`` of the other slices that something was copied from, by name."""
        names = {finding.source_file for finding in findings if finding.source_file}
        if not names or adjacent is None:
            return {}
        others = self.series.into(adjacent, scan).others
        return {one.name: one.pixels for one in others if one.name in names}

    def _measured(
        self,
        scan: Slice,
        prediction: Prediction,
        regions: Sequence[Region | None],
        adjacent: Context | None,
    ) -> Iterator[Sequence[Evidence]]:
        """The evidence of each region that is one: one piece per family."""
        in_series = family_names(needing=Need.SERIES)
        if adjacent is not None and any(map(self._is_calibrated, in_series)):
            adjacent = self.series.into(adjacent, scan)
        slice_evidence = SliceEvidence(prediction, self.criteria.modality, adjacent)
        return iter(slice_evidence.measure_all([each for each in regions if each is not None]))

    def _is_calibrated(self, family: str) -> bool:
        """Whether slices with neighbours have a table of it: else it is not worth its time."""
        calibration = self.criteria.calibration
        setting = calibration.settings.get(SERIES) if calibration else None
        return setting is not None and family in setting.tables


def without_evidence(point: Point, refusal: str, not_assessable: str) -> Finding:
    """The answer where a slice is refused, or says nothing."""
    if refusal:
        return Finding(point, "unreadable", error=f"{quoted(point.filename)}: {refusal}")
    return Finding(point, "not assessable", reason=not_assessable)


def place(point: Point, scan: Slice, modality: Modality) -> Region | PointsError:
    """The region that a point asks about, or why there is none."""
    try:
        return region_of(point, scan, modality)
    except PointsError as error:
        return error


def setting_of(evidence: Sequence[Evidence]) -> str:
    """Which tables judge a region: those of slices with neighbours where it was compared so."""
    in_context = context_families()
    compared = any(each.family in in_context and np.isfinite(each.statistic) for each in evidence)
    return SERIES if compared else SLICE
