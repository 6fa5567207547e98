"""Files -> series: what a repository holds, and what of it is to be screened."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfd.errors import OutputError, SeriesError
from dfd.outputs.files import write_atomically
from dfd.progress import Progress
from dfd.repository.grouping import Groups
from dfd.repository.headers import First, GroupId, read_headers
from dfd.repository.models import PlannedModel
from dfd.repository.read_before import FILE as HEADERS_FILE
from dfd.repository.read_before import ReadBefore, to_keep
from dfd.repository.same_files import Claim, remarks_on
from dfd.repository.schema import DUPLICATE, FILES, HEADERS, PLANNED, SERIES, SKIPPED
from dfd.repository.source import Source
from dfd.repository.walk import walk

FOLDER = "plan"
SERIES_FILE, FILES_FILE = "series.parquet", "files.parquet"


@dataclass(frozen=True)
class Plan:
    """What is to be screened, and what becomes of every file."""

    series: pa.Table
    """Columns of ``SERIES``."""
    files: pa.Table
    """Columns of ``FILES``."""
    headers: pa.Table | None = field(default=None, compare=False, repr=False)
    """Columns of ``HEADERS``: what the next plan need not read again. None: written already."""

    def counts(self) -> dict[str, int]:
        """Files and series by what becomes of them; files = planned + skipped + duplicate."""
        files = Counter(self.files.column("status").to_pylist())
        series = Counter(self.series.column("status").to_pylist())
        return {
            "files": self.files.num_rows,
            "files planned": files[PLANNED],
            "files skipped": files[SKIPPED],
            "files duplicate": files[DUPLICATE],
            "series": self.series.num_rows,
            "series planned": series[PLANNED],
            "series skipped": series[SKIPPED],
        }

    def series_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of ``series``, few of them in memory at a time."""
        for batch in self.series.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    def files_of(self) -> dict[str, list[str]]:
        """Series -> its planned files, in the order of their names."""
        planned = self.files.filter(pc.equal(self.files["status"], PLANNED))
        found: dict[str, list[str]] = {}
        for batch in planned.select(["series", "file"]).to_batches():
            for series, file in zip(*(each.to_pylist() for each in batch.columns), strict=True):
                found.setdefault(series, []).append(file)
        return found


def make_plan(source: Source, output: Path, models: tuple[PlannedModel, ...]) -> Plan:
    """The plan of all files of ``source``, from headers alone.

    The same files give the same plan, byte for byte. Of files that have not changed since the plan
    that lies in ``output`` was made, no header is read; see :mod:`dfd.repository.read_before`.

    Args:
        source: where they lie.
        output: a folder that is left out.
        models: that may be used.

    Raises:
        SeriesError: there is no file at all.
    """
    groups, batches, begun_ns = Groups(source.uids), [], time.time_ns()
    for batch, firsts in _batches(source, output, models):
        groups.add(firsts)
        batches.append(batch)
    if not batches:
        raise SeriesError(f"{source.root} holds no file: give the folder that holds the scans")
    rows = _once(pa.Table.from_batches(batches).unify_dictionaries().sort_by("file"))
    headers = to_keep(rows, models, begun_ns)
    named = groups.series_of(rows)
    # What is not needed any more goes at once: there may be millions of rows.
    rows = rows.drop_columns(["group", "orientation", "facts", "reason"])
    rows = rows.append_column("series", named.ids).append_column("reason", named.reasons)
    rows = _with_copies(rows, source.root).drop_columns("place")
    table = groups.table(rows)
    return Plan(table, rows.select(FILES.names).cast(FILES), headers)


def _batches(
    source: Source, output: Path, models: tuple[PlannedModel, ...]
) -> Iterator[tuple[pa.RecordBatch, Mapping[GroupId, First]]]:
    """Rows of all files with what their groups are: read now, then those read before."""
    if source.address:
        yield from _of_archive(source, models)
        return
    before = ReadBefore.of(output / FOLDER, models)
    left = before.left(walk(source.starts, output), source.root)
    with Progress("reading headers") as told:
        for chunk in read_headers(left, source.root, models):
            told.update(len(chunk.rows["file"]))
            yield pa.RecordBatch.from_pydict(chunk.rows, schema=HEADERS), chunk.series
    yield from before.taken()


def _of_archive(
    source: Source, models: tuple[PlannedModel, ...]
) -> Iterator[tuple[pa.RecordBatch, Mapping[GroupId, First]]]:
    from dfd.repository.archive_headers import read_archive  # the extra dicom

    with Progress("reading headers") as told:
        for chunk in read_archive(source, models):
            told.update(len(chunk.rows["file"]))
            yield pa.RecordBatch.from_pydict(chunk.rows, schema=HEADERS), chunk.series


def _once(rows: pa.Table) -> pa.Table:
    """``rows``, in the order of ``file``, each file once: a manifest may name one twice."""
    names = rows["file"].combine_chunks()
    if len(names) < 2:
        return rows
    changes = pc.not_equal(names[1:], names[:-1])
    return rows.filter(pa.concat_arrays([pa.array([True]), changes]))


def _with_copies(rows: pa.Table, root: Path) -> pa.Table:
    """``rows`` with ``status``, and with remarks on files that carry one SOPInstanceUID."""
    readable = rows.select(["file", "sop_uid", "series", "place"]).filter(
        pc.and_(pc.equal(rows["reason"], ""), pc.not_equal(rows["sop_uid"], ""))
    )
    counts = pc.value_counts(readable["sop_uid"])
    shared = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    alike = readable.filter(pc.is_in(readable["sop_uid"], value_set=shared))
    claims = [
        Claim(row["file"], row["sop_uid"], (row["series"],), row["place"])
        for row in alike.to_pylist()
    ]
    remarks = remarks_on(claims, root)
    skipped = pc.not_equal(rows["reason"], "")
    if not remarks:
        return rows.append_column("status", pc.if_else(skipped, SKIPPED, PLANNED))
    status, reasons = [], []
    for file, reason in zip(rows["file"].to_pylist(), rows["reason"].to_pylist(), strict=True):
        is_copy, remark = remarks.get(file, (False, ""))
        status.append(SKIPPED if reason else DUPLICATE if is_copy else PLANNED)
        reasons.append(reason or remark)
    place = rows.schema.get_field_index("reason")
    rows = rows.set_column(place, "reason", pa.array(reasons, pa.string()))
    return rows.append_column("status", pa.array(status, pa.string()))


def write_plan(plan: Plan, output: Path) -> None:
    """Write the tables into ``output/plan``.

    Raises:
        OutputError: they cannot be written.
    """
    folder = output / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error.strerror})") from error
    if plan.headers is not None:
        write_table(folder / HEADERS_FILE, plan.headers)
    # The series last: whoever finds them finds the files.
    write_table(folder / FILES_FILE, plan.files)
    write_table(folder / SERIES_FILE, plan.series)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, whole or not at all; the same table gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    stream = io.BytesIO()
    pq.write_table(table.combine_chunks(), stream, compression="zstd", write_page_checksum=True)
    write_atomically(path, stream.getvalue())


def read_plan(output: Path) -> Plan | None:
    """The plan that lies in ``output``; None where there is none, or it cannot be read."""
    try:
        series, files = (
            pq.ParquetFile(output / FOLDER / name, page_checksum_verification=True).read()
            for name in (SERIES_FILE, FILES_FILE)
        )
    except (OSError, ValueError, pa.ArrowException):
        return None
    if not (series.schema.equals(SERIES) and files.schema.equals(FILES)):
        return None
    return Plan(series, files)
