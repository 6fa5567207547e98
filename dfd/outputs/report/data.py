"""What the report needs of each row, kept while slices pass.

A few facts for all, pictures for the most suspicious.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dfd.calibration import Calibration
from dfd.modalities import Modality
from dfd.outputs.report.pictures import PointPictures, ScreeningPictures
from dfd.outputs.writer import SliceInfo
from dfd.records import Finding, Suspicion

MOST_SHOWN = 200
"""Rows with a page of their own, the most suspicious ones; all rows stand in the table."""


@dataclass(frozen=True)
class ReportRun:
    """What the report says of the run as a whole."""

    modality: Modality
    calibration: Calibration | None
    record: Mapping[str, object] = field(default_factory=dict)
    """The content of ``run.json``."""
    missing: int = 0
    """Rows that were not reached before the run was stopped."""


def rank(finding: Finding) -> tuple[float, int]:
    """Higher = to be shown before others; of equals the earlier row."""
    return (finding.score if math.isfinite(finding.score) else -1.0, -finding.point.row)


class ReportData:
    """Collected row by row.

    Its size is bounded by ``MOST_SHOWN`` pictures and a few numbers per row.
    """

    def __init__(self, *, pictured: bool) -> None:
        self.pictured = pictured
        self.slices: dict[int, SliceInfo] = {}
        self.pictures: dict[int, PointPictures | ScreeningPictures] = {}
        self.suspicions: dict[int, tuple[Suspicion, ...]] = {}
        self.radii_px: dict[int, float] = {}
        self._ranks: list[tuple[float, int]] = []

    def add(self, findings: Sequence[Finding], info: SliceInfo) -> None:
        """Note the slice of some rows."""
        self.slices.update({finding.point.row: info for finding in findings})

    def wants(self, finding: Finding) -> bool:
        """Whether pictures of this row would be kept by what is known so far."""
        return self.pictured and (len(self._ranks) < MOST_SHOWN or rank(finding) > self._ranks[0])

    def keep(self, finding: Finding, pictures: PointPictures | ScreeningPictures) -> None:
        """Keep the pictures of a row.

        And let go of those of the least suspicious one where there are too many.
        """
        self.pictures[finding.point.row] = pictures
        heapq.heappush(self._ranks, rank(finding))
        if len(self._ranks) > MOST_SHOWN:
            _, row = heapq.heappop(self._ranks)
            del self.pictures[-row]
