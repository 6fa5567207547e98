"""A slice that was read and its prediction -> the answers to its points."""

from __future__ import annotations

from dfd.assessment import screening
from dfd.assessment.criteria import Criteria
from dfd.assessment.points import PointAssessor
from dfd.records import Finding, Prediction, Region, Slice, Verdict
from dfd.scoring.slices import AssessedSlice, LoadedSlice


class SliceAssessor:
    """Assesses one slice after another."""

    def __init__(self, criteria: Criteria) -> None:
        self.criteria = criteria
        self._points = PointAssessor(criteria)

    def assess(self, loaded: LoadedSlice, prediction: Prediction | None) -> AssessedSlice:
        """The answers to all points of a slice.

        ``prediction`` None: the slice could not be read.
        """
        if loaded.scan is None or prediction is None:
            unreadable = [
                Finding(point, Verdict.UNREADABLE, error=loaded.error) for point in loaded.points
            ]
            return AssessedSlice(unreadable, [None] * len(unreadable))
        return self._assessed(loaded, loaded.scan, prediction)

    def _assessed(self, loaded: LoadedSlice, scan: Slice, prediction: Prediction) -> AssessedSlice:
        whole = [point for point in loaded.points if point.is_screening]
        screened = screening.screen(scan, whole, prediction, self.criteria) if whole else {}
        clicked = [point for point in loaded.points if not point.is_screening]
        findings, regions = self._points.assess(scan, clicked, prediction, loaded.context)
        pairs: dict[int, tuple[Finding, Region | None]] = {
            finding.point.row: (finding, region)
            for finding, region in zip(findings, regions, strict=True)
        }
        pairs |= {row: (answer.finding, None) for row, answer in screened.items()}
        ordered = [pairs[point.row] for point in loaded.points]
        sources = self._points.series.pixels_by_name(
            {finding.source_file for finding in findings} - {""}, loaded.context.adjacent, scan
        )
        return AssessedSlice(
            [finding for finding, _ in ordered],
            [region for _, region in ordered],
            prediction,
            screened,
            sources,
        )
