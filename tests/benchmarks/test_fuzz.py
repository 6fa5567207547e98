"""A small run of the fuzz command: it ends, counts what it tried, and finds no fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.sides import ROOT

FILES = 60


def test_a_small_run_finds_no_fault(tmp_path: Path) -> None:
    output = tmp_path / "fuzz.json"
    words = ["--files", str(FILES), "--seed", "3", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("| ")]
    counts = {cells[0].strip(): [int(cell) for cell in cells[1:5]] for cells in lines[2:]}
    assert set(counts) == {"dicom", "nifti", "csv", "model"}
    assert sum(tried for tried, *_ in counts.values()) == FILES
    assert all(tried == refused + read for tried, refused, read, _ in counts.values())
    assert all(failures == 0 for *_, failures in counts.values())
    assert json.loads(output.read_text(encoding="utf-8"))
