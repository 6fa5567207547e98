"""Genuine slices of a folder, by patient, and the patients on whom a network is calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Collection:
    """Slices of a folder of genuine scans, by patient."""

    items: tuple[dict[str, Any], ...]
    """Each with ``image`` (path), ``frame`` (zero-based or None), ``patient``, ``group`` (scanner
    and kernel), ``series`` and ``stack`` (numbers; the slices of a stack of a series lie beside
    each other, in order)."""
    modality: str

    @property
    def patients(self) -> list[str]:
        """Sorted names."""
        return sorted({item["patient"] for item in self.items})

    def of(self, patients: Sequence[str]) -> list[dict[str, Any]]:
        """Items of these patients."""
        wanted = set(patients)
        return [item for item in self.items if item["patient"] in wanted]


@dataclass(frozen=True)
class Cohort:
    """Patients of a folder whom a network has not seen, on whom it is calibrated."""

    collection: Collection
    patients: Sequence[str]
    seed: int
    """Decides which of their regions are drawn."""


def patients_of(
    paths: Sequence[Path], hashes: Sequence[str], root: Path, studies: Sequence[str] = ()
) -> list[str]:
    """The patient each file belongs to: its folder directly below ``root``.

    Folders that share a PatientID or a study are one patient, named as the first: a study is of one
    patient, whatever an anonymiser made of the PatientID. Where all files carry the same PatientID
    it says nothing (exporters write one constant), and so with the study. Of files beside the
    folders only ``hashes`` count.

    Args:
        paths: Of the files.
        hashes: Of the PatientID of each.
        root: The folder of all.
        studies: StudyInstanceUID of each; empty where there is none.
    """
    below = [path.relative_to(root).parts for path in paths]
    folders = [parts[0] if len(parts) > 1 else "" for parts in below]
    hashes, studies = _distinguishing(hashes), _distinguishing(studies or [""] * len(paths))
    identities = list(zip(folders, hashes, studies, strict=True))
    clusters: list[set[tuple[str, str, str]]] = []
    for one in sorted(set(identities)):
        tied = [
            cluster for cluster in clusters if any(_same_patient(one, other) for other in cluster)
        ]
        clusters = [cluster for cluster in clusters if cluster not in tied] + [{one}.union(*tied)]
    name = {
        one: min((not folder, folder or patient) for folder, patient, _ in cluster)[1]
        for cluster in clusters
        for one in cluster
    }
    return [name[one] for one in identities]


def _distinguishing(values: Sequence[str]) -> list[str]:
    """``values``, or nothing at all where no two of them differ."""
    return list(values) if len({value for value in values if value}) > 1 else [""] * len(values)


def _same_patient(one: tuple[str, str, str], other: tuple[str, str, str]) -> bool:
    """Whether two (folder, PatientID, study) have one in common; empty ones do not count."""
    return any(left and left == right for left, right in zip(one, other, strict=True))
