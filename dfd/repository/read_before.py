"""Headers that an earlier plan read: those of a file that has not changed are not read again.

A file counts as unchanged where its size and the time of its last change are those of then. Whoever
changes a file and sets both back is not noticed. What was changed shortly before it was read is
read again, since the clocks of file systems are coarse.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfd.repository.grouping import PIECE
from dfd.repository.headers import First, GroupId, from_root
from dfd.repository.models import PlannedModel
from dfd.repository.names import as_text
from dfd.repository.schema import HEADERS
from dfd.repository.walk import Entry
from dfd.version import __version__

FILE = "headers.parquet"
SETTLED_NS = 2_000_000_000
"""The coarsest clock of a file system in use, FAT's."""
_KEY = b"dfd"


def to_keep(rows: pa.Table, models: tuple[PlannedModel, ...], begun_ns: int) -> pa.Table:
    """What is written beside a plan: the rows that a later plan may take.

    Args:
        rows: columns of ``HEADERS``.
        models: of the plan.
        begun_ns: when its first header was read, in ns since the epoch.
    """
    # Files that could not be read have no time.
    settled = pc.and_(
        pc.greater(rows["written"], 0), pc.less(rows["written"], begun_ns - SETTLED_NS)
    )
    return rows.filter(settled).replace_schema_metadata({_KEY: _valid_for(models)})


def _valid_for(models: tuple[PlannedModel, ...]) -> bytes:
    """What decides about a row besides the file."""
    of = {"version": __version__, "modalities": [model.modality for model in models]}
    return json.dumps(of).encode("ascii")


class ReadBefore:
    """Rows of an earlier plan by the name of their file."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._places = {name: at for at, name in enumerate(rows["file"].to_pylist())}
        self._sizes, self._times = rows["bytes"].to_numpy(), rows["written"].to_numpy()
        self._taken = array("q")

    @classmethod
    def of(cls, folder: Path, models: tuple[PlannedModel, ...]) -> ReadBefore:
        """What lies in the folder of a plan.

        Nothing where there is none, or it was made for other models or by another version.
        """
        nothing = HEADERS.empty_table()
        try:
            file = pq.ParquetFile(
                folder / FILE, read_dictionary=["facts"], page_checksum_verification=True
            )
            rows = file.read()
        except (OSError, ValueError, pa.ArrowException):
            return cls(nothing)
        valid = (rows.schema.metadata or {}).get(_KEY) == _valid_for(models)
        return cls(rows if valid and rows.schema.equals(HEADERS) else nothing)

    def left(self, entries: Iterable[Entry], root: Path) -> Iterator[Entry]:
        """The entries that have to be read; :meth:`taken` has the others."""
        start = str(root)
        for entry in entries:
            place = self._places.get(as_text(from_root(start, entry.path)))
            if place is not None and not entry.reason and self._is_unchanged(entry.path, place):
                self._taken.append(place)
            else:
                yield entry

    def _is_unchanged(self, path: str, place: int) -> bool:
        try:
            status = Path(path).stat()
        except OSError:
            return False
        same_size = status.st_size == self._sizes[place]
        return bool(same_size and status.st_mtime_ns == self._times[place])

    def taken(self) -> Iterator[tuple[pa.RecordBatch, Mapping[GroupId, First]]]:
        """Rows of the entries that are not read again, and what their groups are."""
        rows = self._rows.take(pa.array(self._taken, pa.int64()))
        for batch in rows.to_batches(max_chunksize=PIECE):
            yield batch, _firsts(batch)


def _firsts(batch: pa.RecordBatch) -> dict[GroupId, First]:
    found: dict[GroupId, First] = {}
    names = ("group", "orientation", "reason", "file", "facts")
    columns = (batch.column(name).to_pylist() for name in names)
    for group, orientation, reason, file, facts in zip(*columns, strict=True):
        key, order = (group, tuple(orientation)), (bool(reason), file)
        if group and (key not in found or order < found[key].order):
            found[key] = First(order, facts)
    return found
