"""Whose scans a benchmark may touch: the development patients of ``split.json``. Nothing here can name a patient who is kept for the test."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from dfd.errors import UsageError

FOLDERS = {"ct_lung": "ct", "mri_chest": "mr"}
"""Modality -> folder below DFD_DATA and key of ``split.json``."""
LEARNED = ("fold0", "fold2")
"""Folds that the shipped weights are trained on."""
LEFT_OUT = ("fold1",)
"""Fold on whose patients training is validated and calibrated, and numbers are told until the test patients are opened."""
ROOT = Path(__file__).resolve().parent.parent
SPLIT = Path(__file__).with_name("split.json")
SEED = 20261122


def data_root() -> Path:
    """The folder that DFD_DATA names.

    Raises:
        UsageError: the variable is not set, or names no folder.
    """
    named = os.environ.get("DFD_DATA", "")
    if not named or not Path(named).is_dir():
        raise UsageError(f"DFD_DATA is {named!r}, which is no folder; set it to the folder that holds ct and mr.")
    return Path(named).resolve()


def patients(modality: str, folds: Sequence[str] = (*LEARNED, *LEFT_OUT), split: Path = SPLIT) -> list[str]:
    """Sorted names of the development patients of ``folds``.

    Raises:
        UsageError: a fold is not one of development.
    """
    strange = sorted(set(folds) - {*LEARNED, *LEFT_OUT})
    if strange:
        raise UsageError(f"{strange[0]!r} is no fold of development; choose from {', '.join((*LEARNED, *LEFT_OUT))}.")
    entries = json.loads(split.read_text(encoding="utf-8"))[FOLDERS[modality]]
    return sorted(name for name, entry in entries.items() if entry["side"] in folds)


def patient_folder(modality: str, patient: str, root: Path | None = None) -> Path:
    """Where a patient's scans lie."""
    return (root or data_root()) / FOLDERS[modality] / patient
