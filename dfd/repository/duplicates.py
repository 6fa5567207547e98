"""Fingerprints of all parts -> ``duplicates.csv``: slices that occur twice in a repository."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfd.errors import DfdError
from dfd.outputs.files import neutralise, write_atomically
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import Slice
from dfd.repository.at_hand import at_hand
from dfd.repository.duplicate_match import (
    MATCHES,
    NOT_COMPARED,
    RELATIONS,
    Lie,
    Place,
    match_of,
    may_share_raw_data,
    reason_of,
    relation_of,
)
from dfd.repository.fingerprint import TURNS
from dfd.repository.fingerprint_index import Bits, Pair, nearest_pairs
from dfd.repository.names import below
from dfd.repository.pixel_check import compare_pixels

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "duplicates.csv"
COLUMNS = (
    *("relation", "match", "transform", "distance", "correlation", "pairs"),
    *("series", "file", "frame", "sop_uid"),
    *("other_series", "other_file", "other_frame", "other_sop_uid"),
    "reason",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A pair that is listed."""

    relation: str
    match: str
    pair: Pair
    correlation: float | None
    one: Place
    other: Place

    def row(self, pairs: int) -> tuple[object, ...]:
        """``COLUMNS``: ``other`` is ``one`` after the pair's turn.

        ``pairs``: how many are listed of these two series, which tells a series that was written
        twice from a slice that was.
        """
        distance, turn = self.pair.distance, self.pair.turn
        return (
            *(self.relation, self.match, TURNS[turn], distance),
            *("" if self.correlation is None else round(self.correlation, 3), pairs),
            *(self.one.series, self.one.file, self.one.frame, self.one.sop_uid),
            *(self.other.series, self.other.file, self.other.frame, self.other.sop_uid),
            reason_of(self.relation, self.match, turn, distance, self.correlation),
        )

    def nameless(self, names: Mapping[str, str]) -> Duplicate:
        """The same without files and UIDs; ``names``: what stands for each series."""
        one, other = (
            replace(each, series=names[each.series], file="", sop_uid="")
            for each in (self.one, self.other)
        )
        return replace(self, one=one, other=other)

    @property
    def series(self) -> tuple[str, str]:
        """Of both slices."""
        return self.one.series, self.other.series

    @property
    def order(self) -> tuple[int, int, Pair]:
        """What has to be looked at first comes first."""
        return RELATIONS.index(self.relation), MATCHES.index(self.match), self.pair


def write_duplicates(
    parts: Iterable[Path],
    owners: Mapping[str, tuple[str, str]],
    output: Path,
    source: Path | str | None = None,
    names: Mapping[str, str] | None = None,
) -> int:
    """Write ``duplicates.csv`` and say how many pairs it lists.

    Only bits are held for all slices; names are read again for those that are listed. A pair with
    near fingerprints is listed for what its pixels show. Slices of one study that may share raw
    data, because they overlap or lie at one place, are listed where their pixels are identical.

    Args:
        parts: Parts of one model, each series once. Those that vanished or are damaged are left
            out with a warning.
        owners: Patient and StudyInstanceUID of each series, from the plan; empty where unknown.
        output: Folder of the file.
        source: Folder of the scans, or address of their archive. Without it no pixels are compared.
        names: What stands for each series in a list without names; no file and no UID does then.

    Raises:
        OutputError: it cannot be written.
        UsageError: faiss is not installed.
    """
    paths = sorted(parts)
    bits, numbers = _all_bits(paths)
    pairs = nearest_pairs(bits) if len(bits) else []
    wanted = {row for each in pairs for row in (each.first, each.second)}
    places = _places(paths, numbers, wanted, owners)
    compared = [
        _compared(pair, places[pair.first], places[pair.second], source)
        for pair in pairs
        if pair.first in places and pair.second in places
    ]
    listed = sorted((each for each in compared if each), key=lambda each: each.order)
    if names is not None:
        listed = [each.nameless(names) for each in listed]
    numbered = Counter(each.series for each in listed)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        [neutralise(str(cell)) for cell in each.row(numbered[each.series])] for each in listed
    )
    write_atomically(output / NAME, stream.getvalue().encode("utf-8", "replace"))
    return len(listed)


def _compared(pair: Pair, one: Place, other: Place, source: Path | str | None) -> Duplicate | None:
    """The pair for what its pixels show; None where it is not listed."""
    relation = relation_of(one, other)
    slices = None if source is None else _read(source, (one, other))
    if slices is None:
        return Duplicate(relation, NOT_COMPARED, pair, None, one, other)
    check = compare_pixels(pixels_of(slices[0]), pixels_of(slices[1]), pair.turn)
    if check is None:
        logger.warning("%s or %s changed since it was screened", one.file, other.file)
        return Duplicate(relation, NOT_COMPARED, pair, None, one, other)
    lies = [Lie(each.facts.plane, each.ref.position_mm, each.facts.thickness_mm) for each in slices]
    if not check.identical and may_share_raw_data(relation, *lies):
        return None
    one_object = bool(one.sop_uid) and one.sop_uid == other.sop_uid and not pair.turn
    match = match_of(check, one_object=one_object and one.frame == other.frame)
    return Duplicate(relation, match, pair, check.correlation, one, other) if match else None


def _all_bits(paths: Sequence[Path]) -> tuple[Bits, list[int]]:
    """``[N, 32]``: fingerprints of all parts, and how many each part has."""
    rows, numbers = [], []
    for path in paths:
        table = _fingerprints(path, ["bits"])
        values = [] if table is None else table["bits"].to_pylist()
        numbers.append(len(values))
        rows.append(np.frombuffer(b"".join(values), np.uint8).reshape(-1, 32))
    bits = np.concatenate(rows) if rows else np.zeros((0, 32), np.uint8)
    return bits, numbers


def _places(
    paths: Sequence[Path],
    numbers: Sequence[int],
    wanted: set[int],
    owners: Mapping[str, tuple[str, str]],
) -> dict[int, Place]:
    """The slices of the rows that are wanted; none of a part that vanished meanwhile."""
    ends = np.cumsum(numbers)
    by_part: dict[int, list[int]] = {}
    for row in sorted(wanted):
        by_part.setdefault(int(np.searchsorted(ends, row, side="right")), []).append(row)
    places = {}
    for part, rows in by_part.items():
        table = _fingerprints(paths[part], ["sop_uid", "file", "frame"])
        if table is None or table.num_rows != numbers[part]:
            continue
        for row in rows:
            values = table.slice(row - int(ends[part]) + numbers[part], 1).to_pylist()[0]
            series = values["series"]
            patient, study = owners.get(series, ("", ""))
            uid = values["sop_uid"] or ""
            places[row] = Place(series, values["file"], values["frame"], uid, patient, study)
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


def _read(source: Path | str, places: Sequence[Place]) -> list[Slice] | None:
    """Two slices; None where their files are not at hand."""
    try:
        with at_hand(str(source), [each.file for each in places]) as folder:
            return [read_slice(below(folder, each.file), each.frame) for each in places]
    except DfdError as error:
        logger.warning("a pair of duplicates.csv is not confirmed on its pixels: %s", error)
        return None
