"""Trains the networks of the attacks on the patients that the shipped weights were trained on.

So the slices of fold1 and of the test patients can be edited.

    python -m benchmarks.attacks.training.train --train
    python -m benchmarks.attacks.training.train --train gan autoencoder --modality mri_chest

What is trained is kept in runs/forgers, with the names of its patients, and not trained again; what
was interrupted goes on. Every network has its CPU minutes (times --longer); the seed is fixed, but
how many steps fit into them depends on the machine, far more where a GPU is. The log says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks import adversarial, autoencoder, checkpoints, ct_gan, cubes, diffusion, gan
from benchmarks.attacks.training import datasets, loop
from benchmarks.attacks.training.loop import Objective
from benchmarks.attacks.training.objectives import (
    AutoencoderObjective,
    ClassifierObjective,
    DiffusionObjective,
    Draw,
    InpaintingObjective,
)
from benchmarks.data import partition, scans
from benchmarks.data.scans import Scan
from benchmarks.data.volumes import Volume, volumes
from benchmarks.runner import cli
from dfd.errors import UsageError
from dfd.prediction.masks import disk

logger = logging.getLogger(__name__)

CUBES = 360
REMOVAL_L1 = 30.0
"""Weight of the L1 loss where parenchyma is painted: with less, the critic is answered with
stripes."""
BLOBS, SOFT = 150, 150
CUBE_BATCH = 4
CROPS, CROP_BATCH = 4000, 16
HOLE_PX = (5.0, 20.0)
"""Radius of the holes that inpainters learn to fill."""
NODULE_SHARE = 0.75
"""Of the cubes that teach injection, how many hold a nodule that was blended in; the others hold a
genuine blob."""


@dataclass(frozen=True)
class TrainingData:
    """Scans of the patients to train on, read when first used."""

    modality: str
    patients: tuple[str, ...]

    @cached_property
    def volumes(self) -> list[Volume]:
        """All stacks."""
        return list(volumes(self.modality, partition.TRAINING_FOLDS))

    @cached_property
    def scans(self) -> list[Scan]:
        """Up to 12 slices of each series."""
        return list(
            scans.load(
                scans.select_series(self.modality, partition.TRAINING_FOLDS, 12), self.modality
            )
        )


def _turned(batch: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """``[B, N, ...]`` mirrored at random along each axis, all N alike."""
    flips = tuple(axis for axis in range(2, batch.ndim) if rng.random() < 0.5)
    return np.ascontiguousarray(np.flip(batch, flips)) if flips else batch


def removal(data: TrainingData) -> Objective:
    """Parenchyma: cubes that hold no blob."""
    pool = datasets.parenchyma(data.volumes, CUBES, np.random.default_rng(partition.SEED))
    nothing = np.zeros((CUBE_BATCH, *pool.shape[1:]), dtype=np.float32)

    def draw(
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        batch = _turned(pool[rng.integers(0, len(pool), CUBE_BATCH)][:, None], rng)[:, 0]
        return batch, np.broadcast_to(cubes.hole(), batch.shape), nothing

    return InpaintingObjective(3, draw, REMOVAL_L1)


def injection(data: TrainingData) -> Objective:
    """Nodules: rounded pieces of soft tissue blended into parenchyma, and genuine blobs."""
    rng = np.random.default_rng(partition.SEED)
    base, tissue, blobs = (
        make(data.volumes, number, rng)
        for make, number in (
            (datasets.parenchyma, CUBES),
            (datasets.soft_tissue, SOFT),
            (datasets.blobs, BLOBS),
        )
    )
    logger.info(
        "%d cubes of parenchyma, %d of soft tissue, %d of blobs", len(base), len(tissue), len(blobs)
    )

    def one(rng: np.random.Generator) -> NDArray[np.float32]:
        if not len(blobs) or rng.random() < NODULE_SHARE:
            return np.stack(
                datasets.with_nodule(
                    base[rng.integers(len(base))], tissue[rng.integers(len(tissue))], rng
                )
            )
        blob = blobs[rng.integers(len(blobs))]
        return np.stack([blob, datasets.shape_of_blob(blob)])

    def draw(
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        batch = _turned(np.stack([one(rng) for _ in range(CUBE_BATCH)]), rng)
        return batch[:, 0], np.broadcast_to(cubes.hole(), batch[:, 0].shape), batch[:, 1]

    return InpaintingObjective(3, draw)


def _crops_of(data: TrainingData) -> Draw:
    """Crops, mirrored and turned, with a round hole in each and no wanted shape."""
    pool = datasets.crops(data.scans, data.modality, CROPS, np.random.default_rng(partition.SEED))
    side = pool.shape[-1]

    def hole(rng: np.random.Generator) -> NDArray[np.float32]:
        x, y = rng.uniform(0.35 * side, 0.65 * side, 2)
        return disk(side, side, (float(x), float(y)), float(rng.uniform(*HOLE_PX))).astype(
            np.float32
        )

    def draw(
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        batch = _turned(pool[rng.integers(0, len(pool), CROP_BATCH)][:, None], rng)[:, 0]
        if rng.random() < 0.5:
            batch = batch.swapaxes(1, 2)
        return batch, np.stack([hole(rng) for _ in batch]), np.zeros_like(batch)

    return draw


def _classifier(data: TrainingData) -> Objective:
    return ClassifierObjective(
        *datasets.blob_crops(
            data.scans, data.modality, CROPS // 2, np.random.default_rng(partition.SEED)
        )
    )


@dataclass(frozen=True)
class Recipe:
    """How long a network is trained, on what, and for which modalities."""

    cpu_minutes: float
    objective: Callable[[TrainingData], Objective]
    modalities: tuple[str, ...] = ("ct_lung", "mri_chest")


RECIPES: dict[str, Recipe] = {
    ct_gan.NETWORKS["injection"]: Recipe(5.0, injection, ("ct_lung",)),
    ct_gan.NETWORKS["removal"]: Recipe(5.0, removal, ("ct_lung",)),
    diffusion.NETWORK: Recipe(5.0, lambda data: DiffusionObjective(_crops_of(data))),
    autoencoder.NETWORK: Recipe(2.5, lambda data: AutoencoderObjective(_crops_of(data))),
    gan.NETWORK: Recipe(3.5, lambda data: InpaintingObjective(2, _crops_of(data))),
    adversarial.NETWORK: Recipe(0.7, _classifier),
}


def train(
    name: str,
    data: TrainingData,
    folder: Path | None = None,
    most_steps: int | None = None,
    longer: float = 1.0,
) -> Path:
    """Trains one network unless its file is there, and gives the file."""
    path = checkpoints.place(name, data.modality, folder)
    if path.exists():
        logger.info("%s is there already", path)
        return path
    torch.manual_seed(partition.SEED)
    recipe = RECIPES[name]
    minutes = longer * recipe.cpu_minutes
    logger.info("%s: %.1f CPU minutes", name, minutes)
    weights = loop.train(
        recipe.objective(data), 60.0 * minutes, path.with_suffix(".state"), most_steps
    )
    return checkpoints.save(
        checkpoints.Checkpoint(name, data.modality, data.patients, weights), folder
    )


def networks_to_train(names: list[str], modality: str) -> list[str]:
    """The networks to train: all of the modality where none is named.

    Raises:
        UsageError: a name is not one of them.
    """
    valid = [name for name, recipe in RECIPES.items() if modality in recipe.modalities]
    invalid = sorted(set(names) - set(valid))
    if invalid:
        raise UsageError(
            f"{invalid[0]!r} is no network of an attack for {modality}; choose from "
            f"{', '.join(valid)}."
        )
    return names or valid


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--train",
        nargs="*",
        metavar="NAME",
        required=True,
        help="networks to train (default: all of the modality)",
    )
    parser.add_argument(
        "--longer",
        type=float,
        default=1.0,
        help="times as long as the recipes say (default: %(default)s)",
    )
    arguments = parser.parse_args()
    names = networks_to_train(arguments.train, arguments.modality)
    data = TrainingData(
        arguments.modality, tuple(partition.patients(arguments.modality, partition.TRAINING_FOLDS))
    )
    for name in names:
        if arguments.quick:
            train(name, data, cli.QUICK_RESULTS / "forgers", most_steps=2)
        else:
            train(name, data, longer=arguments.longer)


if __name__ == "__main__":
    cli.end(main)
