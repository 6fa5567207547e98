"""Time and size of the report of a repository with simulated answers.

    python -m benchmarks.speed.repository_report

Parts of 10,000 series with 100 fingerprints each are written to a temporary folder; the report is
made of them twice, with files in the cache of the system. Counted is the time of the processor.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.runner import cli
from dfd.repository import report
from dfd.repository.report.read import read

SERIES, QUICK_SERIES = 10_000, 200
SLICES = 100
SEED = 20261127
MODEL = "ab" * 32
SCANNERS = (("SIEMENS", "B70f"), ("GE MEDICAL SYSTEMS", "STANDARD"), ("Philips", "YA"), ("", ""))
MEGABYTE = 1e6


def planned(number: int) -> dict[str, Any]:
    """A row of the plan."""
    manufacturer, kernel = SCANNERS[number % len(SCANNERS)]
    return {
        "series": f"{number:016x}",
        "content": f"{number:016x}",
        "patient": f"patient{number // 3}",
        "study_uid": f"1.2.826.0.1.3680043.8.498.{number // 3}",
        "series_uid": f"1.2.826.0.1.3680043.8.499.{number}",
        "modality": "CT",
        "bundle": "ct_lung_inpainting",
        "folder": f"patient{number // 3}/ct{number}",
        "slices": SLICES,
        "manufacturer": manufacturer,
        "scanner": f"{manufacturer} 64",
        "kernel": kernel,
        "thickness_mm": 1.0,
        "study_date": f"{2012 + number % 8}-03-17",
        "status": "planned",
        "reason": "",
    }


def part(row: dict[str, Any], p_value: float, bits: bytes) -> dict[str, Any]:
    """The part of a scored series; what stands out has three regions."""
    place = {"p_value": p_value, "form": "AI edit", "reason": "smoother than the same tissue"}
    place |= {"x": 200.0, "y": 150.0, "radius_mm": 8.0, "first_slice": 40, "last_slice": 48}
    return {
        **{name: row[name] for name in ("series", "content", "slices")},
        "model": MODEL,
        "status": "scored",
        "reason": "",
        "p_value": p_value,
        "score": -float(np.log10(p_value)),
        "statistic": 1.0 - p_value,
        "verdict": "unusual" if p_value <= 0.05 else "no anomaly found",
        "form": "AI edit" if p_value <= 0.05 else "",
        "seconds": 12.5,
        "regions": [{"rank": rank, **place} for rank in (1, 2, 3)] if p_value <= 0.05 else [],
        "fingerprints": [{"sop_uid": f"1.2.{at}", "bits": bits} for at in range(SLICES)],
    }


def write_repository(output: Path, number: int) -> None:
    """Plan and parts."""
    rng = np.random.default_rng(SEED)
    rows = [planned(at) for at in range(number)]
    (output / "plan").mkdir()
    (output / "parts").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), output / "plan" / "series.parquet")
    files = [{"file": row["folder"], "status": "planned", "reason": ""} for row in rows]
    pq.write_table(pa.Table.from_pylist(files), output / "plan" / "files.parquet")
    schema = pa.Table.from_pylist([part(rows[0], 0.01, bytes(32))]).schema
    for row, p_value in zip(rows, rng.uniform(1e-6, 1.0, number).tolist(), strict=True):
        table = pa.Table.from_pylist([part(row, p_value, rng.bytes(32))], schema=schema)
        pq.write_table(table, output / "parts" / f"{row['series']}-{MODEL[:12]}.parquet")


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(number: int) -> dict[str, float]:
    """Seconds and megabytes for a repository of so many series."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name)
        write_repository(output, number)
        report.write(output)
        sizes = [path.stat().st_size for path in (output / "report").iterdir()]
        table = next((output / "report").glob("series-*.js")).stat().st_size
        return {
            "series": number,
            "read the parts, s": seconds(lambda: read(output)),
            "make the whole report, s": seconds(lambda: report.write(output)),
            "report.html, MB": (output / "report.html").stat().st_size / MEGABYTE,
            "loaded when it opens, MB": table / MEGABYTE,
            "loaded when it is asked for, MB": (sum(sizes) - table) / MEGABYTE,
        }


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    found = measure(QUICK_SERIES if arguments.quick else SERIES)
    rows = [
        [name, f"{value:.3g}" if name != "series" else f"{value}"] for name, value in found.items()
    ]
    text = "# Report of a repository\n\nSeconds of one processor.\n\n" + cli.table(["", ""], rows)
    cli.publish("repository_report", found, text, quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
