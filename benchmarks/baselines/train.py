"""Makes what the baselines must have learned, from the patients that the shipped weights learned from: fold1 and the test can be measured with it.

    python -m benchmarks.baselines.train --modality ct_lung                          # all of the modality
    python -m benchmarks.baselines.train --modality ct_lung --name btd_unclipped

What is made is kept in runs/baselines, with the names of its patients, and not made again; what was interrupted goes on, at most a minute of work
is lost. A diffusion is trained for --cpu-minutes of CPU time over all parts, as long as our own network.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import command, sides
from benchmarks.baselines import BASELINES, state
from benchmarks.baselines.back_in_time import VARIANTS
from benchmarks.baselines.lessons import Denoising, Material
from benchmarks.teaching import teach
from dfd.errors import UsageError

logger = logging.getLogger(__name__)

CPU_MINUTES = 60.0
"""What our own network got."""


def names_of(modality: str) -> list[str]:
    """Names of what the baselines of a modality must have learned."""
    return sorted({baseline.state for baseline in BASELINES.values() if baseline.state and modality in baseline.modalities})


def train(name: str, material: Material, cpu_minutes: float, folder: Path | None = None, most_steps: int | None = None) -> Path:
    """Makes one file unless it is there, and gives it."""
    path = state.place(name, material.modality, folder)
    if path.exists():
        logger.info("%s is there already", path)
        return path
    torch.manual_seed(sides.SEED)
    lesson = Denoising(material, name)
    logger.info("%s: %.0f CPU minutes", name, cpu_minutes)
    content = teach(lesson, 60.0 * cpu_minutes, path.with_suffix(".state"), most_steps)
    return state.save(name, material.modality, material.patients, content, folder)


def main() -> None:
    parser = command.parser(__doc__, model=False)
    parser.add_argument("--name", action="append", metavar="NAME", help="what to make (default: all of the modality)")
    parser.add_argument("--cpu-minutes", type=float, default=CPU_MINUTES, help="for each diffusion, over all parts (default: %(default)s)")
    arguments = parser.parse_args()
    known = names_of(arguments.modality)
    strange = sorted(set(arguments.name or []) - set(known))
    if strange:
        raise UsageError(f"{strange[0]!r} is learned by no baseline for {arguments.modality}; choose from {', '.join(known)}.")
    material = Material(arguments.modality, tuple(sides.patients(arguments.modality, sides.LEARNED)))
    for name in arguments.name or known:
        if arguments.quick:
            train(name, material, arguments.cpu_minutes, command.QUICK_RESULTS / "baselines", most_steps=2)
        else:
            train(name, material, arguments.cpu_minutes)


if __name__ == "__main__":
    command.end(main)
