"""Fingerprints of all parts -> ``duplicates.csv``: slices that occur twice in a repository."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfd.errors import DfdError
from dfd.outputs.files import neutralise, write_atomically
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.repository.fingerprint import TURNS
from dfd.repository.fingerprint_index import Bits, Pair, nearest_pairs
from dfd.repository.names import below
from dfd.repository.pixel_check import residual_correlation

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "duplicates.csv"
SAME_SERIES, SAME_PATIENT = "same series", "same patient"
ANOTHER_PATIENT, UNKNOWN = "another patient", "unknown"
COPY_DISTANCE = 16
COPY_CORRELATION = 0.95
"""At most so many bits, or at least this correlation: nearer than any two slices of one patient
that share noise and are no copies (two kernels, overlapping slices, phases of a cine;
benchmarks/results/duplicate_slices.md)."""
COLUMNS = (
    *("relation", "transform", "distance", "correlation"),
    *("series", "file", "frame", "sop_uid"),
    *("other_series", "other_file", "other_frame", "other_sop_uid"),
    "reason",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A slice of a repository."""

    series: str
    file: str
    """Relative to the source."""
    frame: int
    """Zero-based."""
    sop_uid: str
    patient: str
    """Empty where nothing names one. To be compared, never written."""


def write_duplicates(
    parts: Iterable[Path],
    patients: Mapping[str, str],
    output: Path,
    source: Path | None = None,
    names: Mapping[str, str] | None = None,
) -> int:
    """Write ``duplicates.csv`` and say how many pairs it lists.

    Only bits are held for all slices; names are read again for those that are listed.

    Args:
        parts: Parts of one model, each series once. Those that vanished or are damaged are left
            out with a warning.
        patients: Patient of each series, from the plan; empty where unknown.
        output: Folder of the file.
        source: Folder of the scans. Where a listed pair lies there, its pixels are compared.
        names: What stands for each series in a list without names; no file and no UID does then.

    Raises:
        OutputError: it cannot be written.
        UsageError: faiss is not installed.
    """
    paths = sorted(parts)
    bits, owners = _all_bits(paths)
    pairs = nearest_pairs(bits) if len(bits) else []
    places = _places(paths, owners, {row for each in pairs for row in (each.first, each.second)})
    rows = []
    for pair in pairs:
        ends = [places.get(row) for row in (pair.first, pair.second)]
        if ends[0] is None or ends[1] is None:
            continue
        one, other = (_with_patient(end, patients) for end in ends if end is not None)
        correlation = _correlation(pair, (one, other), source)
        if names is not None:
            one, other = (_nameless(each, names) for each in (one, other))
        rows.append(row_of(pair, one, other, correlation))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([neutralise(str(cell)) for cell in row] for row in rows)
    write_atomically(output / NAME, stream.getvalue().encode("utf-8", "replace"))
    return len(rows)


def row_of(pair: Pair, one: Place, other: Place, correlation: float | None) -> tuple[object, ...]:
    """``COLUMNS`` of a pair: ``other`` is ``one`` after the pair's turn."""
    relation = relation_of(one, other)
    transform = TURNS[pair.turn]
    return (
        *(relation, transform, pair.distance),
        "" if correlation is None else round(correlation, 3),
        *(one.series, one.file, one.frame, one.sop_uid),
        *(other.series, other.file, other.frame, other.sop_uid),
        reason_of(relation, transform, pair.distance, correlation),
    )


def relation_of(one: Place, other: Place) -> str:
    """Whose slices they are."""
    if one.series == other.series:
        return SAME_SERIES
    if not one.patient or not other.patient:
        return UNKNOWN
    return SAME_PATIENT if one.patient == other.patient else ANOTHER_PATIENT


def reason_of(relation: str, transform: str, distance: int, correlation: float | None) -> str:
    """What a pair means, in one sentence."""
    where = {
        SAME_SERIES: "twice in this series",
        SAME_PATIENT: "in two series of the same patient",
        ANOTHER_PATIENT: "in two patients",
        UNKNOWN: "in two series that do not both name a patient",
    }[relation]
    copy = distance <= COPY_DISTANCE or (correlation or 0.0) >= COPY_CORRELATION
    what = "The same slice stands" if copy else "The same noise stands"
    text = f"{what} {where}, {transform}"
    if relation == ANOTHER_PATIENT:
        return f"{text}: two scans never share their noise, so one was copied from the other."
    if copy:
        return f"{text}."
    return (
        f"{text}: a changed copy, or another reconstruction, an overlapping slice or another phase "
        "of the same raw data."
    )


def _with_patient(place: Place, patients: Mapping[str, str]) -> Place:
    patient = patients.get(place.series, "")
    return Place(place.series, place.file, place.frame, place.sop_uid, patient)


def _nameless(place: Place, names: Mapping[str, str]) -> Place:
    return replace(place, series=names[place.series], file="", sop_uid="")


def _all_bits(paths: Sequence[Path]) -> tuple[Bits, list[int]]:
    """``[N, 32]``: fingerprints of all parts, and how many each part has."""
    rows, owners = [], []
    for path in paths:
        table = _fingerprints(path, ["bits"])
        values = [] if table is None else table["bits"].to_pylist()
        owners.append(len(values))
        rows.append(np.frombuffer(b"".join(values), np.uint8).reshape(-1, 32))
    bits = np.concatenate(rows) if rows else np.zeros((0, 32), np.uint8)
    return bits, owners


def _places(paths: Sequence[Path], owners: Sequence[int], wanted: set[int]) -> dict[int, Place]:
    """The slices of the rows that are wanted; none of a part that vanished meanwhile."""
    ends = np.cumsum(owners)
    by_part: dict[int, list[int]] = {}
    for row in sorted(wanted):
        by_part.setdefault(int(np.searchsorted(ends, row, side="right")), []).append(row)
    places = {}
    for part, rows in by_part.items():
        table = _fingerprints(paths[part], ["sop_uid", "file", "frame"])
        if table is None or table.num_rows != owners[part]:
            continue
        for row in rows:
            values = table.slice(row - int(ends[part]) + owners[part], 1).to_pylist()[0]
            places[row] = Place(
                values["series"], values["file"], values["frame"], values["sop_uid"] or "", ""
            )
    return places


def _fingerprints(path: Path, columns: Sequence[str]) -> pa.Table | None:
    """The fingerprints of a part, a row each, with ``columns`` and ``series``.

    None where there is no such part, or it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = ["series", *(f"fingerprints.list.element.{name}" for name in columns)]
    try:
        part = pq.ParquetFile(path, page_checksum_verification=True).read(wanted)
        lists = part["fingerprints"].combine_chunks()
        table = pa.Table.from_struct_array(lists.flatten())
        series = part["series"].to_pylist() * table.num_rows if part.num_rows == 1 else None
        return table.select(columns).append_column("series", pa.array(series, pa.string()))
    except FileNotFoundError:
        reason = "it is not there any more"
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        reason = "it is damaged; remove it and screen again"
    logger.warning("the part %s is left out of duplicates.csv: %s", path.name, reason)
    return None


def _correlation(pair: Pair, places: Iterable[Place], source: Path | None) -> float | None:
    """Correlation of the noise of two slices; None where their files are not at hand."""
    if source is None:
        return None
    try:
        pixels = [pixels_of(read_slice(below(source, each.file), each.frame)) for each in places]
    except DfdError as error:
        logger.warning("a pair of duplicates.csv is not confirmed on its pixels: %s", error)
        return None
    return residual_correlation(pixels[0], pixels[1], pair.turn)
