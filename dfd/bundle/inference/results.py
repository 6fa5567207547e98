"""Collects findings while the evaluator runs and writes the outputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from dfd.bundle import batches, model_file
from dfd.bundle.inference.basis import basis_of
from dfd.bundle.inference.collected import Collected, tell_screened
from dfd.bundle.inference.kept_results import Keeping, Taken
from dfd.bundle.inference.kept_slice import kept_of, nameless
from dfd.bundle.inference.pace import Pace
from dfd.bundle.inference.requested_points import points_of as points_of  # named by inference.json
from dfd.bundle.inference.results_folder import (
    results_folder as results_folder,  # named by inference.json
)
from dfd.bundle.inference.run_identity import Asked, identity_of
from dfd.bundle.inference.run_options import RunOptions
from dfd.bundle.inference.slice_results import slice_result
from dfd.bundle.keys import Keys
from dfd.bundle.model_file import Model
from dfd.calibration import Calibration, from_json
from dfd.errors import InterruptedRunError, OutputError
from dfd.modalities import MODALITIES
from dfd.outputs import lock, run_log, run_record, writers
from dfd.outputs.anonymous import tell_columns_left_out
from dfd.outputs.writer import KeptSlice, Run, Stage, Writer
from dfd.progress import Progress
from dfd.records import Finding, Point

logger = logging.getLogger(__name__)


def calibration_of(model: Model) -> Calibration | None:
    """The calibration that comes with ``model``."""
    return from_json(model.calibration) if model.calibration is not None else None


class ResultsWriter:
    """Ignite handler that hands the results of :func:`run` to the writers of ``dfd.outputs``.

    Numbers first, and again and again, pictures as they come, the rest at the end. What is finished
    is also kept in a ledger, from which the same run goes on after it was stopped.

    Args:
        points: all rows of the points file, the bad ones too.
        output_dir: an existing folder.
        model: for the record.
        modality: name in ``MODALITIES``.
        options: ``settings`` and ``log``; see ``RunOptions.of``.
    """

    def __init__(
        self,
        points: Sequence[Point],
        output_dir: str | Path,
        model: Model,
        modality: str,
        **options: Any,
    ) -> None:
        self.points, self.folder, self.model = list(points), Path(output_dir), model
        self.modality = MODALITIES[modality]
        self.options = RunOptions.of(**options)
        self.settings = self.options.settings
        self.calibration = calibration_of(model)
        # What cannot be written is refused here, before anything is scored.
        self.writers: list[Writer] = [kind() for kind in writers() if kind.asked(self.settings)]
        self.collected = Collected(self.points)
        self.keeping = Keeping(self.folder, self.points, anonymous=self.settings.anonymous)
        self.pace = Pace()
        self.going_on = False
        self.salt = ""
        self.progress = self._progress()

    def _progress(self) -> Progress:
        """Of the rows that are left to be scored."""
        left = self.collected.left
        whole = bool(left) and all(point.is_screening for point in left)
        return Progress("screening slices" if whole else "scoring points", len(left))

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)

    def begin(self, device: str) -> None:
        """Makes the folder ready.

        Moves results of other runs aside, and takes up what this one has finished before.

        Raises:
            OutputError: nothing can be written there.
        """
        identity = identity_of(
            Asked(
                self.points,
                self.model,
                {"modality": self.modality.name, "device": device},
                self.options.record,
                self.folder,
            )
        )
        self.salt = identity["data"]
        self.going_on = self.keeping.begin(identity)
        for writer in self.writers:
            writer.start(self._run)
        if self.going_on:
            self._go_on()

    @cached_property
    def _run(self) -> Run:
        numbers = {point.row: number for number, point in enumerate(self.points, start=1)}
        return Run(
            self.folder,
            self.settings,
            self.modality,
            self.calibration,
            numbers,
            self.keeping.room,
            self.options.log,
            self.model.sha256,
            run_record.digest(self.model.calibration),
        )

    def _go_on(self) -> None:
        """Takes up what an earlier part of the run left behind."""
        self.options.log.go_on(self.folder)
        for taken in self.keeping.taken():
            self._take_up(taken)
        done, scored = len(self.collected.done), self.collected.scored
        logger.info(
            "the run in %s goes on where it was stopped: %d of %d rows are done, %d more are "
            "scored and are drawn again",
            *(self.folder, done, len(self.points), scored - done),
        )
        self.progress.close()
        self.progress = self._progress()

    def _take_up(self, taken: Taken) -> None:
        self.collected.note(taken.kept)
        if taken.done:  # else its numbers stand until it is scored again
            self.collected.done.update(taken.kept.rows)
            for writer in self.writers:
                writer.resume(taken.kept, taken.pictures)

    def open(self) -> None:
        """Writes the numbers before there are any: a disk without room for them is seen at once.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self.write_numbers(Stage.BEGUN)
        except OutputError:
            if not self.going_on:
                self.keeping.end()
            raise
        self.keeping.room.reserve()

    def collect(self, engine: Engine) -> None:
        """Takes the findings of one slice: numbers first, then pictures."""
        output, batch = engine.state.output, engine.state.batch
        kept = kept_of(output, batch.get(Keys.SCAN))
        kept = nameless(kept, self.salt) if self.settings.anonymous else kept
        self.collected.note(kept)
        self.keeping.scored(kept)
        self.pace.keep(self._checkpoint)
        files = self._write_slice(batch, output, kept)
        shown = {row: one for each in self.writers for row, one in each.pictures.items()}
        self.keeping.drawn(kept.rows, files, shown)
        self.progress.update(len(kept.rows))

    def _write_slice(
        self, batch: dict[str, Any], output: dict[str, Any], kept: KeptSlice
    ) -> list[str]:
        """Names of the files that the slice has of its own."""
        if kept.info is None:  # it could not be read
            return []
        result = slice_result(batch, output, kept.info, self.modality, self.calibration)
        return [name for writer in self.writers for name in writer.slice(result)]

    def write_numbers(self, stage: Stage) -> list[Finding]:
        """Brings all numbers up to date."""
        left_out = len(self.keeping.room.left_out)
        results = self.collected.results(self._basis, self.options.shown(), stage, left_out)
        for writer in self.writers:
            if writer.needed:
                self.keeping.room.must(partial(writer.finish, results))
        return list(results.findings)

    def _checkpoint(self) -> None:
        """Brings the numbers up to date.

        On a full disk those of before stand, and all are written at the end.
        """
        with suppress(OutputError):
            self.keeping.secure()
            self.write_numbers(Stage.UNDER_WAY)

    def write(self, stage: Stage) -> list[Finding]:
        """Writes the numbers, then what all slices have together."""
        self.progress.close()
        findings = self.write_numbers(stage)
        tell_screened(findings)
        left_out = self.keeping.room.left_out
        for writer in self.writers:
            if writer.needed:
                continue
            before = len(left_out)
            writer.finish(self.collected.results(self._basis, self.options.shown(), stage, before))
            if len(left_out) > before:  # run.json says how many
                self.write_numbers(stage)
        if self.collected.missing:
            logger.info("results so far are in %s", self.folder)
        else:
            device = self.collected.device or "no slice could be read"
            logger.info("results are in %s (%s)", self.folder, device)
        return findings

    def finish(self) -> list[Finding]:
        """Writes all that is left to write, and ends the ledger.

        Raises:
            InterruptedRunError: the disk is full, and something was left out.
        """
        findings = self.write(Stage.FINISHED)
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
        with suppress(OutputError):  # what stopped the run is what must be said
            self.write(Stage.STOPPED)
        if self.collected.missing:
            logger.warning(
                "%d of %d rows were not reached; to go on, run the same command again with %s as "
                "its output folder",
                *(self.collected.missing, len(self.points), self.folder),
            )

    @cached_property
    def _basis(self) -> dict[str, object]:
        return basis_of(
            self.model, self.modality, self.calibration, anonymous=self.settings.anonymous
        )


def run(
    evaluator: Engine, network: torch.nn.Module, model: Model, results: ResultsWriter
) -> list[Finding]:
    """Loads the weights, scores every slice that is not finished yet, and writes the outputs.

    They are written also where the run is stopped midway.

    Raises:
        BundleError: the weights do not belong to this bundle.
        OutputError: another run writes into the same folder.
    """
    model_file.put_into(network, model, results.modality.bundle)
    device = next((str(each.device) for each in network.parameters()), "cpu")
    log, anonymous = results.options.log, results.settings.anonymous
    with lock.held(results.folder, "wait until it has ended, or choose another output folder"):
        with log.listening():
            results.begin(device)
        with run_log.kept(log, results.folder, anonymous=anonymous):
            if anonymous:
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
        wanted, done = any(not point.error for point in results.points), results.collected.done
        if wanted and (not done or batches.leave_out(evaluator, done)):
            batches.run(evaluator)
    except BaseException:
        results.stop()
        raise
