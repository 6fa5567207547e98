"""Which model scores whom.

A development patient is scored by a network not trained on that patient, everybody else by the
shipped one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import partition, scans
from benchmarks.data.scans import SelectedSeries
from benchmarks.models.cross_validation import FOLDS, model_of
from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir

TEST, OWN = "test", "own scans"


@dataclass(frozen=True)
class PatientGroup:
    """Patients that one model was not trained on."""

    name: str
    """Fold, ``TEST`` or ``OWN``."""
    modality: str
    model: str
    """File or folder of the model."""
    folders: Mapping[str, Path]
    """Patient -> where the scans lie, in order of names."""

    def select_series(self, per_series: int) -> list[SelectedSeries]:
        """Every series of the patients, with at most ``per_series`` slices each."""
        return [
            one
            for patient, folder in self.folders.items()
            for one in scans.of_patient(patient, folder, self.modality, per_series)
        ]


def of_folds(modality: str, folds: Sequence[str]) -> tuple[list[PatientGroup], list[str]]:
    """A group for each of ``folds`` whose model is there, and the folds that have no model yet.

    Raises:
        UsageError: none of them has one.
    """
    trained = [fold for fold in FOLDS if fold in folds and model_of(modality, fold).exists()]
    if not trained:
        raise UsageError(
            f"None of the folds {', '.join(folds)} has a model; train it with `python -m "
            f"benchmarks.models.cross_validation --modality {modality}`."
        )
    groups = [
        PatientGroup(fold, modality, str(model_of(modality, fold)), _development(modality, fold))
        for fold in trained
    ]
    return groups, [fold for fold in FOLDS if fold in folds and fold not in trained]


def _development(modality: str, fold: str) -> dict[str, Path]:
    return {
        name: partition.patient_folder(modality, name)
        for name in partition.patients(modality, (fold,))
    }


def of_test(modality: str, weights_sha256: str, *, confirmed: bool) -> PatientGroup:
    """The patients kept for the test and the shipped model.

    Raises as ``benchmarks.data.partition.open_test_patients``.
    """
    names = partition.open_test_patients(modality, weights_sha256, confirmed=confirmed)
    return PatientGroup(
        TEST,
        modality,
        shipped(modality),
        {name: partition.patient_folder(modality, name) for name in names},
    )


def of_folder(modality: str, folder: Path) -> PatientGroup:
    """Every sub-folder of ``folder`` as a patient, and the shipped model.

    Raises:
        UsageError: it is no folder, or holds none.
    """
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not inside:
        raise UsageError(
            f"{folder} holds no sub-folders; give a folder with one sub-folder of DICOM files "
            "for each patient."
        )
    return PatientGroup(OWN, modality, shipped(modality), {path.name: path for path in inside})


def shipped(modality: str) -> str:
    """Folder of the shipped model."""
    return str(bundle_dir(MODALITIES[modality].bundle))
