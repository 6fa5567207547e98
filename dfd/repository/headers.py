"""Headers of many files -> rows of the plan, on every core."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from dfd.errors import SeriesError
from dfd.reading.content import is_dicom, is_nifti
from dfd.reading.summary import FileSummary, HeaderSummaries, HeaderSummary
from dfd.repository.models import PlannedModel, fitting
from dfd.repository.names import as_text
from dfd.repository.walk import Entry
from dfd.sentences import beginning_with

CHUNK = 512
"""Files that a process reads at a time."""
WORTH_PROCESSES_S = 3.0
"""Seconds of reading from which on those that a process takes to start are worth it."""
AHEAD = 4
"""Chunks for each process that wait or are done: what bounds the memory."""

NO_SCAN = "it is neither DICOM nor NIfTI"
ROWS = (
    *("file", "group", "orientation", "sop_uid", "place", "slices", "bytes", "written", "reason"),
    "facts",
)
"""Columns of a chunk. ``file``: from the source on, as text; ``group``: what slices of one series
share, as a digest; ``written``: time of the last change in ns; ``reason``: why the file is skipped,
empty where it is not; ``facts``: columns of ``plan/series.parquet`` as JSON."""

GroupId: TypeAlias = tuple[str, tuple[float, ...]]
"""``group`` and ``orientation`` of the rows."""


@dataclass(frozen=True, slots=True)
class First:
    """The file that speaks for a group: the first by name, of those that can be screened if any."""

    order: tuple[bool, str]
    """(whether it is skipped, its name)."""
    facts: str
    """Columns of ``plan/series.parquet`` as JSON: there may be a million series."""


@dataclass
class Chunk:
    """Rows of some files, and what their series are."""

    rows: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in ROWS})
    series: dict[GroupId, First] = field(default_factory=dict)
    """Of each group in the rows."""


def read_headers(
    entries: Iterable[Entry], root: Path, models: tuple[PlannedModel, ...]
) -> Iterator[Chunk]:
    """Rows of all entries, in order; where that takes long, by a process on each core.

    Args:
        entries: files, and places that could not be looked into.
        root: the folder that names in the rows begin at.
        models: that may be used.
    """
    chunks, cores, began = _batched(entries), cores_here(), time.monotonic()
    read = partial(read_chunk, root=str(root), models=models)
    for chunk in chunks:
        yield read(chunk)
        if cores > 1 and time.monotonic() - began > WORTH_PROCESSES_S:
            break
    else:
        return
    # Not forked: the caller may have threads.
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[Chunk]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(read, chunk))
            if len(waiting) >= AHEAD * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def cores_here() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _batched(entries: Iterable[Entry]) -> Iterator[tuple[Entry, ...]]:
    """As ``itertools.batched``, which Python 3.11 has not."""
    following = iter(entries)
    while chunk := tuple(itertools.islice(following, CHUNK)):
        yield chunk


def read_chunk(entries: Iterable[Entry], root: str, models: tuple[PlannedModel, ...]) -> Chunk:
    """Rows of some entries."""
    chunk, summaries = Chunk(), _summaries()
    for entry in entries:
        text = as_text(from_root(root, entry.path))
        if entry.reason:
            _add(chunk, text, None, entry.reason)
            continue
        try:
            _read(chunk, text, entry.path, (root, summaries, models))
        except SeriesError as error:
            _add(chunk, text, None, _without_name(error, entry.path))
        except OSError as error:
            _add(chunk, text, None, f"it cannot be opened ({error.strerror})")
    return chunk


def from_root(root: str, path: str) -> str:
    """``path`` from ``root`` on; a manifest may name files elsewhere."""
    prefix = os.path.join(root, "")  # noqa: PTH118 - once for each file
    return path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, root)


@lru_cache(1)
def _summaries() -> HeaderSummaries:
    """One for a process."""
    return HeaderSummaries()


def _read(
    chunk: Chunk,
    text: str,
    path: str,
    by: tuple[str, HeaderSummaries, tuple[PlannedModel, ...]],
) -> None:
    root, summaries, models = by
    file = Path(path)
    status = file.stat()
    if not is_nifti(file) and not is_dicom(file):
        _add(chunk, text, None, NO_SCAN, (status.st_size, status.st_mtime_ns))
        return
    summary = summaries.of(file)
    bundle, reason = fitting(summary.header.facts, models)
    group = _group(summary.header, root)
    facts = _facts(summary.header, bundle)
    _add(chunk, text, (summary, group, facts), reason, (status.st_size, status.st_mtime_ns))
    key, order = (group, summary.header.orientation), (bool(reason), text)
    if key not in chunk.series or order < chunk.series[key].order:
        chunk.series[key] = First(order, facts)


def _add(
    chunk: Chunk,
    text: str,
    read: tuple[FileSummary, str, str] | None,
    reason: str,
    state: tuple[int, int] = (0, 0),
) -> None:
    summary, group, facts = read or (None, "", "")
    values = (
        text,
        group,
        summary.header.orientation if summary else (),
        summary.sop_uid if summary else "",
        summary.place if summary else "",
        summary.slices if summary else 0,
        *state,
        reason,
        facts,
    )
    for name, value in zip(ROWS, values, strict=True):
        chunk.rows[name].append(value)


@lru_cache(4096)
def _group(header: HeaderSummary, root: str) -> str:
    """Digest of what slices of a series share; the place of the source does not count."""
    uid, unnamed, *others = header.group
    parts = (header.facts.modality, uid, unnamed.removeprefix(root), *map(str, others))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


@lru_cache(4096)
def _facts(header: HeaderSummary, bundle: str) -> str:
    """Columns of ``plan/series.parquet`` that the header gives, as JSON."""
    facts, (uid, _, rows, columns, study, _, _) = header.facts, header.group
    spacing = facts.spacing_mm
    columns_of_plan = {
        "patient": facts.patient_hash,
        "study_uid": study,
        "series_uid": uid,
        "modality": facts.modality,
        "rows": rows or None,
        "columns": columns or None,
        "manufacturer": facts.manufacturer,
        "scanner": facts.model,
        "kernel": facts.kernel or facts.sequence,
        "thickness_mm": facts.thickness_mm,
        "spacing_mm": (spacing[0] * spacing[1]) ** 0.5 if spacing else None,
        "study_date": header.study_date,
        "bundle": bundle,
    }
    return json.dumps(columns_of_plan)


def _without_name(error: SeriesError, path: str) -> str:
    """A sentence that begins with the file, whose name stands in another column."""
    name = str(SeriesError(path))  # as the sentence writes it
    text = str(error)
    if text.startswith(name):
        return f"it {text.removeprefix(name).strip()}"
    return beginning_with(name, error.sentence).marked
