"""Feeds damaged files to all that reads files of a user: an answer or a DfdError may come, no more.

    python -m benchmarks.fuzz --files 200000 --seed 1 --output benchmarks/results/fuzz.json
    python -m benchmarks.fuzz --kind dicom --seed 1 --case 4711    # one case again

DICOM in every encoding that is read, NIfTI, points files and model files, made here of phantoms and
damaged: flipped bits, missing ends, inserted, missing and exchanged blocks, two files joined,
lengths, types and values of elements, fields of headers, cells and JSON values at their limits.
Files go through ``read_slice``, ``read_facts``, ``read_series``, ``read_points`` and the loading of
models, in processes that are watched: any other exception, anything printed, a message of several
lines, more than 10 s or 1 GB, or the end of the process is a failure. Its files are kept below
``runs/fuzz``; a case hangs on seed, kind and number alone.

Why not atheris: its coverage guides it through Python code, while the decoders are compiled and
would have to be built anew with its instrumentation; it runs in one process, which ends at the
first crash and has no time limit that it goes on after; its runs cannot be repeated from a seed
once a library has changed; and there are no wheels of it for every Python and machine that the
tests run on. What coverage would find is sought here by changes that know the formats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.data.partition import ROOT
from benchmarks.fuzz import watch
from benchmarks.fuzz.cases import GROUP
from benchmarks.fuzz.kinds import KINDS, SHARES
from benchmarks.fuzz.watch import Plan, Tally
from benchmarks.fuzz.worker import READ, REFUSED, Failure
from benchmarks.runner import cli
from dfd.outputs.files import write_atomically
from dfd.progress import Progress, bars

FAILURES_FOLDER = ROOT / "runs" / "fuzz"
SHOWN = 30
LIBRARIES = ("pydicom", "pylibjpeg-openjpeg", "pyjpegls", "nibabel", "numpy", "pandas", "torch")
HEADS = ("kind", "files", "refused", "read", "failures", "slowest (s)", "peak memory (MB)")


def counts(files: int, kinds: Sequence[str]) -> dict[str, int]:
    """How many files of each kind, whole groups of them."""
    share = {kind: SHARES[kind] / sum(SHARES[each] for each in kinds) for kind in kinds}
    return {kind: max(GROUP, round(files * share[kind] / GROUP) * GROUP) for kind in kinds}


def rows(tallies: Mapping[str, Tally]) -> list[list[str]]:
    """The table, as text."""
    return [
        [
            kind,
            f"{tally.files:,}",
            f"{tally.outcomes.get(REFUSED, 0):,}",
            f"{tally.outcomes.get(READ, 0):,}",
            f"{len(tally.failures):,}",
            f"{tally.slowest_s:.2f}",
            f"{tally.peak_bytes / 2**20:.0f}",
        ]
        for kind, tally in tallies.items()
    ]


def failure_lines(kind: str, failures: Sequence[Failure]) -> list[str]:
    """Failures that are alike in one line, with the first cases of each."""
    groups: dict[tuple[str, str], list[Failure]] = defaultdict(list)
    for failure in failures:
        groups[failure.entry, _without_data(failure.what)].append(failure)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [
        f"{kind} {entry}: {len(members)} times {members[0].what} "
        f"(cases {', '.join(str(each.case) for each in members[:5])}; "
        f"{'; '.join(members[0].story)})"
        for (entry, _), members in ordered[:SHOWN]
    ]


def _without_data(what: str) -> str:
    """What failures that are alike share: no paths, and no numbers but those of lines."""
    return re.sub(r"'/[^ ']*|\\[xu][0-9a-f]+|(?<![:0-9])[0-9.]+", "", what)[:90]


def record(tallies: Mapping[str, Tally], seed: int, seconds: float) -> dict[str, Any]:
    """The content of the JSON file of a run."""
    return {
        "seed": seed,
        "seconds": round(seconds),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "kinds": {
            kind: {
                "files": tally.files,
                **{name: tally.outcomes.get(name, 0) for name in (REFUSED, READ)},
                "failures": len(tally.failures),
                "slowest_s": round(tally.slowest_s, 2),
                "peak_mb": round(tally.peak_bytes / 2**20),
                "alike": failure_lines(kind, tally.failures),
            }
            for kind, tally in tallies.items()
        },
    }


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--files", type=int, default=2000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all cases (default: %(default)s)")
    parser.add_argument(
        "--kind", choices=list(KINDS), action="append", help="only these (default: all)"
    )
    parser.add_argument(
        "--case", type=int, help="run one case of --kind, with its folder, and say what came"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="JSON file to write the counts to")
    return parser.parse_args()


def one_case(arguments: argparse.Namespace, folder: Path) -> dict[str, Tally]:
    """The group of a single case."""
    kinds = arguments.kind or ["dicom"]
    first = arguments.case // GROUP * GROUP
    plan = Plan(kinds[0], arguments.seed, first, GROUP, folder, FAILURES_FOLDER, workers=1)
    return {kinds[0]: watch.run(plan, lambda _: None)}


def many(arguments: argparse.Namespace, folder: Path) -> dict[str, Tally]:
    """Every kind in turn."""
    shutil.rmtree(FAILURES_FOLDER, ignore_errors=True)
    tallies = {}
    for kind, count in counts(arguments.files, arguments.kind or list(KINDS)).items():
        with Progress(f"reading damaged files ({kind})", count) as bar:
            plan = Plan(
                kind, arguments.seed, 0, count, folder, FAILURES_FOLDER, workers=arguments.workers
            )
            tallies[kind] = watch.run(plan, bar.update)
    return tallies


def main() -> None:
    arguments = parse_arguments()
    start = time.monotonic()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="dfd-fuzz-", dir=memory) as folder, bars():
        run = many if arguments.case is None else one_case
        tallies = run(arguments, Path(folder))
    print(cli.table(HEADS, rows(tallies)))
    for kind, tally in tallies.items():
        for line in failure_lines(kind, tally.failures):
            print(line)
    content = record(tallies, arguments.seed, time.monotonic() - start)
    if arguments.output is not None:
        write_atomically(arguments.output, (json.dumps(content, indent=1) + "\n").encode())
    if any(tally.failures for tally in tallies.values()):
        print(f"the files are kept in {FAILURES_FOLDER}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    cli.end(main)
