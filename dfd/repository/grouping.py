"""Rows of files -> series: one digest for each, and a row of the plan."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dfd.reading.series import SAME_ORIENTATION
from dfd.repository.headers import First, GroupId
from dfd.repository.schema import DUPLICATE, PLANNED, SERIES, SKIPPED

NOT_NAMED = "the manifest does not name its series"
PIECE = 65536
"""Rows that are Python objects at a time."""
_STEP = 100
"""Steps of a direction cosine in the digest of a series."""


@dataclass(frozen=True)
class Named:
    """Columns of files."""

    ids: pa.Array
    """Series, empty where a file belongs to none."""
    reasons: pa.Array


@dataclass
class Groups:
    """What the headers of all files say of their series."""

    uids: frozenset[str] = frozenset()
    """Study or series instance UIDs that are wanted; empty: all."""
    by_group: dict[GroupId, First] = field(default_factory=dict)
    ids: dict[GroupId, str] = field(default_factory=dict)
    firsts: dict[str, First] = field(default_factory=dict)
    """Series -> the file that speaks for it."""

    def add(self, firsts: Mapping[GroupId, First]) -> None:
        """Groups of a chunk; of each, the first file that can be screened speaks for it."""
        for key, first in firsts.items():
            earlier = self.by_group.get(key)
            if earlier is None or first.order < earlier.order:
                self.by_group[key] = first

    def series_of(self, rows: pa.Table) -> Named:
        """The series of each row, and why it is skipped."""
        self._settle()
        wanted = {series for series, first in self.firsts.items() if self._is_wanted(first)}
        ids, reasons = [], []
        columns_of = rows.select(["group", "orientation", "reason"])
        for batch in columns_of.to_batches(max_chunksize=PIECE):
            columns = (column.to_pylist() for column in batch.columns)
            for group, orientation, reason in zip(*columns, strict=True):
                series = self.ids[group, tuple(orientation)] if group else ""
                ids.append(series)
                unwanted = series and not reason and series not in wanted
                reasons.append(NOT_NAMED if unwanted else reason)
        return Named(pa.array(ids, pa.string()), pa.array(reasons, pa.string()))

    def _is_wanted(self, first: First) -> bool:
        if not self.uids:
            return True
        facts = json.loads(first.facts)
        return bool(self.uids & {facts["series_uid"], facts["study_uid"]})

    def _settle(self) -> None:
        """Give every group its series: orientations that are nearly the same are one."""
        by_group: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        for group, orientation in self.by_group:
            by_group[group].append(orientation)
        for group, orientations in by_group.items():
            planes: dict[tuple[float, ...], str] = {}
            for orientation in sorted(orientations):
                like = next((each for each in planes if _same(each, orientation)), None)
                if like is None:
                    planes[orientation] = self._new_id(group, orientation)
                series = planes[orientation if like is None else like]
                self.ids[group, orientation] = series
                first = self.by_group[group, orientation]
                earlier = self.firsts.get(series, first)
                self.firsts[series] = min(earlier, first, key=lambda each: each.order)

    def _new_id(self, group: str, orientation: tuple[float, ...]) -> str:
        """16 hexadecimal digits that a series has for itself."""
        steps = " ".join(str(round(cosine * _STEP)) for cosine in orientation)
        while True:
            digest = hashlib.sha256(f"{group} {steps}".encode()).hexdigest()[:16]
            if digest not in self.firsts:
                return digest
            steps += " another"

    def table(self, rows: pa.Table) -> pa.Table:
        """``plan/series.parquet``; ``rows`` of files with ``series`` and ``status``."""
        members = rows.filter(
            pc.and_(pc.not_equal(rows["series"], ""), pc.not_equal(rows["status"], DUPLICATE))
        )
        members = members.sort_by(
            [(name, "ascending") for name in ("series", "sop_uid", "bytes", "written", "file")]
        )
        series = (
            self._row(name, list(group))
            for name, group in groupby(_rows_of(members), key=itemgetter("series"))
        )
        pieces = [SERIES.empty_table()]
        while piece := list(islice(series, PIECE)):
            pieces.append(pa.Table.from_pylist(piece, schema=SERIES))
        return pa.concat_tables(pieces).sort_by([("folder", "ascending"), ("series", "ascending")])

    def _row(self, series: str, files: list[dict[str, Any]]) -> dict[str, Any]:
        planned = [row for row in files if row["status"] == PLANNED]
        counted = planned or files
        first = min(counted, key=itemgetter("file"))
        digest = hashlib.sha256()
        for row in counted:
            digest.update(f"{row['sop_uid']} {row['bytes']} {row['written']}\n".encode())
        return {
            **json.loads(self.firsts[series].facts),
            "series": series,
            "content": digest.hexdigest()[:16],
            "folder": first["file"].rpartition("/")[0],
            "slices": sum(row["slices"] for row in counted),
            "bytes": sum(row["bytes"] for row in counted),
            "added": _written(max(row["written"] for row in counted)),
            "status": PLANNED if planned else SKIPPED,
            "reason": "" if planned else first["reason"],
        }


def _rows_of(members: pa.Table) -> Iterator[dict[str, Any]]:
    names = ["series", "file", "sop_uid", "slices", "bytes", "written", "status", "reason"]
    for batch in members.select(names).to_batches(max_chunksize=PIECE):
        yield from batch.to_pylist()


def _written(time_ns: int) -> str:
    """A time as text; empty where none is known, as of an archive."""
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%dT%H:%M:%SZ}" if time_ns else ""


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return len(one) == len(other) and all(
        abs(a - b) <= SAME_ORIENTATION for a, b in zip(one, other, strict=True)
    )
