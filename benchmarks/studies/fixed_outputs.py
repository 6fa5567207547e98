"""Outputs of a fixed set of runs, to show that a change of the code changes no number.

    python -m benchmarks.studies.fixed_outputs --output runs/fixed/before    # at one commit
    python -m benchmarks.studies.fixed_outputs --output DIR --reference OTHER

Runs: the demonstration; points of one CT series with and without its neighbouring slices; points of
one MR study; one screened slice of each modality; one calibration and one short training on
phantoms. Compared are all files byte for byte, but for run.log, for paths and times of report.html,
and for what run.json says of time and place. Scans come from the folder that DFD_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.data.partition import ROOT
from dfd.errors import DfdError, PointsError
from dfd.models import model_file
from dfd.phantom import write_ct_series

CT_SERIES = "ct/lidc0001"
"""Slices 2.5 mm apart with their neighbours, below DFD_DATA."""
MR_PATIENTS = "mr"
POINTS = ((200, 200), (300, 260), (256, 330), (180, 300))
"""(X, Y) in pixels."""
MR_POINTS = ((100, 100), (130, 140))
_VOLATILE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(\+00:00| UTC)?|runs/fixed/\w+")


def data_root() -> Path:
    """Folder of the real scans.

    Raises:
        PointsError: DFD_DATA names none.
    """
    root = Path(os.environ.get("DFD_DATA", ""))
    if not root.name or not root.is_dir():
        raise PointsError("DFD_DATA names no folder with scans; set it")
    return root


def points_file(
    path: Path, folder: Path, places: tuple[tuple[int, int], ...], *, screened: bool
) -> Path:
    """Points in slices from the middle of a folder.

    The last row asks about a whole slice where ``screened``.
    """
    files = sorted(each for each in folder.rglob("*.dcm"))
    middle = len(files) // 2
    rows = [
        f"{files[middle + number % 2].relative_to(folder)},{x},{y}"
        for number, (x, y) in enumerate(places)
    ]
    if screened:
        rows.append(f"{files[middle].relative_to(folder)},,")
    path.write_text("\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8")
    return path


def dfd(*words: object) -> None:
    """Runs the command line.

    Raises:
        DfdError: it fails.
    """
    line = [sys.executable, "-m", "dfd", *map(str, words)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, cwd=ROOT)
    if ended.returncode:
        raise DfdError(f"{' '.join(line)} ends with {ended.returncode}: {ended.stderr[-400:]}")


def make(output: Path) -> None:
    """Does all the runs."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    dfd("demo", "--output", output / "demo")
    score_scans(output)
    train_on_phantoms(output)


def score_scans(output: Path) -> None:
    """Scores points and slices of one CT series and of one MR study."""
    root = data_root()
    ct = root / CT_SERIES
    points = points_file(output / "ct.csv", ct, POINTS, screened=True)
    for name, more in (("ct", ()), ("ct_lone", ("--lone",))):
        dfd("score", "--data", ct, "--points", points, "--output", output / name, *more)
    mr = sorted(each for each in (root / MR_PATIENTS).iterdir() if each.is_dir())[0]
    points = points_file(output / "mr.csv", mr, MR_POINTS, screened=True)
    model = ("--model", "mri_chest_inpainting")
    dfd("score", "--data", mr, "--points", points, "--output", output / "mr", *model)


def train_on_phantoms(output: Path) -> None:
    """Calibrates the shipped model, and trains another for an epoch, on four phantoms."""
    scans = output / "phantoms"
    for seed in range(4):
        write_ct_series(scans / f"p{seed}", seed=seed, slices=3, patient=f"p{seed}", size=160)
    calibrated, trained = output / "calibrated.ckpt", output / "trained.ckpt"
    model = ("--model", "ct_lung_inpainting")
    dfd("calibrate", "--data", scans, *model, "--output", calibrated)
    dfd("train", "--data", scans, "--model", trained, "--epochs", 1, "--batch-size", 32)


def content(path: Path) -> object:
    """What of a file must not change."""
    if path.name in {"run.log", "trained.ckpt.training"} or ".training" in str(path):
        return None
    if path.name == "run.json":
        record = json.loads(path.read_bytes())
        fields = ("counts", "verdicts", "weights_sha256", "calibration_sha256")
        return {name: record.get(name) for name in fields}
    if path.suffix == ".ckpt":  # its history says how many seconds each epoch took
        model = model_file.load(path)
        return model.sha256, model.calibration
    if path.suffix == ".html":
        return _VOLATILE.sub("", path.read_text(encoding="utf-8"))
    return path.read_bytes()


def differences(output: Path, reference: Path) -> Iterator[str]:
    """Names of files that differ, or that one of both folders lacks."""
    names = {
        path.relative_to(folder)
        for folder in (output, reference)
        for path in folder.rglob("*")
        if path.is_file()
    }
    for name in sorted(names):
        pair = [folder / name for folder in (output, reference)]
        if not all(path.exists() for path in pair) or content(pair[0]) != content(pair[1]):
            yield name.as_posix() + differing_columns(*pair)


def differing_columns(one: Path, other: Path) -> str:
    """Of two CSV files with as many rows, the columns that differ; else an empty text."""
    if one.suffix != ".csv" or not (one.exists() and other.exists()):
        return ""
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in (one, other)]
    if tables[0].shape != tables[1].shape or list(tables[0]) != list(tables[1]):
        return " (other rows or columns)"
    columns = [str(name) for name in tables[0] if not tables[0][name].equals(tables[1][name])]
    return f" (columns {', '.join(columns)})"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="where the outputs go"
    )
    parser.add_argument("--reference", type=Path, metavar="DIR", help="outputs of another commit")
    arguments = parser.parse_args()
    make(arguments.output)
    if arguments.reference is not None:
        changed = list(differences(arguments.output, arguments.reference))
        print("\n".join(changed) or "no file differs")
        sys.exit(bool(changed))


if __name__ == "__main__":
    main()
