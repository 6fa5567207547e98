"""The end of a training run.

The best weights, calibrated on patients the network did not see, in one file.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dfd import calibration
from dfd.assessment.calibrate import calibrate_network
from dfd.assessment.cohort import Cohort
from dfd.bundle.training.state import HEAD, head_dir, take_best
from dfd.bundle.training.statistic import put_into
from dfd.calibration import Calibration, true_rate_bound
from dfd.errors import BundleError
from dfd.modalities import MODALITIES
from dfd.models import model_file
from dfd.models.model_file import Model
from dfd.outputs import lock
from dfd.outputs.files import choose_output_dir, write_atomically
from dfd.prediction.network import InpaintingNetwork

logger = logging.getLogger(__name__)

SCANS = "scans.json"
"""In the state folder of a run: which patients it trains on and leaves out."""


def check_target(
    model_path: str, state_dir: str, items: Sequence[Mapping[str, Any]], left_out: Sequence[str]
) -> None:
    """Makes sure, before hours are spent.

    That the model can be written and that a state to be resumed is of these very scans.

    A network resumed on other scans would be calibrated on patients that it has seen.

    The state folder is locked until :func:`finalize` or the end of this process.

    Raises:
        BundleError: ``model_path`` is a folder, or the state belongs to other scans.
        OutputError: nothing can be written there, or another process trains this model.
    """
    _writable(Path(model_path))
    lock.keep(
        choose_output_dir(Path(state_dir), []),
        "wait until it has ended, or train into another file",
    )
    for left in Path(state_dir).rglob(".dfd-*.tmp"):  # half written by a process that was killed
        left.unlink(missing_ok=True)
    scans = {
        "slices": len(items),
        "trained": sorted({str(item["patient"]) for item in items}),
        "left_out": sorted(left_out),
    }
    path = Path(state_dir) / SCANS
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != scans:
        raise BundleError(
            f"{state_dir} is the state of a run on other scans or other patients left out; "
            "remove it or train into another file."
        )
    write_atomically(path, json.dumps(scans).encode())


def _writable(target: Path) -> None:
    if target.is_dir():
        raise BundleError(
            f"{target} is a folder; name the file to write, such as {target / 'my_model.ckpt'}."
        )
    choose_output_dir(target.parent, [])


def finalize(network: InpaintingNetwork, state_dir: str, model_path: str, cohort: Cohort) -> Path:
    """Writes ``model_path`` from the best weights of ``state_dir``.

    A file that is there is kept under a backup name.

    Raises:
        BundleError: no weights were kept, because the run stopped before its first epoch ended.
    """
    take_best(network, state_dir)
    head = network.get_submodule(HEAD)
    take_best(head, head_dir(state_dir))
    put_into(network, state_dir)
    with (Path(state_dir) / "history.csv").open(newline="", encoding="utf-8") as stream:
        history = [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]
    left_out = len(cohort.patients)
    training = {
        "patients_trained": len(cohort.collection.patients) - left_out,
        "patients_left_out": left_out,
        "history": history,
    }
    written = calibrated(network, cohort, Path(model_path), training)
    lock.let_go(Path(state_dir))
    return written


def calibrated(
    network: torch.nn.Module, cohort: Cohort, target: Path, training: Mapping[str, Any]
) -> Path:
    """Calibrates ``network`` on ``cohort`` and writes both as one file."""
    weights = network.state_dict()
    bundle = MODALITIES[cohort.collection.modality].bundle
    table = None
    if cohort.patients:
        fitted = calibrate_network(network, cohort, model_file.weights_digest(weights))
        table = calibration.to_json(fitted)
        report(fitted)
    else:
        logger.warning(
            "no patient was left to calibrate on, so this model gives no p-values; add scans "
            "of a second patient, or run `dfd calibrate`."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        backup = next(
            path
            for number in range(1, 10_000)
            if not (path := target.with_name(f"{target.name}.backup{number}")).exists()
        )
        write_atomically(backup, target.read_bytes())
        logger.info("%s was there and is kept as %s", target, backup)
    write_atomically(target, model_file.packed(Model(target, weights, bundle, table, training)))
    logger.info("model written to %s", target)
    return target


def report(fitted: Calibration) -> None:
    """Says what the calibration patients are worth."""
    patients, effective = fitted.patients, fitted.effective_patients
    bound = true_rate_bound(int(effective), 0.05)
    worth = "at 0.05 that bounds nothing: 19 are needed"
    if bound < 1:
        worth = f"the true false-alarm rate at 0.05 lies below {bound:.1%} (95 % confidence)"
    message = (
        "calibrated on %d patient%s%s: the smallest p-value that supports is %.3f, smaller ones "
        "are extrapolated and marked; %s"
    )
    unequal = f", of whom many share a scanner, as much as {effective:.0f} of as many scanners"
    logger.info(
        message,
        patients,
        "s" * (patients != 1),
        unequal if round(effective) < patients else "",
        fitted.smallest_p,
        worth,
    )


def recalibrate(network: torch.nn.Module, model: Model, cohort: Cohort, target: str) -> Path:
    """Fits the calibration of ``model`` anew on ``cohort`` and writes both to ``target``."""
    _writable(Path(target))
    model_file.put_into(network, model, MODALITIES[cohort.collection.modality].bundle)
    return calibrated(network, cohort, Path(target), model.training)
