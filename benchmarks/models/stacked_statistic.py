"""Trains the learned statistics of all folds on patients whom their networks have not seen.

    python -m benchmarks.models.stacked_statistic --modality ct_lung            # resumable
    python -m benchmarks.models.stacked_statistic --modality ct_lung --fold fold0  # samples of one
    python -m benchmarks.models.stacked_statistic --modality ct_lung --ship    # trains nothing

What a network leaves unexplained is smaller in patients it learned from. So each development
patient is edited and measured by the network of the fold that leaves the patient out
(``benchmarks.models.cross_validation``), and the statistic of a fold learns from the patients of
the others (stacking: Wolpert 1992, Neural Networks 5:241). One set of samples serves all folds.
Networks that draw crops anew learn from the patients whose slices they edit, so nobody of a fold
is behind the statistic that is judged by that fold. Predictor and head stay as they are. Written,
without calibration: benchmarks/trained/next. ``--ship`` puts them in place of those of this
version; then ``benchmarks.models.cross_validation --calibrate`` fits the calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.data import partition
from benchmarks.models import cross_validation, registry
from benchmarks.models.cross_validation import FOLDS
from benchmarks.models.training_folder import default_output, link
from benchmarks.runner import cli
from dfd.alterations.material import Paint
from dfd.assessment.cohort import Collection
from dfd.assessment.genuine_series import usable_scan
from dfd.bundle.datalists import balanced_weights, collect
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.networks.regenerator import KINDS
from dfd.bundle.training import statistic
from dfd.bundle.training.crops import filled_up, normalised
from dfd.bundle.training.handlers import state_bytes
from dfd.bundle.training.regenerators import Regenerators, crops_from
from dfd.bundle.training.residual_dataset import REGENERATED_PX
from dfd.bundle.training.statistic_samples import SampleMaker, Samples, joined
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir
from dfd.models import model_file
from dfd.outputs.files import write_atomically
from dfd.prediction.learned_statistic import PREFIX, LearnedStatistic
from dfd.progress import Progress
from dfd.reading.pixel_values import pixels_of

RUNS = partition.ROOT / "runs"
NEXT = partition.COMMITTED_NETWORKS / "next"
"""Networks of the next version."""
SLICES = 900
"""Edited, of all folds together."""
PAINTER_STEPS, PAINTER_HOURS, PAINTED_SLICES = 1500, 0.06, 60
"""Batches, hours and slices that the networks of a fold learn from which draw crops anew."""


def model_of(modality: str, fold: str, *, upcoming: bool = False) -> Path:
    """The model of this version that has not seen the patients of ``fold``, or of the next."""
    if upcoming:
        return NEXT / f"{partition.FOLDERS[modality]}_{fold}.ckpt"
    return cross_validation.model_of(modality, fold)


def network_of(modality: str, fold: str) -> MaskedPredictor:
    """Predictor and head that have not seen the patients of ``fold``, without a statistic."""
    network = registry.load(str(model_of(modality, fold)), modality).network
    network.statistic = None
    network.requires_grad_(False)
    return network


def collection_of(modality: str) -> Collection:
    """The development scans."""
    links = default_output(modality)
    link(modality, links)
    return collect(links, modality)


def painters_of(modality: str, fold: str, items: Sequence[Mapping[str, Any]]) -> tuple[Paint, ...]:
    """Networks that draw crops anew, trained on ``items`` where they are not kept yet."""
    folder = RUNS / "painters" / f"{partition.FOLDERS[modality]}_{fold}"
    networks = Regenerators(str(folder), PAINTER_STEPS, partition.SEED, PAINTER_HOURS)
    if len(kept := networks.kept_painters()) == len(KINDS):
        return kept
    step = max(1, len(items) // PAINTED_SLICES)
    chosen, images = [], []
    for item in items[::step]:
        scan = usable_scan(item, MODALITIES[modality])
        if scan is not None:
            chosen.append(item)
            images.append(filled_up(normalised(pixels_of(scan), modality)[0], REGENERATED_PX))
    weights = torch.tensor(balanced_weights(chosen), dtype=torch.float64)
    chances = (weights / weights.sum()).numpy()
    return networks.painters(crops_from(images, chances, REGENERATED_PX))


def samples_of(modality: str, fold: str, slices: int) -> Samples:
    """Samples of so many slices of the patients of ``fold``, made where they are not there yet."""
    items = collection_of(modality).of(partition.patients(modality, (fold,)))
    painters = painters_of(modality, fold, items)
    maker = SampleMaker(items, network_of(modality, fold), MODALITIES[modality], painters)
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
    """Trains the statistic of every fold on samples of the others, and writes its network."""
    samples = {fold: samples_of(modality, fold, slices // len(FOLDS)) for fold in FOLDS}
    for fold in FOLDS:
        others = joined([samples[other] for other in FOLDS if other != fold])
        target = put(modality, fold, statistic.train(others, partition.SEED))
        print(f"{target} learned from {len(others.labels)} regions")


def put(modality: str, fold: str, trained: LearnedStatistic) -> Path:
    """Writes the network of a fold with its statistic; gives the file."""
    given = model_file.load(model_of(modality, fold))
    own = {name: value for name, value in given.weights.items() if not name.startswith(PREFIX)}
    learned = {f"{PREFIX}{name}": value for name, value in trained.state_dict().items()}
    target = model_of(modality, fold, upcoming=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    model = replace(
        given,
        path=target,
        weights={**own, **learned},
        bundle=MODALITIES[modality].bundle,
        calibration=None,
    )
    write_atomically(target, model_file.packed(model))
    return target


def ship(modality: str) -> None:
    """Puts the networks of the next version in place of those of this one.

    That of the shipped fold goes into the bundle, as weights alone. Its calibration is of other
    weights and goes.
    """
    for fold in FOLDS:
        upcoming = model_of(modality, fold, upcoming=True)
        if fold not in partition.VALIDATION_FOLDS:
            upcoming.replace(partition.COMMITTED_NETWORKS / "folds" / upcoming.name)
            continue
        bundle = bundle_dir(MODALITIES[modality].bundle)
        (bundle / model_file.SHIPPED_CALIBRATION).unlink(missing_ok=True)
        weights = model_file.load(upcoming).weights
        write_atomically(bundle / model_file.SHIPPED_WEIGHTS, state_bytes(dict(weights)))
        upcoming.unlink()


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--ship", action="store_true", help="ship what was trained, and train nothing"
    )
    parser.add_argument("--slices", type=int, default=SLICES, help="of all folds together")
    parser.add_argument("--fold", choices=FOLDS, help="only make the samples of this one")
    arguments = parser.parse_args()
    if arguments.ship:
        ship(arguments.modality)
    elif arguments.fold:
        made = samples_of(arguments.modality, arguments.fold, arguments.slices // len(FOLDS))
        print(f"{len(made.labels)} regions of {arguments.fold} are measured")
    else:
        train(arguments.modality, arguments.slices)


if __name__ == "__main__":
    cli.end(main)
