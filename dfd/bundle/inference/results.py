"""Collects findings while the evaluator runs and writes the outputs."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from dfd.bundle import batches, model_file
from dfd.bundle.inference.basis import basis_of
from dfd.bundle.inference.choices import Choices
from dfd.bundle.inference.kept_results import Keeping, Taken
from dfd.bundle.inference.kept_slice import KeptSlice, kept_of, nameless
from dfd.bundle.inference.pace import Pace
from dfd.bundle.inference.pictures import SlicePictures
from dfd.bundle.inference.report_collector import Gathering
from dfd.bundle.inference.requested_points import points_of as points_of  # named by inference.json
from dfd.bundle.inference.results_folder import (
    results_folder as results_folder,  # named by inference.json
)
from dfd.bundle.inference.run_identity import PATHS, Asked, identity_of
from dfd.bundle.model_file import Model
from dfd.calibration import FALSE_DISCOVERIES, UNUSUAL, Calibration, counts_of_many, from_json
from dfd.errors import InterruptedRunError, OutputError
from dfd.modalities import MODALITIES
from dfd.outputs import lock, report, run_log, run_record, scores, suspicious
from dfd.outputs.anonymous import tell_columns_left_out
from dfd.progress import Progress
from dfd.records import NOT_SCORED, Finding, Point, Region, Suspicion, Verdict

logger = logging.getLogger(__name__)


def calibration_of(model: Model) -> Calibration | None:
    """The calibration that comes with ``model``."""
    return from_json(model.calibration) if model.calibration is not None else None


NOT_REACHED = (
    "the run was stopped before this row was reached; run the same command again into the same "
    "output folder to go on"
)


class ResultsWriter:
    """Ignite handler that writes the results of :func:`run`.

    Numbers first, and again and again, pictures as they come, the rest at the end.

    What is finished is also kept in a ledger, from which the same run goes on after it was stopped.

    Args:
        points: all rows of the points file, the bad ones too.
        output_dir: an existing folder.
        model: for the record.
        modality: name in ``MODALITIES``.
        choices: fields of ``Choices``.
    """

    def __init__(
        self,
        points: Sequence[Point],
        output_dir: str | Path,
        model: Model,
        modality: str,
        **choices: Any,
    ) -> None:
        self.points, self.folder, self.model, self.modality = (
            list(points),
            Path(output_dir),
            model,
            MODALITIES[modality],
        )
        self.choices = Choices(**choices)
        # By row: points that went through a reader process come back as copies.
        self.numbers = {point.row: number for number, point in enumerate(self.points, start=1)}
        self.found: dict[int, Finding] = {
            point.row: Finding(point, Verdict.UNREADABLE, error=point.error)
            for point in self.points
            if point.error
        }
        self.suspicions: dict[int, tuple[Suspicion, ...]] = {}
        self.placed: dict[int, Region] = {}
        self.calibration = calibration_of(model)
        self.gathering = (
            Gathering(self.modality, self.calibration, pictured=self.choices.images)
            if self.choices.report
            else None
        )
        self.keeping = Keeping(self.folder, self.points, anonymous=self.choices.anonymous)
        self.pictures = SlicePictures(self.folder, self.modality, self.keeping.room, self.numbers)
        self.pace = Pace()
        self.done: set[int] = set()
        self.going_on = False
        self.started = time.monotonic()
        self.device = self.salt = ""
        self.progress = self._progress()

    def _progress(self) -> Progress:
        """Of the rows that are left to be scored."""
        left = [point for point in self.points if not point.error and point.row not in self.done]
        whole = bool(left) and all(point.is_screening for point in left)
        return Progress("screening slices" if whole else "scoring points", len(left))

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)

    def begin(self, device: str) -> None:
        """Makes the folder ready.

        Moves results of other runs aside, and takes up what this one has finished before
        (``done``).

        Raises:
            OutputError: nothing can be written there.
        """
        identity = identity_of(
            Asked(
                self.points,
                self.model,
                self.choices.deciding(self.modality, device),
                self.choices.record,
                self.folder,
            )
        )
        self.salt = identity["data"]
        if self.keeping.begin(identity):
            self.going_on = True
            self.choices.log.go_on(self.folder)
            for taken in self.keeping.taken():
                self._take_up(taken)
            told = (
                "the run in %s goes on where it was stopped: %d of %d rows are done, %d more are "
                "scored and are drawn again"
            )
            known = sum(not point.error and point.row in self.found for point in self.points)
            logger.info(told, self.folder, len(self.done), len(self.points), known - len(self.done))
            self.progress.close()
            self.progress = self._progress()

    def open(self) -> None:
        """Writes the numbers before there are any.

        A disk that has no room for them is told of at once.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self.write_numbers()
        except OutputError:
            if not self.going_on:
                self.keeping.end()
            raise
        self.keeping.room.reserve()

    def _take_up(self, taken: Taken) -> None:
        self._note(taken.kept)
        if taken.done:  # else its numbers stand until it is scored again
            self.done.update(taken.kept.rows)
            if self.gathering is not None:
                self.gathering.take_up(taken.kept, taken.pictures)

    def _note(self, kept: KeptSlice) -> None:
        self.found.update({finding.point.row: finding for finding in kept.findings})
        self.placed.update(kept.regions)
        self.suspicions.update(kept.suspicions)
        self.device = kept.device or self.device

    def collect(self, engine: Engine) -> None:
        """Takes the findings of one slice: numbers first, then pictures."""
        output, batch = engine.state.output, engine.state.batch
        kept = kept_of(output, batch.get("scan"))
        kept = nameless(kept, self.salt) if self.choices.anonymous else kept
        self._note(kept)
        self.keeping.scored(kept)
        self.pace.keep(self._checkpoint)
        images, files = self.pictures.of(batch, output) if self.choices.images else (None, [])
        if self.gathering is not None and kept.seen is not None:
            self.gathering.take(batch, output, images, kept.seen)
        self.keeping.drawn(kept.rows, files, self.gathering.material if self.gathering else None)
        self.progress.update(len(kept.rows))

    def findings(self) -> list[Finding]:
        """One per row, in order; rows that were not reached say so."""
        return [
            self.found.get(point.row) or Finding(point, Verdict.NOT_REACHED, error=NOT_REACHED)
            for point in self.points
        ]

    def write_numbers(self, *, ended: bool = False) -> list[Finding]:
        """Writes ``scores.csv``, ``suspicious_regions.csv`` where slices are screened.

        And ``run.json``.
        """
        findings = self.findings()
        must, anonymous = self.keeping.room.must, self.choices.anonymous
        must(lambda: scores.write(self.folder, findings, anonymous=anonymous))
        whole = [finding.point.row for finding in findings if finding.point.is_screening]
        if whole:
            suspicions = [self.suspicions.get(row, ()) for row in whole]
            must(lambda: suspicious.write(self.folder, suspicions, findings, anonymous=anonymous))
        record = self._record(Counter(finding.verdict for finding in findings), ended=ended)
        must(lambda: run_record.write(self.folder, record))
        return findings

    def _checkpoint(self) -> None:
        """Brings the numbers up to date.

        On a full disk those of before stand, and all are written at the end.
        """
        with suppress(OutputError):
            self.keeping.secure()
            self.write_numbers()
            run_log.write(self.folder, self.choices.log, anonymous=self.choices.anonymous)

    def write(self) -> list[Finding]:
        """Writes the numbers and ``report.html``."""
        self.progress.close()
        findings = self.write_numbers(ended=True)
        p_of_slices = [
            each.p_value
            for each in findings
            if each.point.is_screening and math.isfinite(each.p_value)
        ]
        if len(p_of_slices) > 1:
            small, expected, remain = counts_of_many(p_of_slices)
            told = (
                "of %d screened slices %d have p <= %g; %.3g would if nothing was tampered with; "
                "by Benjamini-Hochberg at %g %% %d remain"
            )
            logger.info(
                told, len(p_of_slices), small, UNUSUAL, expected, 100 * FALSE_DISCOVERIES, remain
            )
        verdicts = Counter(finding.verdict for finding in findings)
        missing = verdicts[Verdict.NOT_REACHED]
        if self.gathering is not None:
            about = report.Run(
                self.modality, self.calibration, self._record(verdicts, ended=True), missing
            )
            material, anonymous = self.gathering.material, self.choices.anonymous
            if not self.keeping.room.may(
                report.FILE_NAME,
                lambda: report.write(self.folder, findings, material, about, anonymous=anonymous),
            ):
                # One of an earlier part of the run must not stand beside these numbers.
                (self.folder / report.FILE_NAME).unlink(missing_ok=True)
                self.write_numbers(ended=True)
        if missing:
            logger.info("results so far are in %s", self.folder)
        else:
            logger.info(
                "results are in %s (%s)", self.folder, self.device or "no slice could be read"
            )
        return findings

    def finish(self) -> list[Finding]:
        """Writes all that is left to write, and ends the ledger.

        Raises:
            InterruptedRunError: the disk is full, and something was left out.
        """
        findings = self.write()
        self.write_dicom(findings)
        left_out = self.keeping.room.left_out
        if left_out:
            raise InterruptedRunError(
                f"the disk is full: {len(left_out)} of the pictures and pages of "
                f"{self.folder} are left out ({left_out[0]} is the first), while "
                "scores.csv is complete; make room and run the same command again into the "
                "same output folder, or ask for no pictures"
            )
        self.keeping.end()
        return findings

    def stop(self) -> None:
        """Writes what there is; the same run can go on from it."""
        with suppress(OutputError):  # what stopped the run is what must be told
            self.write()
        missing = sum(point.row not in self.found for point in self.points)
        if missing:
            told = (
                "%d of %d rows were not reached; to go on, run the same command again with %s as "
                "its output folder"
            )
            logger.warning(told, missing, len(self.points), self.folder)

    def write_dicom(self, findings: Sequence[Finding]) -> None:
        """Writes the DICOM results, where they are asked for."""
        if not self.choices.dicom:
            return
        from dfd.outputs import dicom

        maker = dicom.Maker(
            self.modality.bundle, self.model.sha256, run_record.digest(self.model.calibration)
        )
        rows = ((finding, finding.point.row) for finding in findings)
        answers = [
            dicom.Answer(
                finding, self.numbers[row], self.placed.get(row), self.suspicions.get(row, ())
            )
            for finding, row in rows
        ]
        dicom.write(self.folder, answers, maker, images=self.choices.images)

    @cached_property
    def _basis(self) -> dict[str, object]:
        return basis_of(
            self.model, self.modality, self.calibration, anonymous=self.choices.anonymous
        )

    def _record(self, verdicts: Counter[Verdict], *, ended: bool) -> dict[str, object]:
        """The content of ``run.json``."""
        unscored = {str(verdict): verdicts[verdict] for verdict in Verdict if verdict in NOT_SCORED}
        hidden = PATHS if self.choices.anonymous else frozenset()
        return {
            **self._basis,
            "device": self.device or "none needed",
            "threads": torch.get_num_threads(),
            "seconds": round(time.monotonic() - self.started, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds") if ended else None,
            "rows_taken_over": len(self.done),
            "files_left_out": len(self.keeping.room.left_out),
            "counts": {
                "rows": verdicts.total(),
                "scored": verdicts.total() - sum(unscored.values()),
                **unscored,
            },
            "verdicts": dict(verdicts),
            "configuration": {
                key: value for key, value in self.choices.record.items() if key not in hidden
            },
        }


def run(
    evaluator: Engine, network: torch.nn.Module, model: Model, results: ResultsWriter
) -> list[Finding]:
    """Loads the weights, scores every slice that is not finished yet.

    And writes the outputs even when it is stopped midway.

    Raises:
        BundleError: the weights do not belong to this bundle.
        OutputError: another run writes into the same folder.
    """
    model_file.put_into(network, model, results.modality.bundle)
    device = next((str(each.device) for each in network.parameters()), "cpu")
    with lock.held(results.folder, "wait until it has ended, or choose another output folder"):
        with results.choices.log.listening():
            results.begin(device)
        with run_log.kept(results.choices.log, results.folder, anonymous=results.choices.anonymous):
            if results.choices.anonymous:
                tell_columns_left_out(results.points)
            try:
                _score(evaluator, results)
                return results.finish()
            finally:
                results.keeping.pause()


def _score(evaluator: Engine, results: ResultsWriter) -> None:
    """Scores what is not finished; where that is stopped, what is there is written."""
    try:
        results.open()
        wanted = any(not point.error for point in results.points)
        if wanted and (not results.done or batches.leave_out(evaluator, results.done)):
            batches.run(evaluator)
    except BaseException:
        results.stop()
        raise
