"""Trains the baselines on the patients that the shipped weights were trained on.

So fold1 and the test patients can be measured with them.

    python -m benchmarks.baselines.train --modality ct_lung    # all of the modality
    python -m benchmarks.baselines.train --modality ct_lung --name btd_unclipped

What is made is kept in runs/baselines, with the names of its patients, and not made again; what was
interrupted goes on, at most a minute of work is lost. A diffusion is trained for --cpu-minutes of
CPU time over all parts, as long as our own network.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.attacks.training import loop
from benchmarks.attacks.training.train import TrainingData
from benchmarks.baselines import BASELINES, feature_memory, offered, state
from benchmarks.baselines.objectives import DenoisingObjective
from benchmarks.data import partition
from benchmarks.data.scans import spread
from benchmarks.models import registry
from benchmarks.runner import cli
from dfd.errors import UsageError
from dfd.modalities import MODALITIES

logger = logging.getLogger(__name__)

CPU_MINUTES = 60.0
"""What our own network got."""
REMEMBERED_SLICES = 120
"""Genuine slices that the memory of features is made from, spread over all: about a minute."""


@dataclass(frozen=True)
class Effort:
    """How much is put into a training, and where it goes."""

    cpu_minutes: float = CPU_MINUTES
    """Of a diffusion."""
    most_steps: int | None = None
    slices: int = REMEMBERED_SLICES
    """Of a memory."""
    model: str | None = None
    """Whose features a memory is made of; None: the shipped model."""
    folder: Path | None = None
    """None: runs/baselines."""


def names_of(modality: str) -> list[str]:
    """Names of what the baselines of a modality must have learned."""
    return sorted({BASELINES[name].state for name in offered(MODALITIES[modality])} - {""})


def train(name: str, data: TrainingData, effort: Effort) -> Path:
    """Makes one file unless it is there, and gives it."""
    path = state.place(name, data.modality, effort.folder)
    if path.exists():
        logger.info("%s is there already", path)
        return path
    if name == feature_memory.STATE:
        network = registry.load(effort.model, data.modality).network
        slices = (data.scans[index].pixels for index in spread(len(data.scans), effort.slices))
        content = feature_memory.fit(
            slices, network, MODALITIES[data.modality], np.random.default_rng(partition.SEED)
        )
    else:
        torch.manual_seed(partition.SEED)
        objective = DenoisingObjective(data, name)
        logger.info("%s: %.0f CPU minutes", name, effort.cpu_minutes)
        content = loop.train(
            objective, 60.0 * effort.cpu_minutes, path.with_suffix(".state"), effort.most_steps
        )
    return state.save(name, data.modality, data.patients, content, effort.folder)


def names_to_train(names: list[str], modality: str) -> list[str]:
    """What to make: all of the modality where nothing is named.

    Raises:
        UsageError: a name is not among them.
    """
    valid = names_of(modality)
    invalid = sorted(set(names) - set(valid))
    if invalid:
        raise UsageError(
            f"{invalid[0]!r} is learned by no baseline for {modality}; choose from "
            f"{', '.join(valid)}."
        )
    return names or valid


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--name",
        action="append",
        metavar="NAME",
        help="what to make (default: all of the modality)",
    )
    parser.add_argument(
        "--cpu-minutes",
        type=float,
        default=CPU_MINUTES,
        help="for each diffusion, over all parts (default: %(default)s)",
    )
    arguments = parser.parse_args()
    names = names_to_train(arguments.name or [], arguments.modality)
    effort = Effort(arguments.cpu_minutes, model=arguments.model)
    if arguments.quick:
        effort = Effort(
            most_steps=2,
            slices=2,
            model=arguments.model,
            folder=cli.QUICK_RESULTS / "baselines",
        )
    data = TrainingData(
        arguments.modality, tuple(partition.patients(arguments.modality, partition.TRAINING_FOLDS))
    )
    for name in names:
        train(name, data, effort)


if __name__ == "__main__":
    cli.end(main)
