"""What it costs to screen a repository, on paper: from measured seconds a slice.

    python -m benchmarks.speed.repository_cost      # a second; fills docs/explanation too

Taken from benchmarks/results: ``bench.json`` (python -m benchmarks.speed.bench), ``gpu.json``
(python -m benchmarks.speed.gpu) where there is one, and ``repository_report.json``. With other
numbers of studies than the page's, what comes is printed and nothing is written.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.data.partition import ROOT
from benchmarks.detection.model_cards import filled
from benchmarks.runner import cli
from dfd.errors import UsageError
from dfd.outputs.files import write_atomically
from dfd.repository.parts import Part, make_folder, part_path, write_part

PAGE = ROOT / "docs" / "explanation" / "repository_cost.md"
MARK = "<!-- made by benchmarks.speed.repository_cost: {} -->"
MACHINES = (1, 2, 4, 8, 16, 32, 64)
SLICE_MB = 512 * 512 * 2 / 1e6
"""Of an uncompressed slice."""
GOAL = 50.0
"""Slices per second wanted of an H100-class card (``benchmarks.speed.gpu``)."""


@dataclass(frozen=True)
class Repository:
    """What is screened, and with what."""

    studies: int = 40_000
    series: int = 2
    """Of a study that a model fits."""
    slices: int = 150
    """Of a series."""
    cores: int = 16
    """Of a machine."""
    upload: int = 100
    """Studies of one night."""

    @property
    def all_series(self) -> int:
        """Of the repository."""
        return self.studies * self.series

    @property
    def all_slices(self) -> int:
        """Of the repository."""
        return self.all_series * self.slices


@dataclass(frozen=True)
class Pace:
    """What was measured."""

    core_seconds: float
    """Of one processor for a slice."""
    gpu: str
    """Name of the card; empty where none was measured."""
    gpu_rate: float
    """Slices per second of the card."""
    report_seconds: float
    """For one series of the report."""


def pace_of(results: Path) -> Pace:
    """What the committed results say.

    Raises:
        UsageError: one that is needed is not there.
    """
    bench, report = _read(results / "bench.json"), _read(results / "repository_report.json")
    if bench is None or report is None:
        raise UsageError(f"{results} holds no bench.json and repository_report.json: make them")
    screening = bench["parts"]["screening"]
    seconds, threads = screening["seconds"], screening["machine"]["threads"]
    core = threads * seconds["whole way"]
    gpu = _read(results / "gpu.json")
    rates = gpu["slices per second"] if gpu else {"": 0.0}
    return Pace(
        core,
        gpu["device"] if gpu else "",
        max(rates.values()),
        report["make the whole report, s"] / report["series"],
    )


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def part_kilobytes(slices: int) -> float:
    """Size of the part of a series with a fingerprint for each slice."""
    fingerprints = tuple(
        {
            "sop_uid": f"1.2.826.0.1.3680043.8.498.{number * 7919**9}",
            "file": f"patient/study/series/{number:05d}.dcm",
            "frame": 0,
            "bits": (number * 7919**19).to_bytes(40, "big")[-32:],
        }
        for number in range(1, slices + 1)
    )
    part = Part("a" * 16, "b" * 64, "c" * 64, "scored", fingerprints=fingerprints)
    with TemporaryDirectory() as folder:
        make_folder(Path(folder))
        write_part(Path(folder), part)
        return part_path(Path(folder), part.series, part.model).stat().st_size / 1e3


def cost(what: Repository, pace: Pace) -> dict[str, Any]:
    """Hours, and what a store must deliver, by number of machines."""
    core_hours = what.all_slices * pace.core_seconds / 3600
    rows = []
    for machines in MACHINES:
        hours = core_hours / (machines * what.cores)
        row = {"machines": machines, "hours": hours, "MB/s": _megabytes_a_second(what, hours)}
        if pace.gpu:
            gpu_hours = what.all_slices / pace.gpu_rate / machines / 3600
            row |= {"hours, GPU": gpu_hours, "MB/s, GPU": _megabytes_a_second(what, gpu_hours)}
        rows.append(row)
    return {
        "studies": what.studies,
        "series": what.all_series,
        "slices": what.all_slices,
        "TB read": what.all_slices * SLICE_MB / 1e6,
        "core seconds a slice": pace.core_seconds,
        "core hours": core_hours,
        "GPU": pace.gpu,
        "GPU, slices per second": pace.gpu_rate,
        "cores a machine": what.cores,
        "machines": rows,
        "parts, GB": what.all_series * part_kilobytes(what.slices) / 1e6,
        "report, minutes": what.all_series * pace.report_seconds / 60,
        "studies of a night": what.upload,
        "hours of a night on one machine": core_hours * what.upload / what.studies / what.cores,
    }


def _megabytes_a_second(what: Repository, hours: float) -> float:
    return what.all_slices * SLICE_MB / (hours * 3600)


def markdown(found: Mapping[str, Any]) -> str:
    """What was computed, as it stands on the page."""
    gpu = found["GPU"]
    heads = ["machines", "processors", "hours", "days", "MB/s to be read"]
    if gpu:
        heads += [f"GPUs ({gpu})", "hours", "MB/s to be read"]
    rows = [_cells(row, found["cores a machine"], gpu=bool(gpu)) for row in found["machines"]]
    rate = found["GPU, slices per second"]
    said = [
        f"{found['studies']:,} studies, {found['series']:,} series, {found['slices']:,} slices, "
        f"{found['TB read']:.1f} TB to be read.",
        f"A slice takes {found['core seconds a slice']:.2f} s of one processor, the repository "
        f"{found['core hours']:,.0f} hours of one"
        + (
            f"; a GPU screens {rate:.1f} slices per second." if gpu else f". {_not_measured(found)}"
        ),
        cli.table(heads, rows),
        f"Parts take {found['parts, GB']:.1f} GB, and making the report from them "
        f"{found['report, minutes']:.1f} minutes of one processor. {found['studies of a night']} "
        f"studies of a night take {found['hours of a night on one machine']:.1f} hours of one "
        "machine.",
    ]
    return "\n\n".join(said)


def _not_measured(found: Mapping[str, Any]) -> str:
    hours = found["slices"] / GOAL / 3600
    return (
        f"No GPU was measured; a card that reached the goal of {GOAL:.0f} slices per second would "
        f"take {hours:,.0f} hours, and read {GOAL * SLICE_MB:.0f} MB/s."
    )


def _cells(row: Mapping[str, float], cores: int, *, gpu: bool) -> list[str]:
    machines, hours = f"{row['machines']:.0f}", row["hours"]
    cells = [machines, f"{row['machines'] * cores:,.0f}", f"{hours:,.0f}", f"{hours / 24:,.1f}"]
    cells.append(f"{row['MB/s']:,.0f}")
    if gpu:
        cells += [machines, f"{row['hours, GPU']:,.1f}", f"{row['MB/s, GPU']:,.0f}"]
    return cells


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    usual = Repository()
    for name, meaning in (
        ("studies", "of the repository"),
        ("series", "of a study that a model fits"),
        ("slices", "of a series"),
        ("cores", "of a machine"),
        ("upload", "studies of one night"),
    ):
        default = getattr(usual, name)
        parser.add_argument(
            f"--{name}", type=int, default=default, help=f"{meaning} (default: %(default)s)"
        )
    what = Repository(**vars(parser.parse_args()))
    found = cost(what, pace_of(cli.RESULTS))
    if what != usual:
        print(markdown(found))
        return
    cli.publish("repository_cost", found, markdown(found), quick=False)
    text = PAGE.read_text(encoding="utf-8")
    write_atomically(PAGE, filled(text, "table", markdown(found), PAGE, MARK).encode())


if __name__ == "__main__":
    cli.end(main)
