"""The part of ``benchmarks.speed.bench`` that starts commands anew: how long until an answer."""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.data import partition
from benchmarks.speed import workload
from benchmarks.speed.processes import seconds_of

RUNS = 3
WRONG_INPUT = 2
"""Exit status of a command whose input is wrong."""
DFD = (sys.executable, "-m", "dfd")
BASE_S, BASE_IMPORTS = 2.0, 2.0
"""A first score may take so many seconds and so many imports of torch."""


def commands(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """Median seconds of commands in new processes, with files in the disk cache."""
    root, runs = workload.study(folder, 1, 1), 1 if quick else RUNS
    wrong_points, empty, output = (folder / name for name in ("wrong.csv", "empty", "cold"))
    wrong_points.write_text("filename,X\np1/file000.dcm,3\n", encoding="utf-8")
    empty.mkdir(exist_ok=True)
    chosen = ("--model", model) if model else ()
    score = (*DFD, "score", *chosen, "--output", str(output), "--data")

    def median(words: tuple[str, ...], status: int = 0) -> float:
        times = []
        for _ in range(runs + 1):  # the first fills the disk cache
            shutil.rmtree(output, ignore_errors=True)
            times.append(seconds_of(words, partition.ROOT, status))
        return statistics.median(times[1:])

    seconds = {
        "import torch": median((sys.executable, "-c", "import torch")),
        "dfd score of one point": median((*score, str(root))),
        "dfd info": median((*DFD, "info", *chosen)),
        "an error in the arguments": median((*DFD, "score", "--nonsense"), WRONG_INPUT),
        "an error in the points file": median(
            (*score, str(root), "--points", str(wrong_points)), WRONG_INPUT
        ),
        "an error in the data": median((*score, str(empty)), WRONG_INPUT),
    }
    start = seconds["dfd score of one point"]
    allowed = BASE_IMPORTS * seconds["import torch"] + BASE_S
    return {**seconds, "seconds": seconds, "start, times the limit": start / allowed}
