"""Screening of a repository that is killed at random moments: does it end in the same tables?

    python -m benchmarks.repository_kills --runs 50      # about a minute and a half for each run
    python -m benchmarks.repository_kills --minutes 25   # the same command again goes on

Phantom series are screened by ``dfd screen`` with a Dask scheduler and a worker as processes of
their own. Each run is hit once by ``kill -9``: the worker that screens, the scheduler, the client,
or all processes at once, in turn, at a random moment. What was killed is started again until the
run ends. Compared with a run that nobody disturbed are the tables byte for byte and the counts of
run.json; a part that was there when the kill came must still be the same file at the end, so that
nothing but what was in flight is screened twice. Work goes to runs/repository_kills, where the
runs that are done are kept until the code or the settings change.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.partition import ROOT, SEED
from benchmarks.runner import cli
from benchmarks.runner.checkpoint import Ledger, code_digest
from benchmarks.runner.dask_processes import VICTIMS, Cluster, cluster_of
from dfd.errors import InterruptedRunError
from dfd.outputs.lock import HOLDER
from dfd.phantom import write_ct_series

WORK = ROOT / "runs" / "repository_kills"
NAME = "repository_kills"
TABLES = ("series.csv", "series.parquet", "suspicious_regions.csv", "duplicates.csv")
SIZE = 64
"""Pixels of a side of a slice: what is tested does not hang on it."""
CODE = ("dfd/repository/**/*.py", "dfd/reading/*.py", "dfd/outputs/*.py")
"""What the runs are of, besides the evidence."""
UNTIL_S = 600  # a run that takes longer hangs
NO_SCHEDULER, STOPPED = 2, 4
"""Exit codes of a client whose scheduler was gone before it connected, and went away later."""


@dataclass
class Killed:
    """What became of one run."""

    number: int
    victim: str
    parts: int
    """That were there when the kill came."""
    starts: int
    """Of the client, until it ended."""
    rewritten: list[str] = field(default_factory=list)
    """Parts that were there then and are other files now."""
    differences: list[str] = field(default_factory=list)
    """Tables that are not as in the undisturbed run."""


def make_data(folder: Path, series: int, slices: int) -> Path:
    """Phantom series of as many patients."""
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(series):
        name = f"p{number:02d}"
        write_ct_series(folder / name, seed=number, slices=slices, patient=name, size=SIZE)
    return folder


def finish(cluster: Cluster, output: Path) -> int:
    """Start the client until it ends well.

    Returns:
        How often it was started.

    Raises:
        InterruptedRunError: it fails otherwise than for want of a scheduler, or hangs.
    """
    for starts in (1, 2):
        cluster.ensure()
        code = ended(cluster.start_client(output))
        if code == 0:
            return starts
        if code != STOPPED:
            break
    raise InterruptedRunError(f"a run into {output} ends with {code}; see {WORK}/client.log")


def ended(client: subprocess.Popen[bytes]) -> int:
    """The exit code of a client.

    Raises:
        InterruptedRunError: it hangs.
    """
    try:
        return client.wait(timeout=UNTIL_S)
    except subprocess.TimeoutExpired:
        raise InterruptedRunError(f"a run takes more than {UNTIL_S} s") from None


def undisturbed(cluster: Cluster, output: Path) -> float:
    """A run to its end; seconds after it took hold of its folder."""
    shutil.rmtree(output, ignore_errors=True)
    cluster.ensure()
    client = cluster.start_client(output)
    begun = _begun(client, output)
    if ended(client):
        raise InterruptedRunError(f"the undisturbed run failed; see {WORK}/client.log")
    return time.monotonic() - begun


def disturbed(cluster: Cluster, output: Path, one: Killed, delay_s: float) -> bool:
    """A run that is hit ``delay_s`` after ``one.parts`` parts were there, and goes on.

    Returns:
        False where it had ended before.

    Raises:
        InterruptedRunError: it fails otherwise than for want of a scheduler, or hangs.
    """
    shutil.rmtree(output, ignore_errors=True)
    cluster.ensure()
    client = cluster.start_client(output)
    _begun(client, output)
    while client.poll() is None and len(parts_in(output)) < one.parts:
        time.sleep(0.01)
    end = time.monotonic() + delay_s
    while client.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    if client.poll() is not None:
        return False
    cluster.kill(one.victim)
    before = parts_in(output)
    one.parts, one.starts = len(before), 1
    code = ended(client) if one.victim in ("worker", "scheduler") else STOPPED
    if code in (NO_SCHEDULER, STOPPED):
        one.starts += finish(cluster, output)
    elif code:
        raise InterruptedRunError(f"a run into {output} ends with {code}; see {WORK}/client.log")
    after = parts_in(output)
    one.rewritten = sorted(name for name, file in before.items() if after.get(name) != file)
    return True


def parts_in(output: Path) -> dict[str, tuple[int, int]]:
    """Name of a part -> what tells whether it was written again."""
    found = {}
    for path in (output / "parts").glob("*.parquet"):
        status = path.stat()
        found[path.name] = status.st_ino, status.st_mtime_ns
    return found


def _begun(client: subprocess.Popen[bytes], output: Path) -> float:
    """When the client took hold of its folder."""
    end = time.monotonic() + UNTIL_S
    while client.poll() is None and time.monotonic() < end and not (output / HOLDER).exists():
        time.sleep(0.01)
    return time.monotonic()


def differences(output: Path, reference: Path) -> list[str]:
    """Names of tables that are missing or not the same in both folders, and of files left behind.

    Whatever the run was killed in the middle of writing goes by the ending ``.tmp``.
    """
    found = [name for name in TABLES if not _same(output / name, reference / name)]
    if _counts(output) is None or _counts(output) != _counts(reference):
        found.append("run.json")
    return found + sorted(path.name for path in output.rglob("*.tmp"))


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _counts(output: Path) -> object:
    with suppress(OSError, ValueError, LookupError):
        return json.loads((output / "run.json").read_bytes())["counts"]
    return None


def measure(data: Path, runs: int, settings: Mapping[str, int], until: float) -> dict[str, Any]:
    """All runs that are done before ``until``, and what came of them.

    Args:
        data: what is screened.
        runs: how many there shall be, those of earlier calls with them.
        settings: number of series and of their slices, and seed.
        until: of the monotonic clock; what is begun then is finished.
    """
    words = "-".join(f"{name}-{value}" for name, value in settings.items())
    ledger = Ledger(WORK / f"{words}-{code_digest(CODE)}.jsonl")
    left = [number for number in range(runs) if (str(number), "run") not in ledger.done]
    if left:
        with cluster_of(data, WORK) as cluster:
            seconds = undisturbed(cluster, WORK / "reference")
            print(f"undisturbed: {seconds:.0f} s", flush=True)
            ledger.add("undisturbed", {"run": [{"seconds": seconds}]})
            for number in left:
                if time.monotonic() > until:
                    break
                one = _one(cluster, number, settings, seconds)
                ledger.add(str(number), {"run": [asdict(one)]})
    kept = (ledger.done.get((str(number), "run")) for number in range(runs))
    done = [rows[0] for rows in kept if rows]
    (reference,) = ledger.done["undisturbed", "run"]
    return {"seconds_undisturbed": reference["seconds"], "runs": done}


def _one(cluster: Cluster, number: int, settings: Mapping[str, int], seconds: float) -> Killed:
    """A run that is hit, and what came of it; ``seconds`` of the undisturbed one."""
    series = settings["series"]
    chance = random.Random(f"{settings['seed']} {number}")
    while True:  # a run that ends before it is hit shows nothing
        one = Killed(number, VICTIMS[number % len(VICTIMS)], chance.randrange(series), 0)
        if disturbed(cluster, WORK / "killed", one, chance.uniform(0.0, seconds / series)):
            break
    one.differences = differences(WORK / "killed", WORK / "reference")
    what = f"{one.victim} killed when {one.parts} of {series} parts were there"
    print(f"run {number}: {what}; {len(one.rewritten)} written again, ", end="")
    print(f"differences: {', '.join(one.differences) or 'none'}", flush=True)
    return one


def summary(content: Mapping[str, Any]) -> str:
    """In Markdown."""
    runs: Sequence[Mapping[str, Any]] = content["runs"]
    victims = Counter(run["victim"] for run in runs)
    parts = sorted(run["parts"] for run in runs) or [0]
    rows = [
        ["runs, each killed once", str(len(runs))],
        ["killed", ", ".join(f"{name} {count}" for name, count in victims.items())],
        [
            f"parts of {content['series']} when killed: least, median, most",
            f"{parts[0]}, {statistics.median(parts):g}, {parts[-1]}",
        ],
        [
            "runs that end in the same tables",
            f"{sum(not run['differences'] for run in runs)} of {len(runs)}",
        ],
        [
            "parts that were there and were written again",
            str(sum(len(run["rewritten"]) for run in runs)),
        ],
        ["seconds of the undisturbed run", f"{content['seconds_undisturbed']:.0f}"],
    ]
    table = cli.table(["killed and gone on", ""], rows)
    return f"{table}\n\nCompared: {', '.join(TABLES)} byte for byte, counts of run.json.\n"


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
        "--series", type=int, default=12, help="of the repository (default: %(default)s)"
    )
    parser.add_argument(
        "--slices", type=int, default=4, help="of each series (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help="decides on the moments (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=float("inf"),
        help="no run begins later; the same command again goes on (default: no limit)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="four runs of six series; results go to runs/quick"
    )
    arguments = parser.parse_args()
    runs, series, slices = (
        (4, 6, 2) if arguments.quick else (arguments.runs, arguments.series, arguments.slices)
    )
    data = make_data(WORK / "data", series, slices)
    settings = {"series": series, "slices": slices, "seed": arguments.seed}
    until = time.monotonic() + 60 * arguments.minutes
    content = {**settings, **measure(data, runs, settings, until)}
    cli.publish(NAME, content, summary(content), quick=arguments.quick)
    if any(run["differences"] or run["rewritten"] for run in content["runs"]):
        raise InterruptedRunError("a run that was killed did not end as the undisturbed one")


if __name__ == "__main__":
    cli.end(main)
