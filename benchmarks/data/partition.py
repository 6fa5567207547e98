"""Whose scans a benchmark may touch: the development patients of ``split.json``.

Only ``open_test_patients`` names the test patients.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dfd.errors import UsageError
from dfd.outputs.files import write_atomically

FOLDERS = {"ct_lung": "ct", "mri_chest": "mr"}
"""Modality -> key of ``split.json``, and what its files in runs are named by."""
COLLECTIONS = {"ct_lung": ("ct", "ct2"), "mri_chest": ("mr",)}
"""Modality -> folders below DFD_DATA that hold its patients."""
TRAINING_FOLDS = ("fold0", "fold2")
"""Folds that the shipped weights are trained on."""
VALIDATION_FOLDS = ("fold1",)
"""Fold on whose patients training is validated and calibrated, and numbers are measured until the
test patients are opened."""
ROOT = Path(__file__).resolve().parents[2]
SPLIT = ROOT / "benchmarks" / "split.json"
RECORD = "benchmarks/results/opened.json"
OPENED = ROOT / RECORD
"""When the test patients were opened, with which weights and code."""
SEED = 20261122
COMMITTED_NETWORKS = ROOT / "benchmarks" / "trained"
"""Networks of folds, attacks (``forgers``) and baselines as committed: what the committed numbers
were measured with."""


def data_root() -> Path:
    """The folder that DFD_DATA names.

    Raises:
        UsageError: the variable is not set, or names no folder.
    """
    named = os.environ.get("DFD_DATA", "")
    if not named or not Path(named).is_dir():
        raise UsageError(
            f"DFD_DATA is {named!r}, which is no folder; set it to the folder that holds ct and mr."
        )
    return Path(named).resolve()


def patients(
    modality: str, folds: Sequence[str] = (*TRAINING_FOLDS, *VALIDATION_FOLDS), split: Path = SPLIT
) -> list[str]:
    """Sorted names of the development patients of ``folds``.

    Raises:
        UsageError: a fold is not one of development.
    """
    invalid = sorted(set(folds) - {*TRAINING_FOLDS, *VALIDATION_FOLDS})
    if invalid:
        raise UsageError(
            f"{invalid[0]!r} is no fold of development; choose from "
            f"{', '.join((*TRAINING_FOLDS, *VALIDATION_FOLDS))}."
        )
    entries = json.loads(split.read_text(encoding="utf-8"))[FOLDERS[modality]]
    return sorted(name for name, entry in entries.items() if entry["side"] in folds)


def patient_folder(modality: str, patient: str, root: Path | None = None) -> Path:
    """Where a patient's scans lie; where they would, if they are not there."""
    places = [(root or data_root()) / folder / patient for folder in COLLECTIONS[modality]]
    return next((place for place in places if place.is_dir()), places[0])


def open_test_patients(
    modality: str,
    weights_sha256: str,
    *,
    confirmed: bool,
    record: Path = OPENED,
    split: Path = SPLIT,
) -> list[str]:
    """Sorted names of the patients kept for the test.

    They are looked at once, when all choices are frozen, and when that was is written down first.

    Args:
        modality: whose patients.
        weights_sha256: what they will be scored with.
        confirmed: whether the person asked for the test by name (``--test``).
        record: where date, commit and weights of every opening are kept.
        split: who stands on which side.

    Raises:
        UsageError: not confirmed, or what is about to be tested is not what is committed.
    """
    if not confirmed:
        raise UsageError(
            "The test patients are opened once, when all choices are frozen; ask for them "
            "with --test."
        )
    commit = frozen_commit()
    openings = json.loads(record.read_text(encoding="utf-8")) if record.exists() else []
    entry = {"modality": modality, "commit": commit, "weights_sha256": weights_sha256}
    if not any(
        entry.items() <= opening.items() for opening in openings
    ):  # a run that was killed may go on
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        write_atomically(
            record, (json.dumps([*openings, {"date": now, **entry}], indent=1) + "\n").encode()
        )
    entries = json.loads(split.read_text(encoding="utf-8"))[FOLDERS[modality]]
    return sorted(name for name, each in entries.items() if each["side"] == "test")


def network_file(kind: str, name: str) -> Path:
    """The file of a network that the benchmark trains.

    The one in runs where it was trained here, else the committed one, else the place in runs.

    Args:
        kind: ``folds``, ``forgers`` or ``baselines``.
        name: of the file.
    """
    own, committed = ROOT / "runs" / kind / name, COMMITTED_NETWORKS / kind / name
    return committed if committed.exists() and not own.exists() else own


def frozen_commit() -> str:
    """The commit that is checked out.

    Raises:
        UsageError: code or models differ from it, or there is none.
    """
    answers = [
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for words in (
            ("rev-parse", "HEAD"),
            # The record of openings changes with the first of several modalities.
            ("status", "--porcelain", "--", "benchmarks", "dfd", "bundles", f":(exclude){RECORD}"),
        )
    ]
    if any(one.returncode for one in answers) or answers[1].stdout.strip():
        raise UsageError(
            "The checkout differs from its commit, so what is tested would not be what is "
            "frozen; commit first."
        )
    return answers[0].stdout.strip()
