"""What an output is to a run: the protocol of all writers, and the records that they are given.

A run calls its writers in the order of ``dfd.outputs.WRITERS``: ``start`` once, ``slice`` for each
slice that is scored, ``finish`` with the results. A writer decides nothing: it puts down what the
records say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from dfd.modalities import Modality
from dfd.outputs.disk_space import DiskSpace
from dfd.outputs.run_log import RunLog
from dfd.records import (
    Context,
    Finding,
    FloatImage,
    Prediction,
    Region,
    ScanFacts,
    Screening,
    Slice,
    Suspicion,
    Verdict,
)
from dfd.settings import ScoreSettings

if TYPE_CHECKING:
    from dfd.calibration import Calibration
    from dfd.outputs.overlay import SliceImages
    from dfd.outputs.report.pictures import PointPictures, ScreeningPictures


class Stage(StrEnum):
    """How far a run is when results are written."""

    BEGUN = "begun"
    UNDER_WAY = "under way"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True)
class Run:
    """What is known of a run before its first slice."""

    folder: Path
    """Of the results; it exists and is locked."""
    settings: ScoreSettings
    modality: Modality
    calibration: Calibration | None
    numbers: Mapping[int, int]
    """Row of the points file -> number in the names of files, from 1."""
    disk_space: DiskSpace
    """Decides what is left out on a full disk."""
    log: RunLog
    weights_sha256: str = ""
    calibration_sha256: str = ""


@dataclass(frozen=True, slots=True)
class SliceInfo:
    """What is said of the slice of a row."""

    facts: ScanFacts
    shape: tuple[int, int]
    """Rows and columns."""


@dataclass(frozen=True)
class KeptSlice:
    """A slice whose rows have been scored, without its pixels."""

    findings: tuple[Finding, ...]
    """One per row that asks about the slice."""
    regions: Mapping[int, Region] = field(default_factory=dict)
    """By row; of a row that asks about the slice as a whole only the radius counts."""
    suspicions: Mapping[int, tuple[Suspicion, ...]] = field(default_factory=dict)
    """By row, of the rows that ask about the slice as a whole."""
    info: SliceInfo | None = None
    """None where the slice could not be read."""
    device: str = ""
    grids: Mapping[int, Mapping[str, FloatImage]] = field(default_factory=dict)
    """``Screening.grids`` by row, of the rows that ask about the slice as a whole."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Which rows these are."""
        return tuple(finding.point.row for finding in self.findings)


@dataclass
class SliceResult:
    """A slice that was read and scored, with its pixels."""

    scan: Slice
    findings: Sequence[Finding]
    """One per row that asks about the slice."""
    regions: Sequence[Region | None]
    """Of each finding; None where there is none."""
    prediction: Prediction | None
    """None where no row has a region and none is screened."""
    modality: Modality
    info: SliceInfo
    screenings: Mapping[int, Screening] = field(default_factory=dict)
    """By row, of the rows that ask about the slice as a whole."""
    context: Context | None = None
    """The slices above and below."""
    sources: Mapping[str, FloatImage] = field(default_factory=dict)
    """Pixels of slices that were copied from, by name."""
    map_around: Callable[[Region], FloatImage] | None = None
    """-log10 p around a region, ``[H, W]``; None without a calibration. It takes seconds."""

    @property
    def drawn(self) -> list[tuple[Finding, Region]]:
        """The points that pictures can show, each with its region."""
        pairs = zip(self.findings, self.regions, strict=True)
        return [
            (finding, region)
            for finding, region in pairs
            if region is not None and finding.verdict != Verdict.UNREADABLE
        ]

    @cached_property
    def images(self) -> SliceImages:
        """What the pictures of all points of the slice share."""
        from dfd.outputs import overlay  # Pillow: only runs with pictures need it

        if self.prediction is None:
            raise ValueError("a slice without a prediction has no pictures")
        return overlay.render_slice(self.scan, self.prediction, self.modality)


@dataclass(frozen=True)
class Results:
    """All results of a run so far."""

    findings: Sequence[Finding]
    """One per row of the points file, in its order."""
    record: Mapping[str, object]
    """The content of ``run.json``."""
    stage: Stage
    regions: Mapping[int, Region] = field(default_factory=dict)
    """By row; of a row that asks about the slice as a whole only the radius counts."""
    suspicions: Mapping[int, tuple[Suspicion, ...]] = field(default_factory=dict)
    """By row, of the rows that ask about a slice as a whole."""
    grids: Mapping[int, Mapping[str, FloatImage]] = field(default_factory=dict)
    """``Screening.grids`` by row, of the same rows."""


class Writer(Protocol):
    """One output of a run: a file, or several of a kind."""

    needed: ClassVar[bool]
    """True of numbers: written before the first slice, brought up to date while the run goes on,
    and given space on a full disk. False of what is left out there, see ``Run.disk_space``."""
    files: ClassVar[Mapping[str, str]]
    """Folder below the results ("" for themselves) -> pattern of the names of its files, by which
    a later run moves them aside."""

    @classmethod
    def asked(cls, settings: ScoreSettings) -> bool:
        """Whether a run with these settings has this output."""

    def start(self, run: Run) -> None:
        """Get ready; nothing is to be written yet.

        Raises:
            DfdError: the output cannot be made.
        """

    def slice(self, result: SliceResult) -> Sequence[str]:
        """Write what one slice has of its own, and give the names of its files.

        Names of files that did not fit are among them.

        Raises:
            OutputError: a file cannot be written for another reason than a full disk.
        """

    def resume(
        self, kept: KeptSlice, pictures: Mapping[int, PointPictures | ScreeningPictures]
    ) -> None:
        """Take up a slice that an earlier part of the run finished, with ``pictures`` of then."""

    @property
    def pictures(self) -> Mapping[int, PointPictures | ScreeningPictures]:
        """By row, what ``finish`` needs again where the run is stopped."""

    def finish(self, results: Results) -> None:
        """Write what all slices have together.

        Called at the end, also where the run was stopped; where ``needed``, at every stage.

        Raises:
            OutputError: it cannot be written.
        """


class BaseWriter:
    """A writer that writes nothing: what an output does not need it leaves as it is here."""

    needed: ClassVar[bool] = False
    files: ClassVar[Mapping[str, str]] = {}
    run: Run

    @classmethod
    def asked(cls, settings: ScoreSettings) -> bool:
        """Always."""
        return True

    def start(self, run: Run) -> None:
        """Keep the run."""
        self.run = run

    def slice(self, result: SliceResult) -> Sequence[str]:
        """No file of its own."""
        return ()

    def resume(
        self, kept: KeptSlice, pictures: Mapping[int, PointPictures | ScreeningPictures]
    ) -> None:
        """Nothing to take up."""

    @property
    def pictures(self) -> Mapping[int, PointPictures | ScreeningPictures]:
        """None."""
        return {}

    def finish(self, results: Results) -> None:
        """No file."""
