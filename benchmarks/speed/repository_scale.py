"""How a run over a repository grows: planning, the engine, its memory, and a second worker.

    python -m benchmarks.speed.repository_scale          # about an hour on an idle machine
    python -m benchmarks.speed.repository_scale --quick

- Planning: small DICOM files with headers of a phantom, in the disk cache; once anew and once
  unchanged since the plan before.
- A million files and a million series that are only simulated: memory of the process that plans.
- Engine: 10,000 series on two workers with a stand-in for the evidence that answers at once.
- Two workers against one: phantoms through the real network and evidence, from the first series
  that ends to the last.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.data.partition import ROOT, SEED
from benchmarks.runner import cli
from benchmarks.speed import processes
from dfd.phantom import write_ct_series
from dfd.repository.run_log import NAME, Event

NUMBERS = {"planning": 50_000, "entries": 1_000_000, "series": 1_000_000, "engine": 10_000}
QUICK_NUMBERS = {"planning": 600, "entries": 2_000, "series": 2_000, "engine": 40}
"""Files or series of each stage of ``benchmarks.speed.repository_stages``."""
SERIES, SLICES, SIZE = 24, 8, 256
QUICK_SERIES, QUICK_SLICES, QUICK_SIZE = 4, 1, 96
"""Phantoms that are screened, their slices and the pixels of a side."""
WORKERS = (1, 2)
WANTED = {
    "files/s of a plan": (2_000.0, True),
    "GB of a plan of 1,000,000 files": (2.0, False),
    "ms of a worker a series": (50.0, False),
    "scheduler, times its memory after a tenth": (1.1, False),
    "two workers, times as fast as one": (1.9, True),
}
"""Goal, and whether more is better."""


def staged(stage: str, size: int) -> dict[str, Any]:
    """What a stage measured in a process of its own, with its peak memory."""
    words = (sys.executable, "-m", "benchmarks.speed.repository_stages", stage, str(size))
    output, peak_gb = processes.run_watched(words, ROOT)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return {**found, "peak GB": peak_gb}


def workers(quick: bool) -> dict[str, float]:
    """Series a second of real screening with one worker and with two."""
    series, slices, size = (
        (QUICK_SERIES, QUICK_SLICES, QUICK_SIZE) if quick else (SERIES, SLICES, SIZE)
    )
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "scans"
        for number in range(series):
            patient = f"phantom{number}"
            folder = root / patient
            write_ct_series(folder, seed=SEED + number, slices=slices, patient=patient, size=size)
        pace = {number: _pace(root, Path(name) / f"out{number}", number) for number in WORKERS}
    return {
        "series": series,
        "slices": slices,
        **{f"series/s, {number} workers": each for number, each in pace.items()},
        "times as fast": pace[2] / pace[1],
    }


def _pace(root: Path, output: Path, number: int) -> float:
    """Series a second from the first end to the last: starts of processes do not count."""
    command = (sys.executable, "-m", "dfd", "screen", str(root), "--output", str(output))
    processes.seconds_of((*command, "--workers", str(number)), ROOT)
    lines = [json.loads(line) for line in (output / NAME).read_text("ascii").splitlines()]
    ends = [datetime.fromisoformat(line["time"]) for line in lines if line["event"] == Event.ENDED]
    return (len(ends) - number) / (ends[-1] - ends[number - 1]).total_seconds()


def measured(content: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """What was measured for each of ``WANTED``."""
    engine = content["engine"]
    late, early = (
        engine[f"MB of the scheduler {when}"] for when in ("at the end", "after a tenth")
    )
    values = (
        content["planning"]["files/s"],
        content["entries"]["peak GB"],
        engine["ms of a worker a series"],
        late / early,
        content["workers"]["times as fast"],
    )
    return dict(zip(WANTED, values, strict=True))


def markdown(content: Mapping[str, Mapping[str, Any]]) -> str:
    """The result as Markdown."""
    rows = []
    for name, value in measured(content).items():
        goal, more = WANTED[name]
        met = value >= goal if more else value <= goal
        limit = f"{'at least' if more else 'at most'} {goal:,g}"
        rows.append([name, f"{value:,.4g}", limit, "yes" if met else "no"])
    details = [
        [stage, name, f"{value:,.4g}"]
        for stage, found in content.items()
        for name, value in found.items()
    ]
    return "\n\n".join(
        (
            "# A run over a repository",
            f"{processes.CORES} cores, files in the disk cache, every stage in a process of its "
            "own; peak memory is that of the process with its children.",
            cli.table(["what", "measured", "wanted", "kept"], rows),
            cli.table(["stage", "what", "measured"], details),
        )
    )


def main() -> None:
    quick = cli.parser(__doc__, model=False).parse_args().quick
    processes.keep_to_cores()
    numbers = QUICK_NUMBERS if quick else NUMBERS
    content = {stage: staged(stage, size) for stage, size in numbers.items()}
    content["workers"] = workers(quick)
    cli.publish("repository_scale", content, markdown(content), quick=quick)


if __name__ == "__main__":
    cli.end(main)
