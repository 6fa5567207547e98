"""Scoring runs that are killed at random moments and go on: do they end in the same files?

    python -m benchmarks.kills --runs 50      # about a minute for each run

Phantoms with 200 points, two of them whole slices, are scored by ``dfd score``; each run is killed
(``kill -9``) once or several times and started again with the same words until it ends. Compared
with a run that nobody disturbed are scores.csv, suspicious_regions.csv, overlays and maps byte for
byte, report.html without its time, and the counts of run.json. Work goes to runs/kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.partition import ROOT, SEED
from benchmarks.runner import checkpoint, cli
from dfd.errors import InterruptedRunError
from dfd.outputs import scores
from dfd.outputs.ledger import Ledger
from dfd.outputs.lock import HOLDER
from dfd.phantom import write_ct_series
from dfd.scoring.run_identity import code_digest

WORK = ROOT / "runs" / "kills"
NAME = "kills"
SIZE = 128
"""Pixels of a side of a slice: what is tested does not hang on it."""
KILLS = (1, 1, 1, 2, 3)
"""Kills of a run, one of these."""
UNTIL_S = 600
"""A run that takes longer hangs."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(\+00:00| UTC)?")


@dataclass(frozen=True)
class Job:
    """What is scored."""

    data: Path
    model: str
    more: tuple[str, ...] = ()
    """Further words of the command."""

    def start(self, output: Path) -> subprocess.Popen[str]:
        """A scoring run, as a user starts it."""
        words = ["score", "--data", str(self.data), "--model", self.model, "--output", str(output)]
        paths = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
        return subprocess.Popen(
            [sys.executable, "-m", "dfd", *words, "--device", "cpu", *self.more],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, output: Path) -> float:
        """A scoring run to its end.

        Returns:
            Seconds after it took hold of its folder.

        Raises:
            InterruptedRunError: it fails or hangs.
        """
        with self.start(output) as process:
            try:
                begun = _begun(process, output)
                _, errors = process.communicate(timeout=UNTIL_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise InterruptedRunError(
                    f"a run into {output} takes more than {UNTIL_S} s"
                ) from None
        if process.returncode:
            raise InterruptedRunError(
                f"a run into {output} ends with {process.returncode}: {errors}"
            )
        return time.monotonic() - begun


@dataclass
class Killed:
    """What became of one run."""

    number: int
    finished_rows: list[int] = field(default_factory=list)
    """In the ledger after each kill."""
    differences: list[str] = field(default_factory=list)
    """What is not as in the undisturbed run."""


def make_data(folder: Path, points: int, slices: int) -> Path:
    """A series of phantoms and a points file with as many rows, two of them without a place."""
    shutil.rmtree(folder, ignore_errors=True)
    files = write_ct_series(folder / "p1", seed=5, slices=slices, patient="k", size=SIZE)
    rows = []
    for number in range(points):
        name, turn = files[number % slices].name, number // slices
        place = (
            ","
            if number in (points // 2, points - 1)
            else f"{30 + 7 * (turn % 10)},{50 + 3 * (turn % 12)}"
        )
        rows.append(f"p1/{name},{place}")
    (folder / "test.csv").write_text("\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8")
    return folder


def kill_and_go_on(
    job: Job, output: Path, kills: int, chance: random.Random, seconds: float
) -> list[int]:
    """Start a run, kill it, start it again, ``kills`` times, and let it end then.

    Returns:
        Rows that were finished after each kill; fewer where the run ended before it was killed.
    """
    finished: list[int] = []
    for _ in range(kills):
        with job.start(output) as process:
            begun = _begun(process, output)
            end = begun + chance.uniform(0.0, seconds)
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            if process.poll() is not None:
                return finished
            process.send_signal(signal.SIGKILL)
            process.communicate()
        if has_ended(output):  # all was written, and only the process was still there
            return finished
        finished.append(rows_in_ledger(output))
        seconds = max(seconds - (time.monotonic() - begun), 1.0)
    job.finish(output)
    return finished


def has_ended(output: Path) -> bool:
    """Whether a run has written all its results."""
    return (output / scores.FILE_NAME).exists() and Ledger(output).identity() is None


def rows_in_ledger(output: Path) -> int:
    """Number of rows whose results an unfinished run has saved."""
    numbers = (entry["scored"]["rows"] for entry in Ledger(output).entries() if "scored" in entry)
    return len({row for rows in numbers for row in rows})


def differences(output: Path, reference: Path) -> list[str]:
    """Names of files that are not the same in both folders, or in one only."""
    names = {
        path.relative_to(folder).as_posix()
        for folder in (output, reference)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return sorted(name for name in names if _content(output / name) != _content(reference / name))


def _content(path: Path) -> object:
    if not path.is_file():
        return None
    if path.name == "run.json":
        record = json.loads(path.read_bytes())
        return {
            name: record[name]
            for name in ("counts", "verdicts", "files_left_out", "weights_sha256")
        }
    if path.name == "run.log":
        return "whatever was said"
    if path.suffix == ".html":
        return _TIME.sub("", path.read_text(encoding="utf-8"))
    return path.read_bytes()


def _begun(process: subprocess.Popen[str], output: Path) -> float:
    """When the run took hold of its folder."""
    end = time.monotonic() + UNTIL_S
    while process.poll() is None and time.monotonic() < end and _held_by(output) != process.pid:
        time.sleep(0.01)
    return time.monotonic()


def _held_by(output: Path) -> int:
    try:
        return int(json.loads((output / HOLDER).read_bytes())["process"])
    except (OSError, ValueError, KeyError):
        return 0


def measure(job: Job, runs: int, work: Path, seed: int) -> dict[str, Any]:
    """All runs, and what came of them."""
    reference, output = work / "reference", work / "killed"
    shutil.rmtree(reference, ignore_errors=True)
    seconds = job.finish(reference)
    print(f"undisturbed: {seconds:.0f} s")
    results = []
    rows = len((job.data / "test.csv").read_text(encoding="utf-8").splitlines()) - 1
    ledger = checkpoint.Ledger(work / f"{code_digest()[:12]}-{rows}-{seed}.jsonl")
    for number in range(runs):
        if (str(number), NAME) in ledger.done:  # done before this command was stopped itself
            results.append(Killed(**ledger.done[str(number), NAME][0]))
            continue
        chance = random.Random(f"{seed} {number}")
        one = Killed(number)
        while not one.finished_rows:  # a run that ends before it is killed shows nothing
            shutil.rmtree(output, ignore_errors=True)
            one.finished_rows = kill_and_go_on(job, output, chance.choice(KILLS), chance, seconds)
        one.differences = differences(output, reference)
        results.append(one)
        ledger.add(str(number), {NAME: [asdict(one)]})
        names = ", ".join(one.differences[:3]) or "none"
        finished = f"finished rows when killed {one.finished_rows}"
        print(f"run {number}: {finished}, differences: {names}", flush=True)
    return {"seconds_undisturbed": seconds, "runs": [asdict(one) for one in results]}


def summary(content: Mapping[str, Any]) -> str:
    """In Markdown."""
    runs: Sequence[Mapping[str, Any]] = content["runs"]
    moments = sorted(rows for run in runs for rows in run["finished_rows"]) or [0]
    kills = sum(len(run["finished_rows"]) for run in runs)
    same = sum(not run["differences"] for run in runs)
    rows = [
        ["runs of a job of so many points", f"{len(runs)} of {content['points']}"],
        ["kills", str(kills)],
        [
            "finished rows when killed: least, median, most",
            f"{moments[0]}, {statistics.median(moments):g}, {moments[-1]}",
        ],
        ["runs that end in the same files", f"{same} of {len(runs)}"],
        ["seconds of the undisturbed run", f"{content['seconds_undisturbed']:.0f}"],
    ]
    table = cli.table(["killed and gone on", ""], rows)
    compared = f"Compared: scores.csv, {', '.join(content['compared'])}."
    return f"{table}\n\n{compared}\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--runs", type=int, default=50, help="how many runs are killed (default: %(default)s)"
    )
    parser.add_argument(
        "--points", type=int, default=200, help="rows of the points file (default: %(default)s)"
    )
    parser.add_argument(
        "--slices", type=int, default=20, help="slices they lie in (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help="decides on the moments (default: %(default)s)"
    )
    parser.add_argument(
        "--model", default="ct_lung_inpainting", help="as for dfd score (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two runs of 20 points; results go to runs/quick"
    )
    arguments = parser.parse_args()
    runs, points, slices = (
        (2, 20, 4) if arguments.quick else (arguments.runs, arguments.points, arguments.slices)
    )
    job = Job(make_data(WORK / "data", points, slices), arguments.model)
    result = measure(job, runs, WORK, arguments.seed)
    settings = {"points": points, "slices": slices, "seed": arguments.seed}
    content = {**settings, "compared": COMPARED, **result}
    cli.publish(NAME, content, summary(content), quick=arguments.quick)
    if any(run["differences"] for run in content["runs"]):
        raise InterruptedRunError("a run that was killed did not end as the undisturbed one")


COMPARED = (
    "suspicious_regions.csv",
    "overlays and maps byte for byte",
    "report.html without its time",
    "counts and verdicts of run.json",
)

if __name__ == "__main__":
    cli.end(main)
