"""Makes the shipped weights.

Trains on fold0 and fold2, validates and calibrates on fold1, and puts the result into the bundle.

    python -m benchmarks.models.release --modality ct_lung
    python -m benchmarks.models.release --modality ct_lung --unpack-only
    python -m benchmarks.models.release --modality ct_lung --until predictor  # a part of it
    python -m benchmarks.models.release --modality ct_lung --recalibrate    # fits the calibration

The training is that of `dfd train`, with the patients left out named rather than chosen. It resumes
where its state lies in runs/<ct|mr>.ckpt.training. Written into the bundle: models/model.pt (bare
state dict), models/calibration.json, docs/history.csv.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import torch

from benchmarks.data import partition
from benchmarks.models import stages
from benchmarks.models.training_folder import default_output, link
from benchmarks.runner import cli
from dfd.errors import BundleError
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir
from dfd.models import model_file
from dfd.outputs.files import write_atomically
from dfd.workflow import run_config

LARGEST_BYTES = 16 * 2**20
"""What a shipped weights file may weigh."""


def unpack(checkpoint: Path, bundle: Path) -> None:
    """Puts weights, calibration and curve of ``checkpoint`` into the folder ``bundle``.

    ``checkpoint`` is a ``.ckpt`` of training.

    Killed halfway it leaves weights without their calibration, which every reader refuses; run it
    again.

    Raises:
        BundleError: the checkpoint belongs to another bundle, has no calibration, or is too large
            to ship.
    """
    model = model_file.load(checkpoint)
    if model.bundle != bundle.name:
        raise BundleError(
            f"{checkpoint} was trained as {model.bundle!r} and not as {bundle.name!r}; name "
            "the checkpoint of that bundle."
        )
    if model.calibration is None:
        raise BundleError(
            f"{checkpoint} has no calibration, so it gives no p-values and is not shipped; "
            "train with patients left out."
        )
    stream = io.BytesIO()
    torch.save(
        {name: tensor.detach().cpu().clone() for name, tensor in model.weights.items()}, stream
    )
    if stream.tell() > LARGEST_BYTES:
        raise BundleError(
            f"the weights in {checkpoint} take {stream.tell()} bytes and {LARGEST_BYTES} may "
            "be shipped; train a smaller network."
        )
    for file in (model_file.SHIPPED_WEIGHTS, stages.HISTORY):
        (bundle / file).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(bundle / model_file.SHIPPED_WEIGHTS, stream.getvalue())
    write_atomically(
        bundle / model_file.SHIPPED_CALIBRATION, (json.dumps(model.calibration) + "\n").encode()
    )
    if model.training.get(
        "history"
    ):  # weights that were only calibrated anew keep the curve they came with
        write_atomically(bundle / stages.HISTORY, stages.history_csv(model.training["history"]))
    model_file.load(bundle)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--unpack-only",
        action="store_true",
        help="take runs/<ct|mr>.ckpt as it is and train nothing",
    )
    stages.add_arguments(parser)
    parser.add_argument(
        "--recalibrate",
        action="store_true",
        help="fit the calibration of the shipped weights anew and train nothing",
    )
    return parser.parse_args()


def make_checkpoint(arguments: argparse.Namespace, bundle: Path, checkpoint: Path) -> None:
    """Trains the weights, or only the head or the calibration of the shipped ones."""
    links = default_output(arguments.modality)
    left_out = link(arguments.modality, links)
    settings: dict[str, object] = {"data_path": str(links)}
    if arguments.recalibrate:
        settings |= {"model_path": str(bundle), "output_path": str(checkpoint)}
        run_config(bundle, "evaluate", {**settings, "patients": left_out})
        return
    settings |= {"model_path": str(checkpoint), **stages.settings(arguments)}
    if arguments.keep_predictor:
        stages.keep_predictor(bundle, Path(f"{checkpoint}.training"))
    patients = left_out[:1] if arguments.quick else left_out
    run_config(bundle, "train", {**settings, "validation_patients": patients})


def main() -> None:
    arguments = parse_arguments()
    bundle = bundle_dir(MODALITIES[arguments.modality].bundle)
    name = f"{'quick_' if arguments.quick else ''}{partition.FOLDERS[arguments.modality]}.ckpt"
    checkpoint = partition.ROOT / "runs" / name
    if not arguments.unpack_only:
        make_checkpoint(arguments, bundle, checkpoint)
    if arguments.quick:
        print(f"{checkpoint} was trained for a check and is not shipped")
        return
    if arguments.until and not arguments.unpack_only:
        print(f"{checkpoint} is trained up to its {arguments.until}; go on without --until")
        return
    unpack(checkpoint, bundle)
    print(f"{bundle} now ships {model_file.load(bundle).sha256}")


if __name__ == "__main__":
    cli.end(main)
