"""Collects for ``report.html`` while slices pass, and writes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from dfd.calibration import UNUSUAL
from dfd.outputs import report
from dfd.outputs.report.data import ReportData, ReportRun
from dfd.outputs.report.pictures import PointPictures, PointView, ScreeningPictures
from dfd.outputs.writer import BaseWriter, KeptSlice, Results, Run, SliceResult, Stage
from dfd.progress import progress
from dfd.records import Finding, FloatImage, Region, Verdict
from dfd.settings import ScoreSettings


class ReportWriter(BaseWriter):
    """``report.html``: pictures are kept of the most suspicious rows, a few facts of all."""

    files: ClassVar[Mapping[str, str]] = {"": r"report\.html"}

    @classmethod
    def asked(cls, settings: ScoreSettings) -> bool:
        """Where the report is."""
        return settings.report

    def start(self, run: Run) -> None:
        """Begin without any row."""
        super().start(run)
        self.data = ReportData(pictured=run.settings.images)

    @property
    def pictures(self) -> Mapping[int, PointPictures | ScreeningPictures]:
        """Those that the report shows by what is known so far."""
        return self.data.pictures

    def slice(self, result: SliceResult) -> Sequence[str]:
        """Note the findings of a slice, and keep pictures of those that stand out."""
        data = self.data
        data.add(result.findings, result.info)
        for finding in result.findings:
            answer = result.screenings.get(finding.point.row)
            if answer is not None:
                data.suspicions[finding.point.row] = answer.suspicions
                data.radii_px[finding.point.row] = answer.radius_px
                if math.isfinite(finding.p_value) and data.wants(finding):
                    shown = report.of_screening(result.scan, answer, self.run.modality)
                    data.keep(finding, shown)
        if data.pictured and result.drawn:
            self._keep_points(result)
        return ()

    def resume(
        self, kept: KeptSlice, pictures: Mapping[int, PointPictures | ScreeningPictures]
    ) -> None:
        """Note the findings of a slice that an earlier part of the run finished."""
        data = self.data
        if kept.info is not None:
            data.add(kept.findings, kept.info)
        for row, suspicions in kept.suspicions.items():
            data.suspicions[row] = suspicions
            data.radii_px[row] = kept.regions[row].radius_px
        for finding in kept.findings:
            shown = pictures.get(finding.point.row)
            if shown is not None:
                data.keep(finding, shown)

    def finish(self, results: Results) -> None:
        """Write the page; on a full disk it is left out."""
        missing = sum(finding.verdict == Verdict.NOT_REACHED for finding in results.findings)
        run, anonymous = self.run, self.run.settings.anonymous
        about = ReportRun(run.modality, run.calibration, results.record, missing)
        if results.stage in (Stage.STOPPED, Stage.FINISHED) and not run.disk_space.may(
            report.FILE_NAME,
            lambda: report.write(
                run.folder, results.findings, self.data, about, anonymous=anonymous
            ),
        ):
            # One of an earlier part of the run must not stand beside these numbers.
            (run.folder / report.FILE_NAME).unlink(missing_ok=True)

    def _keep_points(self, result: SliceResult) -> None:
        images = result.images
        view = PointView(images, result.context, result.sources)
        whole = report.whole_slice(images.scan, images.grey)
        for finding, region in progress(result.drawn, "preparing the report", len(result.findings)):
            if self.data.wants(finding):
                rarity = _rarity(result, finding, region)
                self.data.keep(finding, report.of_point(view, whole, region, finding, rarity))


def _rarity(result: SliceResult, finding: Finding, region: Region) -> FloatImage | None:
    """-log10 p around a point that stands out.

    Every place costs as much as a third of a point.
    """
    if result.map_around is None or not finding.p_value <= UNUSUAL:
        return None
    return result.map_around(region)
