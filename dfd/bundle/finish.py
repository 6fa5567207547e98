"""The end of a training run: the best weights, calibrated on patients the network did not see, in one file."""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from dfd import calibration
from dfd.bundle import model_file
from dfd.bundle.calibration import calibrate_network
from dfd.bundle.items import Collection
from dfd.bundle.model_file import Model
from dfd.calibration import true_rate_bound
from dfd.errors import BundleError
from dfd.modalities import MODALITIES
from dfd.outputs.files import write_atomically

logger = logging.getLogger(__name__)


def finish(network: torch.nn.Module, state_dir: str, model_path: str, collection: Collection, left_out: Sequence[str], seed: int) -> Path:
    """Writes ``model_path`` from the best weights of ``state_dir``. A file that is there is kept under a backup name.

    Raises:
        BundleError: no weights were kept, because the run stopped before its first epoch ended.
    """
    best = Path(state_dir) / "best.pt"
    if not best.exists():
        raise BundleError(f"training stopped before the first epoch was validated, so there are no weights in {state_dir}; give more hours or smaller epochs.")
    network.load_state_dict(torch.load(best, map_location="cpu", weights_only=True))
    with (Path(state_dir) / "history.csv").open(newline="", encoding="utf-8") as stream:
        history = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    training = {"patients_trained": len(collection.patients) - len(left_out), "patients_left_out": len(left_out), "history": history}
    return calibrated(network, collection, left_out, Path(model_path), seed, training)


def calibrated(network: torch.nn.Module, collection: Collection, patients: Sequence[str], target: Path, seed: int, training: dict[str, object]) -> Path:
    """Calibrates ``network`` on ``patients`` and writes both as one file."""
    weights = network.state_dict()
    bundle = MODALITIES[collection.modality].bundle
    table = None
    if patients:
        fitted = calibrate_network(network, collection, patients, model_file.weights_digest(weights), seed)
        table = calibration.to_json(fitted)
        report(fitted.patients)
    else:
        logger.warning("no patient was left to calibrate on: this model gives no p-values; add scans of a second patient, or run `dfd calibrate` on others.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        backup = next(path for number in range(1, 10_000) if not (path := target.with_name(f"{target.name}.backup{number}")).exists())
        shutil.copy2(target, backup)
        logger.info("%s was there and is kept as %s", target, backup)
    write_atomically(target, model_file.packed(Model(target, weights, bundle, table, training)))
    logger.info("model written to %s", target)
    return target


def report(patients: int) -> None:
    """Says what this many calibration patients are worth."""
    bound = true_rate_bound(patients, 0.05)
    worth = f"the true false-alarm rate at 0.05 lies below {bound:.1%} (95 % confidence)" if bound < 1 else "at 0.05 they bound nothing: 19 are needed for that"
    logger.info("calibrated on %d patients: the smallest p-value they support is %.3f, smaller ones are extrapolated and marked; %s", patients, 1 / (1 + patients), worth)


def recalibrate(network: torch.nn.Module, model: Model, collection: Collection, patients: Sequence[str], target: str, seed: int) -> Path:
    """Fits the calibration of ``model`` anew on ``patients`` (all of the folder where none is named) and writes both to ``target``."""
    model_file.put_into(network, model, MODALITIES[collection.modality].bundle)
    chosen = sorted(patients) if patients else collection.patients
    return calibrated(network, collection, chosen, Path(target), seed, dict(model.training))
