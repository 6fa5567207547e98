"""Trains the networks of cross-fitting: one for each development fold, which learns from the other two and is calibrated on its own.

    python -m benchmarks.folds --modality ct_lung                # all folds but that of the shipped weights; hours, resumable
    python -m benchmarks.folds --modality ct_lung --fold fold0

Every development patient is thus scored by a network that did not see him. The training is that of `dfd train`, as long as that of the shipped
weights; the network of fold1 is the shipped one. Results: runs/folds/<ct|mr>_<fold>.ckpt.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import command, sides
from benchmarks.development import default_output, link
from dfd.modalities import MODALITIES
from dfd.places import bundle_dir
from dfd.workflow import run_config

EPOCHS = 63
"""What the shipped weights were trained for."""
FOLDS = tuple(sorted((*sides.LEARNED, *sides.LEFT_OUT)))


def model_of(modality: str, fold: str) -> Path:
    """The model that did not see the patients of ``fold``: the shipped bundle for its own fold, else the file that training leaves."""
    if fold in sides.LEFT_OUT:
        return bundle_dir(MODALITIES[modality].bundle)
    return sides.ROOT / "runs" / "folds" / f"{sides.FOLDERS[modality]}_{fold}.ckpt"


def train(modality: str, fold: str, epochs: int) -> Path:
    """Trains the network of ``fold``, or goes on where an earlier run stopped; what is done is left alone."""
    target = model_of(modality, fold)
    if target.exists():
        return target
    links = default_output(modality)
    link(modality, links)
    settings = {"data_path": str(links), "model_path": str(target), "validation_patients": sides.patients(modality, (fold,)), "max_epochs": epochs}
    run_config(bundle_dir(MODALITIES[modality].bundle), "train", settings)
    return target


def main() -> None:
    parser = command.parser(__doc__, model=False)
    parser.add_argument("--fold", choices=sides.LEARNED, action="append", help="only this one (default: each that is not shipped)")
    arguments = parser.parse_args()
    for fold in arguments.fold or sides.LEARNED:
        print(f"{train(arguments.modality, fold, 1 if arguments.quick else EPOCHS)} does not know the patients of {fold}")


if __name__ == "__main__":
    command.end(main)
