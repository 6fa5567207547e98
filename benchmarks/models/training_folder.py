"""A folder of symbolic links to the development patients, to train the shipped weights from.

    python -m benchmarks.models.training_folder --modality ct_lung --output runs/dev_ct

Prints the patients of fold1, who are left out of training for validation and calibration. Test
patients are never linked.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import partition
from benchmarks.runner import cli
from dfd.errors import UsageError


def link(modality: str, output: Path) -> list[str]:
    """Links every development patient into ``output``; gives those left out of training.

    What is linked already stays.

    Raises:
        UsageError: a patient's scans are not there, or ``output`` holds anything but these links (a
            patient of the test, say).
    """
    names = partition.patients(modality)
    output.mkdir(parents=True, exist_ok=True)
    foreign = sorted({path.name for path in output.iterdir()} - set(names))
    if foreign:
        raise UsageError(
            f"{output} also holds {foreign[0]!r}, which is no development patient; name an "
            "empty folder."
        )
    for name in names:
        source = partition.patient_folder(modality, name)
        if not source.is_dir():
            raise UsageError(f"{source} is not there, though split.json names it; check DFD_DATA.")
        place = output / name
        if place.is_symlink() and place.resolve() != source:
            place.unlink()
        if not place.exists():
            place.symlink_to(source, target_is_directory=True)
    return partition.patients(modality, partition.VALIDATION_FOLDS)


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--output", type=Path, help="folder to make (default: runs/dev_ct or runs/dev_mr)"
    )
    arguments = parser.parse_args()
    output = arguments.output or default_output(arguments.modality)
    left_out = link(arguments.modality, output)
    print(
        f"{len(partition.patients(arguments.modality))} development patients are linked in "
        f"{output}; left out of training are:"
    )
    print("\n".join(left_out))


def default_output(modality: str) -> Path:
    """Where the links of a modality lie."""
    return partition.ROOT / "runs" / f"dev_{partition.FOLDERS[modality]}"


if __name__ == "__main__":
    cli.end(main)
