"""Trains the learned statistics on patients whom predictor and head have not seen.

    python -m benchmarks.models.stacked_statistic --modality ct_lung --slices 900  # resumable
    python -m benchmarks.models.stacked_statistic --modality ct_lung --put         # into files

What a network leaves unexplained is smaller in patients it learned from. So each development
patient is edited and measured by the network of the fold that leaves the patient out, and the
statistic of a fold learns from the patients of the others (stacking: Wolpert 1992, Neural Networks
5:241). One set of samples serves all folds. ``--put`` writes the networks as a whole, without
calibration, to benchmarks/trained/next.
"""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from benchmarks.data import partition
from benchmarks.models import stages
from benchmarks.models.cross_validation import FOLDS
from benchmarks.models.training_folder import default_output, link
from benchmarks.runner import cli
from dfd.bundle.datalists import collect
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training import statistic
from dfd.bundle.training.handlers import state_bytes
from dfd.bundle.training.regenerators import Regenerators
from dfd.bundle.training.state import HEAD, head_dir, take_best
from dfd.bundle.training.statistic_samples import SampleMaker, Samples, joined
from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.models import model_file
from dfd.models.model_file import Model
from dfd.outputs.files import write_atomically
from dfd.prediction.network import InpaintingNetwork
from dfd.progress import Progress

RUNS = partition.ROOT / "runs"
NEXT = partition.COMMITTED_NETWORKS / "next"
"""Networks of the next version."""


def checkpoint_of(modality: str, fold: str) -> Path:
    """The file that the training of the network without ``fold`` leaves."""
    name = partition.FOLDERS[modality]
    if fold in partition.VALIDATION_FOLDS:
        return RUNS / f"{name}.ckpt"
    return RUNS / "folds" / f"{name}_{fold}.ckpt"


def state_of(modality: str, fold: str) -> str:
    """Its state folder."""
    return f"{checkpoint_of(modality, fold)}.training"


def network_of(state: str) -> InpaintingNetwork:
    """Predictor and head as they were best, and the statistic where there is one."""
    network = MaskedPredictor(**stages.NETWORK)
    take_best(network, state)
    take_best(network.get_submodule(HEAD), head_dir(state))
    statistic.put_into(network, state)
    network.eval().requires_grad_(False)
    return network


def samples_of(modality: str, fold: str, slices: int) -> Samples:
    """Samples of so many slices of the patients of ``fold``, made where they are not there yet."""
    links, state = default_output(modality), state_of(modality, fold)
    link(modality, links)
    collection = collect(links, modality)
    items = collection.of(partition.patients(modality, (fold,)))
    painters = Regenerators(head_dir(state), 0, 0).kept_painters()
    maker = SampleMaker(items, network_of(state), MODALITIES[modality], painters)
    folder = RUNS / "samples" / f"{partition.FOLDERS[modality]}_{fold}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    chunks = range(0, slices, statistic.CHUNK)
    with Progress(f"editing and measuring slices of {fold}, tens", len(chunks)) as done:
        for number in range(len(chunks)):
            kept = folder / f"{number:03d}.pt"
            if not kept.exists():
                made = maker.make(statistic.CHUNK, partition.SEED + 1000 * int(fold[-1]) + number)
                write_atomically(kept, state_bytes(made._asdict()))
            parts.append(Samples(**torch.load(kept, weights_only=True)))
            done.update()
    return joined(parts)


def train(modality: str, slices: int) -> None:
    """Trains the statistic of every fold on samples of the others."""
    samples = {fold: samples_of(modality, fold, slices // len(FOLDS)) for fold in FOLDS}
    for fold in FOLDS:
        others = joined([samples[other] for other in FOLDS if other != fold])
        trained = statistic.train(others, partition.SEED)
        target = Path(state_of(modality, fold)) / statistic.FILE
        write_atomically(target, state_bytes(trained.state_dict()))
        print(f"{target} learned from {len(others.labels)} regions")


def put(modality: str) -> None:
    """Writes the network of every fold, with the curve of its predictor.

    Raises:
        UsageError: a statistic is not trained yet.
    """
    bundle = MODALITIES[modality].bundle
    for fold in FOLDS:
        state = Path(state_of(modality, fold))
        if not (state / statistic.FILE).exists():
            raise UsageError(f"{state} holds no {statistic.FILE}; train it first, without --put.")
        with (state / "history.csv").open(newline="", encoding="utf-8") as stream:
            history = [{key: float(v) for key, v in row.items()} for row in csv.DictReader(stream)]
        weights = network_of(str(state)).state_dict()
        target = NEXT / f"{partition.FOLDERS[modality]}_{fold}.ckpt"
        target.parent.mkdir(parents=True, exist_ok=True)
        model = Model(target, weights, bundle, None, {"history": history})
        write_atomically(target, model_file.packed(model))
        print(f"{target} is written")


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--slices", type=int, default=stages.STATISTIC_SLICES, help="of all folds together"
    )
    parser.add_argument("--put", action="store_true", help="write what is trained")
    arguments = parser.parse_args()
    if arguments.put:
        put(arguments.modality)
    else:
        train(arguments.modality, arguments.slices)


if __name__ == "__main__":
    cli.end(main)
