"""What a plan of many files needs of each: read in a millisecond, since slices of a series agree.

The headers of one series differ in few elements. What follows from the others, checks included, is
worked out once for each different header and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from dfd.reading.content import is_nifti
from dfd.reading.entries import GroupKey, entries_of, group_of
from dfd.reading.geometry import placement_of
from dfd.reading.guard import read_header, reading
from dfd.reading.header import HEADER_TAGS, facts_of, image_shape
from dfd.reading.header_values import text_of, value_of
from dfd.records import ScanFacts

_VARYING = frozenset(
    tag_for_keyword(word)
    for word in (
        "SOPInstanceUID",
        "FrameOfReferenceUID",
        "InstanceNumber",
        "ImagePositionPatient",
        "AcquisitionDate",
        "AcquisitionTime",
        "AcquisitionDateTime",
        "TriggerTime",
        "TemporalPositionIdentifier",
        "RescaleSlope",
        "RescaleIntercept",
    )
)
"""Elements that differ from slice to slice, and of which a summary holds no value; that they are
there counts."""
_STUDY_DATE = 0x0008_0020
_TAGS = (*HEADER_TAGS, _STUDY_DATE)
_REMEMBERED = 4096
"""Different headers: series of one folder follow each other."""

_Signature: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class HeaderSummary:
    """What all slices with such a header share."""

    group: GroupKey
    facts: ScanFacts
    orientation: tuple[float, ...]
    """Direction cosines of the frames, six for each different orientation; empty where unknown."""
    study_date: str
    """As the header writes it: YYYYMMDD."""


@dataclass(frozen=True, slots=True)
class FileSummary:
    """One file of a repository."""

    header: HeaderSummary
    sop_uid: str
    slices: int
    place: str
    """Position of a single slice as the header writes it, to be compared and never shown."""


class HeaderSummaries:
    """Reads one file after another; what headers share is worked out once."""

    def __init__(self) -> None:
        self._shared = lru_cache(_REMEMBERED)(_summarised)

    def of(self, path: Path) -> FileSummary:
        """The summary of a DICOM or NIfTI file.

        Raises:
            SeriesError: it cannot be read, or holds no greyscale image.
        """
        if is_nifti(path):
            return _of_volume(path)
        header = read_header(path, _TAGS)
        with reading(path):
            signature = _signature(header, path)
            if signature is None:
                return _of_frames(path, header)
            # The header is no part of what is compared: any of one signature says the same.
            shared = self._shared(signature, _Unseen(header, path))
            place = text_of(value_of(header, "ImagePositionPatient"))
            return FileSummary(shared, text_of(value_of(header, "SOPInstanceUID")), 1, place)


class _Unseen:
    """A header on its way through the cache, to which all of them are equal."""

    def __init__(self, header: Dataset, path: Path) -> None:
        self.header, self.path = header, path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unseen)

    def __hash__(self) -> int:
        return 0


def _signature(header: Dataset, path: Path) -> _Signature | None:
    """What decides about a summary; None where a file may hold several frames."""
    if "NumberOfFrames" in header:
        return None
    parts: list[object] = [str(path.parent), str(header.file_meta.get("TransferSyntaxUID", ""))]
    for tag in header.keys():  # noqa: SIM118 - iterating a data set decodes its elements
        element = header.get_item(tag)
        value = element.value
        if not isinstance(element, RawDataElement):
            if element.VR == "SQ":
                return None
            value = str(value)  # of the character set, which is decoded at once
        parts.append((int(tag), bool(value) if int(tag) in _VARYING else value))
    return tuple(parts)


def _summarised(_: _Signature, unseen: _Unseen) -> HeaderSummary:
    header, path = unseen.header, unseen.path
    shape = image_shape(header, path)
    facts = facts_of(header, path)
    group = group_of(header, shape, facts, path)
    return HeaderSummary(group, facts, placement_of(header, 0).orientation, _date_of(header))


def _of_frames(path: Path, header: Dataset) -> FileSummary:
    """Of a file that may hold several frames, all looked at."""
    entries = entries_of(path)
    first = entries[0]
    orientations = sorted({entry.placement.orientation for entry in entries})
    flat = tuple(cosine for orientation in orientations for cosine in orientation)
    shared = HeaderSummary(first.group, first.facts, flat, _date_of(header))
    place = repr(first.placement.corner_mm) if len(entries) == 1 else ""
    return FileSummary(shared, first.sop_uid, len(entries), place)


def _of_volume(path: Path) -> FileSummary:
    """Of a NIfTI volume, which is a series of its own."""
    from dfd.reading.nifti import read_nifti_series  # nibabel: for such files only

    series = read_nifti_series(path)
    group = ("", f"{path}\n", 0, 0, "", series.facts.patient_hash, "")
    shared = HeaderSummary(group, series.facts, series.orientation, "")
    return FileSummary(shared, "", len(series.slices), "")


def _date_of(header: Dataset) -> str:
    return text_of(value_of(header, "StudyDate"))
