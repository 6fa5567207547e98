"""Seconds of whole scoring runs of one release, as JSON on the last line.

    python -P benchmarks/speed/whole_runs.py RUNS FOLDER [FOLDER ...]

Each FOLDER holds scans and ``test.csv``. Only what every release offers is called, so that
``PYTHONPATH`` may name the checkout of an earlier one.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

import dfd


def seconds_of(folder: Path, runs: int) -> float:
    """Median seconds of scoring a folder, after one run that warms up."""
    times = []
    for _ in range(runs + 1):
        with tempfile.TemporaryDirectory() as output:
            started = time.perf_counter()
            dfd.score(folder, output_dir=output)
            times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    logging.getLogger("dfd").setLevel(logging.WARNING)
    runs, *folders = sys.argv[1:]
    print(json.dumps({name: seconds_of(Path(name), int(runs)) for name in folders}))


if __name__ == "__main__":
    main()
