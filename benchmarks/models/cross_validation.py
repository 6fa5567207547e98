"""Trains one network for each development fold, on the other two, and calibrates it on its own.

    python -m benchmarks.models.cross_validation --modality ct_lung              # hours, resumable
    python -m benchmarks.models.cross_validation --modality ct_lung --fold fold0
    python -m benchmarks.models.cross_validation --modality ct_lung --calibrate  # shipped weights

Every development patient is thus scored by a network not trained on that patient. The training is
that of `dfd train`, as long as that of the shipped weights; the network of fold1 is the shipped
one. Results: runs/folds/<ct|mr>_<fold>.ckpt; those that the committed numbers stand on lie in
benchmarks/trained/folds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.data import partition
from benchmarks.models import registry, stages
from benchmarks.models.training_folder import default_output, link
from benchmarks.runner import cli
from dfd import calibration
from dfd.assessment.calibrate import calibration_of
from dfd.assessment.cohort import Cohort
from dfd.assessment.genuine_sample import measured_on
from dfd.bundle.datalists import collect
from dfd.calibration import Calibration
from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir
from dfd.models import model_file
from dfd.outputs.files import write_atomically
from dfd.workflow import run_config

FOLDS = tuple(sorted((*partition.TRAINING_FOLDS, *partition.VALIDATION_FOLDS)))


def model_of(modality: str, fold: str) -> Path:
    """The model that was not trained on the patients of ``fold``.

    The shipped bundle for its own fold, else the file that training leaves.
    """
    if fold in partition.VALIDATION_FOLDS:
        return bundle_dir(MODALITIES[modality].bundle)
    return partition.network_file("folds", f"{partition.FOLDERS[modality]}_{fold}.ckpt")


def train(modality: str, fold: str, arguments: argparse.Namespace) -> Path:
    """Trains the network of ``fold``, or goes on where an earlier run stopped.

    What is done is left alone. ``arguments``: of the command line.
    """
    target = partition.ROOT / "runs" / "folds" / f"{partition.FOLDERS[modality]}_{fold}.ckpt"
    if target.exists():
        return target
    links = default_output(modality)
    link(modality, links)
    settings = {
        "data_path": str(links),
        "model_path": str(target),
        "validation_patients": partition.patients(modality, (fold,)),
        **stages.settings(arguments),
    }
    if arguments.keep_predictor:
        stages.keep_predictor(model_of(modality, fold), Path(f"{target}.training"))
    run_config(bundle_dir(MODALITIES[modality].bundle), "train", settings)
    return target


def in_order(modality: str) -> list[str]:
    """Names of the patients behind ``cross_fitted``, as they stand in its tables."""
    return [name for fold in FOLDS for name in partition.patients(modality, (fold,))]


def standing(modality: str, calibration: Calibration) -> list[str]:
    """Names of the patients behind a shipped calibration, as they stand in its tables.

    All development patients, or those of its own fold.

    Raises:
        UsageError: it stands on others.
    """
    for names in (in_order(modality), partition.patients(modality, partition.VALIDATION_FOLDS)):
        if calibration.patients == len(names):
            return names
    raise UsageError(
        f"the calibration stands on {calibration.patients} patients, and nobody knows which; "
        "fit it "
        f"anew with --modality {modality} --calibrate."
    )


def cross_fitted(modality: str) -> Calibration:
    """The calibration of the shipped weights by all development patients.

    Each measured by the network of the fold that left the patient out.

    Raises:
        UsageError: a fold's network is not there yet.
    """
    missing = [fold for fold in FOLDS if not model_of(modality, fold).exists()]
    if missing:
        raise UsageError(
            f"the network of {missing[0]} is not there; train it first with --modality "
            f"{modality} --fold {missing[0]}."
        )
    links = default_output(modality)
    link(modality, links)
    collection = collect(links, modality)
    parts = []
    for fold in FOLDS:
        network = registry.load(str(model_of(modality, fold)), modality).network
        parts.append(
            measured_on(
                network, Cohort(collection, partition.patients(modality, (fold,)), partition.SEED)
            )
        )
    return calibration_of(parts, modality, registry.load(None, modality).model.sha256)


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="put the cross-fitted calibration into the bundle, and train nothing",
    )
    parser.add_argument(
        "--fold",
        choices=FOLDS,
        action="append",
        help="only this one (default: each that is not shipped)",
    )
    stages.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.calibrate:
        target = bundle_dir(MODALITIES[arguments.modality].bundle) / model_file.SHIPPED_CALIBRATION
        fitted_calibration = cross_fitted(arguments.modality)
        write_atomically(
            target, (json.dumps(calibration.to_json(fitted_calibration)) + "\n").encode()
        )
        print(f"{target} stands on {fitted_calibration.patients} patients")
        return
    for fold in arguments.fold or partition.TRAINING_FOLDS:
        print(f"{train(arguments.modality, fold, arguments)} does not know the patients of {fold}")


if __name__ == "__main__":
    cli.end(main)
