"""Small plans and parts as a run leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MODEL = "ab" * 32


def digest(number: int) -> str:
    """Of a series, as the plan names it."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def planned(number: int, **changed: Any) -> dict[str, Any]:
    """A row of plan/series.parquet."""
    row = {
        "series": digest(number),
        "content": f"content{number}",
        "patient": f"patient{number // 2}",
        "study_uid": f"1.2.826.0.1.3680043.8.498.{number // 2}",
        "series_uid": f"1.2.826.0.1.3680043.8.499.{number}",
        "modality": "CT",
        "bundle": "ct_lung_inpainting",
        "folder": f"patient{number // 2}/ct{number}",
        "slices": 100 + number,
        "bytes": 50_000_000,
        "rows": 512,
        "columns": 512,
        "manufacturer": "SIEMENS" if number % 2 else "GE MEDICAL SYSTEMS",
        "scanner": "SIEMENS Sensation 64" if number % 2 else "GE MEDICAL SYSTEMS LightSpeed",
        "kernel": "B70f" if number % 2 else "STANDARD",
        "thickness_mm": 1.0,
        "spacing_mm": 0.7,
        "study_date": f"2019-{1 + number % 12:02d}-17",
        "added": "2026-11-20T10:00:00Z",
        "status": "planned",
        "reason": "",
    }
    return row | changed


def region(rank: int = 1, **changed: Any) -> dict[str, Any]:
    """A region of a part."""
    row = {
        "rank": rank,
        "p_value": 0.01 * rank,
        "expected_false_alarms": 0.25 * rank,
        "form": "AI edit",
        "reason": "its noise is smoother than that of the same tissue",
        "x": 200.0,
        "y": 150.0,
        "radius_px": 11.0,
        "radius_mm": 8.0,
        "first_slice": 40,
        "last_slice": 48,
        "x_mm": 1.5,
        "y_mm": -20.0,
        "z_mm": -300.0,
        "depth_mm": 9.0,
        "sop_uids": ["1.2.826.0.1.3680043.8.500.1", "1.2.826.0.1.3680043.8.500.2"],
    }
    return row | changed


def part(row: Mapping[str, Any], p_value: float | None, **changed: Any) -> dict[str, Any]:
    """The part of a planned series; not assessable where there is no p-value."""
    scored = p_value is not None
    suspicious = scored and p_value <= 0.05
    answer = {
        "series": row["series"],
        "content": row["content"],
        "model": MODEL,
        "status": "scored" if scored else "not assessable",
        "reason": "" if scored else "the slices are thicker than 6 mm",
        "p_value": p_value,
        "score": 1.5 if scored else None,
        "statistic": 4.0 if scored else None,
        "verdict": ("unusual" if suspicious else "no anomaly found")
        if scored
        else "not assessable",
        "form": "AI edit" if suspicious else "",
        "extrapolated": p_value <= 0.01 if p_value is not None else None,
        "slices": row["slices"],
        "seconds": 12.5,
        "regions": [region()] if suspicious else [],
        "fingerprints": [{"sop_uid": "1.2", "file": "a.dcm", "frame": 1, "bits": bytes(32)}],
    }
    return answer | changed


SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("series", "content", "model", "status", "reason")),
        *((name, pa.float64()) for name in ("p_value", "score", "statistic")),
        *((name, pa.string()) for name in ("verdict", "form")),
        ("extrapolated", pa.bool_()),
        ("slices", pa.int64()),
        ("seconds", pa.float64()),
        (
            "regions",
            pa.list_(
                pa.struct(
                    [
                        ("rank", pa.int64()),
                        ("p_value", pa.float64()),
                        ("expected_false_alarms", pa.float64()),
                        ("form", pa.string()),
                        ("reason", pa.string()),
                        *((name, pa.float64()) for name in ("x", "y", "radius_px", "radius_mm")),
                        ("first_slice", pa.int64()),
                        ("last_slice", pa.int64()),
                        *((name, pa.float64()) for name in ("x_mm", "y_mm", "z_mm", "depth_mm")),
                        ("sop_uids", pa.list_(pa.string())),
                    ]
                )
            ),
        ),
        (
            "fingerprints",
            pa.list_(
                pa.struct(
                    [
                        ("sop_uid", pa.string()),
                        ("file", pa.string()),
                        ("frame", pa.int64()),
                        ("bits", pa.binary(32)),
                    ]
                )
            ),
        ),
    ]
)


def write_plan(
    output: Path, rows: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]] = ()
) -> None:
    """plan/series.parquet and plan/files.parquet."""
    folder = output / "plan"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "series.parquet")
    listed = list(files) or [
        {
            "file": f"{row['folder']}/1.dcm",
            "series": row["series"],
            "sop_uid": "1.2.3",
            "status": row["status"],
            "reason": row["reason"],
        }
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(listed), folder / "files.parquet")


def write_parts(output: Path, parts: Sequence[Mapping[str, Any]]) -> None:
    """parts/<series>-<model>.parquet."""
    folder = output / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    for row in parts:
        table = pa.Table.from_pylist([dict(row)], schema=SCHEMA)
        path = folder / f"{row['series']}-{row['model'][:12]}.parquet"
        pq.write_table(table, path, write_page_checksum=True, compression="none")


def write_fingerprints(folder: Path, series: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A part with nothing but fingerprints."""
    kind = SCHEMA.field("fingerprints").type
    columns = {"series": [series], "fingerprints": pa.array([[*rows]], kind), "score": [1.0]}
    path = folder / f"{series}-model.parquet"
    pq.write_table(pa.table(columns), path)
    return path
