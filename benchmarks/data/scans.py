"""Slices of development patients, a few per series, as scoring would read them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import partition
from dfd.modalities import MODALITIES
from dfd.reading import read_series, read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import FloatImage, Slice, SliceRef
from dfd.suitability import objections

logger = logging.getLogger(__name__)

NOT_NAMED = "(not named)"


@dataclass(frozen=True)
class SelectedSeries:
    """One series of one patient: what its header says, and the slices that were chosen from it."""

    patient: str
    series: str
    """Folder and, where the folder holds several planes, their number."""
    scanner: str
    kernel: str
    """Reconstruction kernel, or for MR the sequence."""
    refs: tuple[SliceRef, ...]

    @property
    def maker(self) -> str:
        """First word of the scanner's name.

        Headers write one manufacturer in several ways ("GE MEDICAL SYSTEMS", "SIEMENS", "Siemens").
        """
        return NOT_NAMED if self.scanner == NOT_NAMED else self.scanner.split()[0].upper()


@dataclass(frozen=True)
class Scan:
    """One decoded slice."""

    source: SelectedSeries
    slice: Slice
    pixels: FloatImage
    """``[H, W]``, NaN where there is no measurement."""
    modality: str = "ct_lung"
    """Name in ``MODALITIES``."""

    @property
    def name(self) -> str:
        """Patient, series and file, unique among development slices."""
        return (
            f"{self.source.patient}/{self.source.series}/"
            f"{self.slice.ref.path.name}#{self.slice.ref.frame}"
        )


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` places, evenly spread.

    The middles of as many equal parts, since the ends of a series lack a neighbour.
    """
    number = min(count, most)
    return [int((place + 0.5) * count / number) for place in range(number)]


def select_series(modality: str, folds: Sequence[str], per_series: int) -> list[SelectedSeries]:
    """Every series of the development patients of ``folds``, with ``per_series`` slices at most."""
    names = partition.patients(modality, folds)
    return [
        one
        for name in names
        for one in of_patient(name, partition.patient_folder(modality, name), modality, per_series)
    ]


def of_patient(patient: str, folder: Path, modality: str, per_series: int) -> list[SelectedSeries]:
    """Every series below ``folder``, with at most ``per_series`` slices each."""
    result = []
    series, _ = read_series(folder)
    for number, one in enumerate(
        s for s in series if s.facts.modality == MODALITIES[modality].dicom_modality
    ):
        place = one.slices[0].path.parent
        planes = sum(other.slices[0].path.parent == place for other in series)
        name = str(place.relative_to(folder)) if place != folder else "."
        refs = tuple(one.slices[index] for index in spread(len(one.slices), per_series))
        scanner = f"{one.facts.manufacturer} {one.facts.model}".strip() or NOT_NAMED
        result.append(
            SelectedSeries(
                patient,
                f"{name} {number + 1}" if planes > 1 else name,
                scanner,
                one.facts.kernel or one.facts.sequence,
                refs,
            )
        )
    return result


def per_patient(series: Sequence[SelectedSeries], most: int) -> list[SelectedSeries]:
    """The same list with at most ``most`` slices per patient, spread over all series."""
    result = []
    for patient in sorted({one.patient for one in series}):
        pairs = [(one, ref) for one in series if one.patient == patient for ref in one.refs]
        spread_out = [pairs[index] for index in spread(len(pairs), most)]
        for one in series:
            refs = tuple(ref for owner, ref in spread_out if owner is one)
            if refs:
                result.append(
                    SelectedSeries(one.patient, one.series, one.scanner, one.kernel, refs)
                )
    return result


def load(series: Sequence[SelectedSeries], modality: str) -> Iterator[Scan]:
    """Decodes the chosen slices; those that scoring would refuse are left out and named."""
    for one in series:
        for ref in one.refs:
            scan = read_slice(Path(ref.path), ref.frame)
            against = objections(scan, MODALITIES[modality])
            if against.refusal or against.not_assessable:
                logger.warning(
                    "left out: %s/%s: %s",
                    one.patient,
                    one.series,
                    against.refusal or against.not_assessable,
                )
                continue
            yield Scan(one, scan, pixels_of(scan), modality)
