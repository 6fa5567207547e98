"""The ledger: one small file for each screened series, written whole or not at all."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dfd.errors import OutputError
from dfd.repository.plan import write_table
from dfd.repository.schema import PART

FOLDER, PICTURES = "parts", "pictures"
MODEL_DIGITS = 12

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one series; the columns of ``schema.PART``."""

    series: str
    content: str
    """Of the plan: the series has not changed since where it is the same."""
    model: str
    """SHA-256."""
    status: str
    reason: str = ""
    p_value: float | None = None
    score: float | None = None
    """-log10 of ``p_value``."""
    statistic: float | None = None
    """The maximum that the p-value stands on."""
    verdict: str = ""
    form: str = ""
    slices: int = 0
    """That were assessed."""
    seconds: float = 0.0
    regions: tuple[dict[str, Any], ...] = ()
    fingerprints: tuple[dict[str, Any], ...] = ()
    extrapolated: bool | None = None
    """Whether ``p_value`` lies beyond what the calibration supports, or slices are unlike it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A series as it is planned."""

    series: str
    content: str
    model: str


def part_path(output: Path, series: str, model: str) -> Path:
    """Where the part of a series lies."""
    return output / FOLDER / f"{series}-{model[:MODEL_DIGITS]}.parquet"


def picture_name(series: str, model: str, rank: int) -> str:
    """The file in ``PICTURES`` that shows a region of a part."""
    return f"{series}-{model[:MODEL_DIGITS]}-{rank}.png"


def make_folder(output: Path) -> None:
    """Make the folder of the parts.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        (output / FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output / FOLDER} cannot be made ({error.strerror})") from error


def write_part(output: Path, part: Part) -> None:
    """Write a part; one that is there already is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    table = pa.Table.from_pylist([dataclasses.asdict(part)], schema=PART)
    write_table(part_path(output, part.series, part.model), table)


def read_part(output: Path, wanted: Wanted) -> Part | None:
    """The part of a series as it is planned.

    None where there is none, or the series has changed since; a part that is damaged is said and
    counts as none.
    """
    path = part_path(output, wanted.series, wanted.model)
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except FileNotFoundError:
        return None
    except (OSError, ValueError, pa.ArrowException):
        table = None
    part = None if table is None else _part_in(table)
    if part is None or (part.series, part.model) != (wanted.series, wanted.model):
        logger.warning("the part %s is damaged: its series is screened again", path.name)
        return None
    return part if part.content == wanted.content else None


def _part_in(table: pa.Table) -> Part | None:
    """The part that a table holds; None where it holds something else."""
    if not table.schema.equals(PART) or table.num_rows != 1:
        return None
    row = table.to_pylist()[0]
    return Part(**row | {name: tuple(row[name] or ()) for name in ("regions", "fingerprints")})


def read_parts(output: Path, wanted: Iterable[Wanted]) -> Iterator[Part | None]:
    """The part of each series as it is planned; see :func:`read_part`."""
    for each in wanted:
        yield read_part(output, each)
