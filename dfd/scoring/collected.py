"""What a run knows of its rows so far."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from dfd.calibration import FALSE_DISCOVERIES, UNUSUAL, counts_of_many
from dfd.outputs.writer import KeptSlice, Results, Stage
from dfd.records import NOT_SCORED, Finding, FloatImage, Point, Region, Suspicion, Verdict

logger = logging.getLogger(__name__)

NOT_REACHED = (
    "the run was stopped before this row was reached; run the same command again into the same "
    "output folder to go on"
)


class Collected:
    """Findings, regions and suspicions by row.

    Rows and not points: those that went through a reader process come back as copies.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = list(points)
        self.findings: dict[int, Finding] = {
            point.row: Finding(point, Verdict.UNREADABLE, error=point.error)
            for point in self.points
            if point.error
        }
        self.suspicions: dict[int, tuple[Suspicion, ...]] = {}
        self.regions: dict[int, Region] = {}
        self.grids: dict[int, Mapping[str, FloatImage]] = {}
        self.done: set[int] = set()
        """Rows that an earlier part of the run has finished."""
        self.device = ""
        self.threads = 0
        """That torch uses; 0 where no slice needs it."""
        self.started = time.monotonic()

    @property
    def left(self) -> list[Point]:
        """Points that are still to be scored."""
        return [point for point in self.points if not point.error and point.row not in self.done]

    @property
    def missing(self) -> int:
        """How many rows have no finding."""
        return sum(point.row not in self.findings for point in self.points)

    @property
    def scored(self) -> int:
        """How many rows that could be scored have a finding."""
        return sum(not point.error and point.row in self.findings for point in self.points)

    def note(self, kept: KeptSlice) -> None:
        """Take what was scored of a slice."""
        self.findings.update({finding.point.row: finding for finding in kept.findings})
        self.regions.update(kept.regions)
        self.suspicions.update(kept.suspicions)
        self.grids.update(kept.grids)
        self.device = kept.device or self.device

    def results(
        self,
        about: Mapping[str, object],
        configuration: Mapping[str, object],
        stage: Stage,
        left_out: int,
    ) -> Results:
        """All results so far; rows that were not reached say so.

        Args:
            about: Entries of ``run.json`` on the program and the model.
            configuration: What ``run.json`` says was asked for.
            stage: How far the run is.
            left_out: How many files did not fit.
        """
        findings = [
            self.findings.get(point.row) or Finding(point, Verdict.NOT_REACHED, error=NOT_REACHED)
            for point in self.points
        ]
        record = self._record(Counter(finding.verdict for finding in findings), stage, left_out)
        whole = {**about, **record, "configuration": configuration}
        return Results(findings, whole, stage, self.regions, self.suspicions, self.grids)

    def _record(self, verdicts: Counter[Verdict], stage: Stage, left_out: int) -> dict[str, object]:
        unscored = {str(verdict): verdicts[verdict] for verdict in Verdict if verdict in NOT_SCORED}
        ended = stage in (Stage.STOPPED, Stage.FINISHED)
        return {
            "device": self.device or "none needed",
            "threads": self.threads,
            "seconds": round(time.monotonic() - self.started, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds") if ended else None,
            "rows_taken_over": len(self.done),
            "files_left_out": left_out,
            "counts": {
                "rows": verdicts.total(),
                "scored": verdicts.total() - sum(unscored.values()),
                **unscored,
            },
            "verdicts": dict(verdicts),
        }


def tell_screened(findings: Sequence[Finding]) -> None:
    """Say how many screened slices stand out, and how many would by chance."""
    p_values = [
        each.p_value for each in findings if each.point.is_screening and math.isfinite(each.p_value)
    ]
    if len(p_values) > 1:
        small, expected, remain = counts_of_many(p_values)
        message = (
            "of %d screened slices %d have p <= %g; %.3g would if nothing was tampered with; "
            "by Benjamini-Hochberg at %g %% %d remain"
        )
        logger.info(
            message, len(p_values), small, UNUSUAL, expected, 100 * FALSE_DISCOVERIES, remain
        )
