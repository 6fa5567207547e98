"""The part of ``benchmarks.speed.bench`` that runs an earlier release beside this one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from benchmarks.data import partition
from benchmarks.speed import workload
from benchmarks.speed.processes import seconds_of
from dfd.errors import InterruptedRunError, UsageError

RUNS = 3
SCREENED = 4
FEW_SLICES, FEW_POINTS = 20, 200
NEEDED = ("dfd", "bundles", "pyproject.toml")


def unpacked(ref: str, folder: Path) -> Path:
    """A folder with the package and the bundles of the commit or tag ``ref``.

    Raises:
        UsageError: there is no such commit here.
    """
    packed = subprocess.run(
        ["git", "archive", "--format=tar", ref, *NEEDED],
        cwd=partition.ROOT,
        capture_output=True,
        check=False,
    )
    if packed.returncode:
        raise UsageError(
            f"there is no commit or tag {ref!r} in this checkout; name another with --earlier."
        )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def earlier(folder: Path, ref: str, quick: bool) -> dict[str, Any]:
    """Median seconds of the same scoring runs with this checkout and with ``ref``, and ratios."""
    runs = 1 if quick else RUNS
    checkouts = {"now": partition.ROOT, "earlier": unpacked(ref, folder / "earlier")}
    studies = {
        "a screened slice": workload.study(folder, 1, 0),
        f"{SCREENED} screened slices": workload.study(folder, 2 if quick else SCREENED, 0),
        "100 points in one slice": workload.study(folder, 1, 5 if quick else 100),
        f"{FEW_POINTS} points over {FEW_SLICES} slices": workload.study(
            folder, *((2, 4) if quick else (FEW_SLICES, FEW_POINTS))
        ),
    }
    seconds: dict[str, dict[str, float]] = {name: {} for name in studies}
    start = seconds["one point, new process"] = {}
    point = workload.study(folder, 1, 1)
    for which, checkout in checkouts.items():
        for name, value in _whole_runs(checkout, list(studies.values()), runs).items():
            seconds[next(key for key, root in studies.items() if str(root) == name)][which] = value
        words = [sys.executable, "-m", "dfd", "score", "--data", str(point), "--output"]
        start[which] = min(
            seconds_of([*words, str(folder / f"{which}{run}")], checkout) for run in range(runs)
        )
    for each in seconds.values():
        each["times as fast"] = each["earlier"] / each["now"]
    return {"ref": ref, "runs": seconds}


def _whole_runs(checkout: Path, folders: list[Path], runs: int) -> dict[str, float]:
    """Seconds of ``benchmarks/speed/whole_runs.py`` with the package of ``checkout``.

    Raises:
        InterruptedRunError: it fails.
    """
    script = partition.ROOT / "benchmarks" / "speed" / "whole_runs.py"
    ended = subprocess.run(
        [sys.executable, "-P", str(script), str(runs), *map(str, folders)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise InterruptedRunError(
            f"the release in {checkout} could not score; its messages are above."
        )
    result: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return result
