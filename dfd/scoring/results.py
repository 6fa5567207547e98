"""Collects what a run finds and hands it to the writers of the outputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from dfd.assessment.criteria import Criteria
from dfd.errors import InterruptedRunError, OutputError
from dfd.modalities import MODALITIES
from dfd.models.model import Model
from dfd.outputs import run_record, writers
from dfd.outputs.writer import Run, Stage, Writer
from dfd.progress import Progress
from dfd.records import Finding, Point
from dfd.scoring.basis import basis_of, calibration_of
from dfd.scoring.collected import Collected, tell_screened
from dfd.scoring.kept_results import Keeping, Taken
from dfd.scoring.kept_slice import kept_of, nameless
from dfd.scoring.pace import Pace
from dfd.scoring.run_identity import Asked, identity_of
from dfd.scoring.run_options import RunOptions
from dfd.scoring.slices import AssessedSlice, LoadedSlice

logger = logging.getLogger(__name__)


class RunResults:
    """Hands the results of a run to the writers of ``dfd.outputs``.

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
        **options: Any,  # noqa: ANN401 - fields of ScoreSettings
    ) -> None:
        self.points, self.folder, self.model = list(points), Path(output_dir), model
        self.modality = MODALITIES[modality]
        self.options = RunOptions.of(**options)
        self.settings = self.options.settings
        self.criteria = Criteria(self.modality, calibration_of(model))
        # What cannot be written is refused here, before anything is scored.
        self.writers: list[Writer] = [kind() for kind in writers() if kind.asked(self.settings)]
        self.collected = Collected(self.points)
        self.keeping = Keeping(self.folder, self.points, anonymous=self.settings.anonymous)
        self.pace = Pace()
        self.going_on = False
        self.device = ""
        self.salt = ""
        self.progress = self._progress()

    def _progress(self) -> Progress:
        """Of the rows that are left to be scored."""
        left = self.collected.left
        whole = bool(left) and all(point.is_screening for point in left)
        return Progress("screening slices" if whole else "scoring points", len(left))

    def begin(self, device: str, threads: int) -> None:
        """Makes the folder ready for a run on ``device``, with so many ``threads`` of torch.

        Moves results of other runs aside, and takes up what this one has finished before.

        Raises:
            OutputError: nothing can be written there.
        """
        self.device, self.collected.threads = device, threads
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
            self.criteria.calibration,
            numbers,
            self.keeping.disk_space,
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
        """Writes the numbers before there are any: a disk without space for them is seen at once.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self.write_numbers(Stage.BEGUN)
        except OutputError:
            if not self.going_on:
                self.keeping.end()
            raise
        self.keeping.disk_space.reserve()

    def add(self, loaded: LoadedSlice, assessed: AssessedSlice) -> None:
        """Takes the answers to the points of one slice: numbers first, then pictures."""
        kept = kept_of(assessed, loaded.scan, self.device)
        kept = nameless(kept, self.salt) if self.settings.anonymous else kept
        self.collected.note(kept)
        self.keeping.scored(kept)
        self.pace.keep(self._checkpoint)
        files: list[str] = []
        if kept.info is not None:  # it could be read
            from dfd.scoring.slice_results import slice_result  # the evidence with its libraries

            result = slice_result(loaded, assessed, kept.info, self.criteria)
            files += [name for writer in self.writers for name in writer.slice(result)]
        shown = {row: one for each in self.writers for row, one in each.pictures.items()}
        self.keeping.drawn(kept.rows, files, shown)
        self.progress.update(len(kept.rows))

    def write_numbers(self, stage: Stage) -> list[Finding]:
        """Brings all numbers up to date."""
        left_out = len(self.keeping.disk_space.left_out)
        results = self.collected.results(self._basis, self.options.shown(), stage, left_out)
        for writer in self.writers:
            if writer.needed:
                self.keeping.disk_space.must(partial(writer.finish, results))
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
        left_out = self.keeping.disk_space.left_out
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
        left_out = self.keeping.disk_space.left_out
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
        return basis_of(self.model, self.criteria, anonymous=self.settings.anonymous)
