"""Speed and memory: medians and ratios, each part in a process of its own.

    python -m benchmarks.speed.bench                # about twenty minutes on two idle cores
    python -m benchmarks.speed.bench --networks     # besides: networks and lattices

Each network is trained for --minutes of CPU time; the command goes on by network. A run that was
stopped goes on by part, as long as the code is the same.

On development slices where DFD_DATA is set, else on phantoms. Timings on a busy machine mean
nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.data import partition
from benchmarks.runner import checkpoint, cli
from benchmarks.speed import limits
from benchmarks.speed.processes import keep_to_cores, run_watched

PARTS = (
    "one_point",
    "screening",
    "in_series",
    "hundred_points",
    "thousand_points",
    "slices_200",
    "slices_2000",
    "commands",
    "training",
    "earlier",
    "growth",
    "engines",
)
NETWORKS = "networks"
STATE = partition.ROOT / "runs" / "bench"
"""Where the results of finished parts lie until all are."""
QUICK_COUNTS = {200: 6, 2000: 12}
MARK = "RESULT "
Work = Callable[[Path, str | None, bool], dict[str, Any]]


def work_of(part: str, arguments: argparse.Namespace) -> Work:
    """What measures a part.

    Heavy imports stay here: a parent that holds torch would lend its memory to its children.
    """
    from benchmarks.predictor import architecture_search
    from benchmarks.speed import commands, earlier, growth, runtimes, stages, training

    if part == NETWORKS:
        return lambda folder, model, quick: architecture_search.run(
            folder, model, quick, arguments.minutes, arguments.modality
        )
    if part == "earlier":
        return lambda folder, model, quick: earlier.earlier(folder, arguments.earlier, quick)
    if part.startswith("slices_"):
        count = int(part.removeprefix("slices_"))
        return lambda folder, model, quick: stages.slices(
            folder, model, QUICK_COUNTS[count] if quick else count
        )
    modules = {
        "commands": commands,
        "growth": growth,
        "engines": runtimes,
        "training": training,
    }
    work: Work = getattr(modules.get(part, stages), part)
    return work


def run_part(part: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One part, in this process."""
    import resource

    from benchmarks.speed import stages

    logging.getLogger("dfd").setLevel(logging.WARNING)
    about = stages.machine()
    numbers = work_of(part, arguments)(folder, arguments.model, arguments.quick)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {**numbers, "machine": about, limits.PEAK: peak}


def spawn(part: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One part in a new process.

    Raises:
        InterruptedRunError: it failed; its messages say why.
    """
    words = [sys.executable, "-m", "benchmarks.speed.bench", "--part", part]
    words += ["--folder", str(folder), "--minutes", str(arguments.minutes)]
    words += ["--modality", arguments.modality, "--earlier", arguments.earlier]
    words += ["--quick"] * arguments.quick
    if arguments.model:
        given = Path(arguments.model)
        words += ["--model", str(given.absolute()) if given.exists() else arguments.model]
    output, peak = run_watched(words, partition.ROOT)
    answers = [text for text in output.splitlines() if text.startswith(MARK)]
    result: dict[str, Any] = json.loads(answers[-1].removeprefix(MARK))
    result[limits.PEAK] = max(peak, result[limits.PEAK])
    return result


def all_parts(folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Every part; those that an earlier run of the same code has finished are taken from it."""
    key = f"{checkpoint.code_digest(('benchmarks/speed/*.py', 'dfd/**/*.py'))}_{_material()}"
    state = STATE / (f"{key}_quick" if arguments.quick else key)
    state.mkdir(parents=True, exist_ok=True)
    parts: dict[str, dict[str, Any]] = {}
    for part in [*PARTS, *([NETWORKS] if arguments.networks else [])]:
        kept = state / f"{part}.json"
        if not kept.exists():
            print(f"measuring {part} ...", file=sys.stderr, flush=True)
            kept.write_text(json.dumps(spawn(part, folder, arguments)), encoding="utf-8")
        parts[part] = json.loads(kept.read_text(encoding="utf-8"))
    few, many = (parts[f"slices_{count}"][limits.PEAK] for count in QUICK_COUNTS)
    parts["memory"] = {"times the peak": many / few}
    shutil.rmtree(state)
    return parts


def _material() -> str:
    return "development slices" if os.environ.get("DFD_DATA") else "phantoms"


def publish(parts: dict[str, dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Writes and prints the result."""
    from benchmarks.speed import growth, report

    content = {
        "material": _material(),
        "modality": arguments.modality,
        "measured": report.measured(parts),
        "limits": {limit.name: limit.wanted for limit in limits.LIMITS},
        "parts": parts,
    }
    folder = cli.publish("bench", content, report.markdown(content), quick=arguments.quick)
    growth.draw(parts["growth"]["growth"], folder / "bench_growth.png")


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--networks",
        action="store_true",
        help="also compare networks and lattices (needs DFD_DATA)",
    )
    parser.add_argument(
        "--minutes", type=float, default=3.0, help="CPU minutes per network (default: %(default)s)"
    )
    parser.add_argument(
        "--earlier",
        default="37de11f",
        metavar="REF",
        help="commit or tag that is run beside this version (default: %(default)s)",
    )
    parser.add_argument(
        "--part", choices=[*PARTS, NETWORKS], help="run one part only and print its numbers as JSON"
    )
    parser.add_argument(
        "--folder", type=Path, help="working folder of that part (default: a temporary one)"
    )
    arguments = parser.parse_args()
    keep_to_cores()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.part:
            print(MARK + json.dumps(run_part(arguments.part, folder, arguments)))
            return
        publish(all_parts(folder, arguments), arguments)


if __name__ == "__main__":
    cli.end(main)
