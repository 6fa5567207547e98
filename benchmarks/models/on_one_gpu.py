"""Trains the networks of all folds at the same time on one GPU, predictor and head.

    python -m benchmarks.models.on_one_gpu --hours 0.15 --workers 2
    python -m benchmarks.models.on_one_gpu --hours 0.15 --workers 2 --modality ct_lung

Small networks leave most of a GPU idle, so six of them share one. Each is the process of
``benchmarks.models.release`` or ``benchmarks.models.cross_validation`` that a run of its own would
be; what they print goes to runs/on_one_gpu. Go on with the same two commands and
``--since statistic``, where there is more time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.data import partition
from benchmarks.models.training_folder import default_output, link
from benchmarks.runner import cli
from dfd.modalities import MODALITIES

LOGS = partition.ROOT / "runs" / "on_one_gpu"
UNTIL = "head"


def commands(modality: str) -> dict[str, list[str]]:
    """Fold -> the module, and its arguments, that trains the network which leaves it out."""
    of_modality = ["--modality", modality]
    released = {fold: ["benchmarks.models.release"] for fold in partition.VALIDATION_FOLDS}
    others = {
        fold: ["benchmarks.models.cross_validation", "--fold", fold]
        for fold in partition.TRAINING_FOLDS
    }
    return {fold: [*words, *of_modality] for fold, words in (released | others).items()}


def started(modality: str, options: list[str]) -> dict[Path, subprocess.Popen[bytes]]:
    """Log -> the process that writes it, one for each fold."""
    link(modality, default_output(modality))
    LOGS.mkdir(parents=True, exist_ok=True)
    running = {}
    for fold, words in commands(modality).items():
        log = LOGS / f"{partition.FOLDERS[modality]}_{fold}.log"
        with log.open("wb") as stream:
            running[log] = subprocess.Popen(
                [sys.executable, "-m", *words, *options, "--until", UNTIL],
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=partition.ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
    return running


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--modality", choices=list(MODALITIES), action="append", help="only this one"
    )
    parser.add_argument("--hours", type=float, required=True, help="for each network, at most")
    parser.add_argument("--workers", type=int, default=2, help="processes that make its crops")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    options = ["--hours", str(arguments.hours), "--workers", str(arguments.workers)]
    running: dict[Path, subprocess.Popen[bytes]] = {}
    for modality in arguments.modality or list(MODALITIES):
        running |= started(modality, options)
    for log, process in running.items():
        code = process.wait()
        print(f"{log.stem}: {'trained' if code == 0 else f'failed with {code}, see {log}'}")


if __name__ == "__main__":
    cli.end(main)
