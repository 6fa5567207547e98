"""The DICOM results of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dfd.outputs.writer import BaseWriter, Results, Run, Stage
from dfd.settings import ScoreSettings

FOLDER = "dicom"


class DicomWriter(BaseWriter):
    """``dicom/``: structured reports, parametric maps, segmentations and pictures."""

    files: ClassVar[Mapping[str, str]] = {
        FOLDER: r"series-\d{2,}-(scores|map|regions|captures)(-\d+)?\.dcm"
    }

    @classmethod
    def asked(cls, settings: ScoreSettings) -> bool:
        """Where ``dicom`` is set.

        Raises:
            UsageError: it is, and highdicom is missing.
        """
        if settings.dicom:
            from dfd.outputs import dicom  # pydicom and, as it writes, highdicom

            dicom.require()
        return settings.dicom

    def start(self, run: Run) -> None:
        """Name the model."""
        from dfd.outputs import dicom

        super().start(run)
        self._maker = dicom.Maker(run.modality.bundle, run.weights_sha256, run.calibration_sha256)

    def finish(self, results: Results) -> None:
        """Write all of them, once every row is scored."""
        if results.stage is not Stage.FINISHED:
            return
        from dfd.outputs import dicom

        answers = [
            dicom.Answer(
                finding,
                self.run.numbers[finding.point.row],
                results.regions.get(finding.point.row),
                results.suspicions.get(finding.point.row, ()),
            )
            for finding in results.findings
        ]
        settings = self.run.settings
        kinds = dicom.Kinds(images=settings.images, captures=settings.dicom_captures)
        dicom.write(self.run.folder, answers, self._maker, kinds)
