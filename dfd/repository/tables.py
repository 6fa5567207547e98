"""The tables of a screening, made from plan and parts alone."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dfd.outputs import run_record
from dfd.outputs.files import neutralise, write_atomically
from dfd.repository.parts import Part, Wanted, read_part
from dfd.repository.plan import Plan, write_table
from dfd.repository.schema import FAILED, NOT_ASSESSABLE, NOT_YET, PLANNED, SCORED, SERIES

SERIES_CSV, SERIES_PARQUET = "series.csv", "series.parquet"
REGIONS_CSV = "suspicious_regions.csv"

ANSWER = pa.schema(
    [
        ("model", pa.string()),
        ("p_value", pa.float64()),
        ("score", pa.float64()),
        ("statistic", pa.float64()),
        ("verdict", pa.string()),
        ("form", pa.string()),
        ("slices_assessed", pa.int64()),
        ("regions", pa.int64()),
    ]
)
COLUMNS = pa.schema([*SERIES, *ANSWER])
"""Of ``series.csv`` and ``series.parquet``: those of the plan, ``status`` and ``reason`` of the
answer, and the answer. Nothing that depends on when or how fast a series was screened."""

REGION_COLUMNS = (
    "rank",
    "p_value",
    "form",
    "reason",
    "x",
    "y",
    "radius_px",
    "radius_mm",
    "first_slice",
    "last_slice",
    "x_mm",
    "y_mm",
    "z_mm",
    "depth_mm",
    "sop_uids",
)
OF_SERIES = ("series", "patient", "study_uid", "series_uid", "folder", "series_p_value")


@dataclass(frozen=True)
class Answers:
    """What became of every series of a plan."""

    rows: list[dict[str, Any]]
    """``COLUMNS``, in the order of the plan."""
    regions: list[dict[str, Any]]
    """``OF_SERIES`` and ``REGION_COLUMNS``, the series with the smallest p-value first."""
    seconds: float
    """Of all parts together."""
    seconds_a_slice: float | None
    """None where no slice was assessed yet."""

    def counts(self) -> dict[str, int]:
        """Planned series by what became of them; their sum is the number of planned series."""
        found = Counter(row["status"] for row in self.rows)
        return {status: found[status] for status in (SCORED, NOT_ASSESSABLE, FAILED, NOT_YET)}


def wanted_of(row: Mapping[str, Any], models: Mapping[str, str]) -> Wanted:
    """A planned series with the model for it; ``models``: bundle -> SHA-256."""
    return Wanted(row["series"], row["content"], models[row["bundle"]])


def answers_of(plan: Plan, output: Path, models: Mapping[str, str]) -> Answers:
    """The answers that lie in ``output`` for the series of a plan.

    Args:
        plan: of the repository.
        output: folder with the parts.
        models: bundle -> SHA-256 of the model.
    """
    rows: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    seconds, slices, assessing = 0.0, 0, 0.0
    for row in _rows(plan):
        part = read_part(output, wanted_of(row, models)) if row["status"] == PLANNED else None
        rows.append(_with_answer(row, part))
        if part is None:
            continue
        regions += [_of_series(row, part) | region for region in part.regions]
        seconds += part.seconds
        if part.slices:
            slices, assessing = slices + part.slices, assessing + part.seconds
    regions.sort(key=_by_p)
    return Answers(rows, regions, seconds, assessing / slices if slices else None)


def _rows(plan: Plan) -> Iterator[dict[str, Any]]:
    for batch in plan.series.to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


def _with_answer(row: Mapping[str, Any], part: Part | None) -> dict[str, Any]:
    if part is None:
        none = dict.fromkeys(ANSWER.names)
        return {**row, **none, "status": NOT_YET if row["status"] == PLANNED else row["status"]}
    return {
        **row,
        "status": part.status,
        "reason": part.reason,
        "model": part.model,
        "p_value": part.p_value,
        "score": part.score,
        "statistic": part.statistic,
        "verdict": part.verdict,
        "form": part.form,
        "slices_assessed": part.slices,
        "regions": len(part.regions),
    }


def _of_series(row: Mapping[str, Any], part: Part) -> dict[str, Any]:
    named = {name: row[name] for name in OF_SERIES if name in row}
    return {**named, "series_p_value": part.p_value}


def _by_p(region: Mapping[str, Any]) -> tuple[float, str, int]:
    p = region["series_p_value"]
    return (2.0 if p is None else p), region["series"], region["rank"]


def write_tables(answers: Answers, output: Path) -> None:
    """Write series.csv, series.parquet and suspicious_regions.csv.

    The same plan and parts give the same bytes.

    Raises:
        OutputError: one of them cannot be written.
    """
    rows = answers.rows
    write_table(output / SERIES_PARQUET, pa.Table.from_pylist(rows, schema=COLUMNS))
    _write_csv(output / SERIES_CSV, COLUMNS.names, rows)
    _write_csv(output / REGIONS_CSV, (*OF_SERIES, *REGION_COLUMNS), answers.regions)


def write_record(plan: Plan, answers: Answers, output: Path, about: Mapping[str, object]) -> None:
    """Write run.json: ``about``, versions, and all counts.

    Raises:
        OutputError: it cannot be written.
    """
    record = {
        **about,
        "versions": run_record.versions(),
        "counts": {**plan.counts(), **answers.counts()},
        "seconds_of_all_parts": answers.seconds,
    }
    run_record.write(output, record)


def _write_csv(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    stream = io.StringIO(newline="")
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(names)
    lines.writerows([_cell(row.get(name)) for name in names] for row in rows)
    write_atomically(path, stream.getvalue().encode("utf-8"))


def _cell(value: object) -> str:
    """A value for a spreadsheet; numbers read back as the same."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    return neutralise(" ".join(value) if isinstance(value, list) else str(value))
