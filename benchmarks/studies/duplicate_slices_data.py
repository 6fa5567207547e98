"""The slices of the study of duplicates, and who may be looked at."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import partition, scans
from benchmarks.data.volumes import ALL_SLICES
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import FloatImage, SliceRef
from dfd.repository import duplicate_match, fingerprint, pixel_check
from dfd.repository.duplicate_match import Lie
from dfd.repository.fingerprint import measure_fingerprint

FOLDERS = {"ct": "ct_lung", "ct2": "ct_lung", "mr": "mri_chest"}
QUICK_PATIENTS = 2
CODE = [Path(module.__file__ or "") for module in (fingerprint, pixel_check, duplicate_match)]
"""What the slices are measured with."""


@dataclass(frozen=True)
class Measured:
    """A slice with a fingerprint."""

    folder: str
    patient: str
    series: str
    held_out: bool
    thickness_mm: float
    lie: Lie
    ref: SliceRef
    pixels: FloatImage
    bits: NDArray[np.uint8]


def patients_of(folder: str, *, test: bool) -> dict[str, bool]:
    """Patient -> whether held out, of those that may be looked at.

    Raises:
        UsageError: what is about to be tested is not what is committed.
    """
    modality = FOLDERS[folder]
    if partition.FOLDERS[modality] != folder:
        names = [path.name for path in (partition.data_root() / folder).iterdir() if path.is_dir()]
        return dict.fromkeys(names, False)
    names = partition.patients(modality)
    sides = dict.fromkeys(names, False)
    if test:
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in CODE)).hexdigest()
        held_out = partition.open_test_patients(modality, digest, confirmed=test)
        sides |= dict.fromkeys(held_out, True)
    return sides


def measured_slices(*, test: bool, quick: bool) -> tuple[list[Measured], dict[str, int]]:
    """All slices with a fingerprint, and how many have none, by reason.

    With ``test`` only those of patients held out are counted.
    """
    slices: list[Measured] = []
    without: Counter[str] = Counter()
    for folder, modality in FOLDERS.items():
        sides = patients_of(folder, test=test)
        for patient in sorted(sides)[: QUICK_PATIENTS if quick else None]:
            place = partition.data_root() / folder / patient
            for series in scans.of_patient(patient, place, modality, ALL_SLICES):
                for ref in series.refs:
                    found = _measured(folder, series, ref, held_out=sides[patient])
                    if isinstance(found, str):
                        without[found] += sides[patient] or not test
                    else:
                        slices.append(found)
    return slices, dict(without)


def _measured(
    folder: str, series: scans.SelectedSeries, ref: SliceRef, *, held_out: bool
) -> Measured | str:
    """A slice, or why it has no fingerprint."""
    scan = read_slice(ref.path, ref.frame)
    pixels = pixels_of(scan)
    found = measure_fingerprint(pixels)
    if found.bits is None:
        return found.reason
    thickness = scan.facts.thickness_mm
    name = f"{series.patient}/{series.series}"
    lie = Lie(scan.facts.plane, ref.position_mm, thickness)
    owner = folder, series.patient, name, held_out
    return Measured(*owner, thickness or 0.0, lie, ref, pixels, np.frombuffer(found.bits, np.uint8))
