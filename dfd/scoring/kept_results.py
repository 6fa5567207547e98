"""Keeps what a run has finished, slice by slice, for the same run to go on from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfd.errors import OutputError
from dfd.outputs import own_files
from dfd.outputs.disk_space import DiskSpace
from dfd.outputs.ledger import Ledger
from dfd.outputs.record_json import as_json, from_json
from dfd.outputs.report import MOST_SHOWN, PointPictures, ScreeningPictures, rank
from dfd.outputs.writer import KeptSlice
from dfd.records import Point
from dfd.scoring.kept_slice import holds_names, packed, unpacked
from dfd.scoring.run_identity import differences

PICTURES: Mapping[str, type[PointPictures] | type[ScreeningPictures]] = {
    "point": PointPictures,
    "slice": ScreeningPictures,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Taken:
    """A slice that an earlier part of the run has finished, or begun to."""

    kept: KeptSlice
    pictures: Mapping[int, PointPictures | ScreeningPictures]
    """For the report, by row."""
    done: bool
    """False: its numbers are known, but something that is made with them is not there."""


class Keeping:
    """The ledger of one run.

    Args:
        folder: of the results; the caller has locked it.
        points: rows of the run.
        anonymous: keep nothing that names files or people. What cannot be kept then is
        scored again.
    """

    def __init__(self, folder: Path, points: Sequence[Point], *, anonymous: bool) -> None:
        self.folder, self.anonymous = folder, anonymous
        self.points = {point.row: point for point in points}
        self.ledger = Ledger(folder)
        self.disk_space = DiskSpace(self.ledger.folder, len(points), self._spare)
        self._filed: set[int] = set()
        self._usable = self._pictured = True

    def begin(self, identity: Mapping[str, str]) -> bool:
        """Take up the ledger of the same run; move results of any other aside and begin a new one.

        Args:
            identity: of this run.

        Returns:
            Whether there is something to go on with.

        Raises:
            OutputError: earlier results cannot be moved, or nothing can be written.
        """
        self.ledger.tidy()
        found = self.ledger.identity()
        if found == identity and own_files.pending(self.folder) is None:
            return True
        self.disk_space.release()
        aside = own_files.put_aside(self.folder)
        if aside is not None:
            logger.info("results of an earlier run were moved to %s", aside)
        if found is not None and found != identity:
            logger.info(
                "that run was not finished, and cannot go on: %s changed",
                differences(found, identity),
            )
        self.ledger.start(identity)
        return False

    def taken(self) -> Iterator[Taken]:
        """What an earlier part of the run left behind, in the order in which it was scored."""
        slices: dict[tuple[int, ...], KeptSlice] = {}
        drawn: dict[tuple[int, ...], Mapping[str, Any]] = {}
        for entry in self.ledger.entries():
            try:
                if "scored" in entry:
                    one = unpacked(entry["scored"], self.points)
                    slices[one.rows] = one
                    drawn.pop(one.rows, None)
                else:
                    drawn[tuple(entry["drawn"])] = entry
            except (ValueError, KeyError, TypeError):
                continue
        whole = {
            rows: slices[rows]
            for rows, entry in drawn.items()
            if rows in slices and self._stand(entry)
        }
        pictures = self._pictures_of(whole, drawn)
        for rows, one in slices.items():
            wanted = [row for row in rows if row in pictures]
            there = {row: shown for row in wanted if (shown := pictures[row]) is not None}
            done = rows in whole and len(there) == len(wanted)
            self._filed.update(there if done else ())
            yield Taken(one, there, done)

    def scored(self, one: KeptSlice) -> None:
        """Keep the numbers of a slice, before anything is drawn of it."""
        if not (self.anonymous and holds_names(one)):
            self._add({"scored": packed(one)})

    def drawn(
        self,
        rows: Sequence[int],
        files: Sequence[str],
        shown: Mapping[int, PointPictures | ScreeningPictures],
    ) -> None:
        """Note that all files of a slice are written, and keep what the report is to show.

        Args:
            rows: Of the slice.
            files: Of the slice.
            shown: By row, all pictures that the report shows by what is known so far.
        """
        if not (self._usable and self._pictured) or self.disk_space.full:
            return
        try:
            for row in (row for row in rows if row in shown):
                kind = "point" if isinstance(shown[row], PointPictures) else "slice"
                self.ledger.keep_pictures(row, {"kind": kind, "shown": as_json(shown[row])})
            sizes = {name: (self.folder / name).stat().st_size for name in files}
        except (OutputError, OSError):
            return  # it is made again where the run is stopped
        pictured = [row for row in rows if row in shown]
        self.ledger.drop_pictures(self._filed - shown.keys())
        self._filed = set(shown) & (self._filed | set(pictured))
        self._add({"drawn": list(rows), "files": sizes, "pictured": pictured})

    def secure(self) -> None:
        """Wait until what is kept would outlive a power failure; a kill it outlives anyway."""
        if self._usable:
            self.ledger.secure()

    def pause(self) -> None:
        """Leave everything for the next part of the run."""
        self.disk_space.release()
        self.ledger.close()

    def end(self) -> None:
        """Remove all: the run is finished."""
        self.disk_space.release()
        self.ledger.remove()

    def _add(self, entry: Mapping[str, Any]) -> None:
        if not self._usable:
            return
        try:
            self.disk_space.must(lambda: self.ledger.add(entry))
        except OutputError as error:
            self._usable = False
            logger.warning(
                "%s; should this run be stopped, rows from here on are scored again", error
            )

    def _spare(self) -> None:
        """Give up pictures of the report: they are made again where the run is stopped."""
        self._pictured = False
        self.ledger.drop_pictures()

    def _stand(self, entry: Mapping[str, Any]) -> bool:
        """Whether the files of a slice are there as they were written."""
        try:
            return all(
                (self.folder / name).stat().st_size == size for name, size in entry["files"].items()
            )
        except (OSError, KeyError, AttributeError, ValueError):
            return False

    def _pictures_of(
        self,
        slices: Mapping[tuple[int, ...], KeptSlice],
        drawn: Mapping[tuple[int, ...], Mapping[str, Any]],
    ) -> dict[int, PointPictures | ScreeningPictures | None]:
        """By row, what the report would show; None where that has to be made again."""
        findings = {
            finding.point.row: finding
            for rows, one in slices.items()
            for finding in one.findings
            if finding.point.row in drawn[rows].get("pictured", ())
        }
        first = sorted(findings, key=lambda row: rank(findings[row]), reverse=True)[:MOST_SHOWN]
        return {row: self._read_pictures(row) for row in first}

    def _read_pictures(self, row: int) -> PointPictures | ScreeningPictures | None:
        content = self.ledger.pictures(row)
        try:
            kind = PICTURES[content["kind"]]  # type: ignore[index]
            return from_json(kind, content["shown"])  # type: ignore[index]
        except (ValueError, KeyError, TypeError):
            return None
