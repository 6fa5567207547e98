"""What a plan of many files needs of each: read in a millisecond, since slices of a series agree.

The headers of one series differ in few elements. What follows from the others, checks included, is
worked out once for each different header and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from dfd.reading.content import is_nifti
from dfd.reading.entries import GroupKey, entries_of, group_of
from dfd.reading.geometry import placement_of
from dfd.reading.guard import read_header, reading
from dfd.reading.header import HEADER_TAGS, facts_of, image_shape
from dfd.reading.header_values import text_of, value_of
from dfd.reading.raw_header import RawHeader, raw_header
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
_OWN = ("SOPInstanceUID", "ImagePositionPatient")
"""Elements whose values a summary does hold."""
_SOP_UID, _POSITION, _STUDY_DATE, _FRAMES = 0x0008_0018, 0x0020_0032, 0x0008_0020, 0x0028_0008
_NEEDED = frozenset({_SOP_UID, 0x0008_0060, 0x0020_000D, 0x0020_000E, 0x0028_0010, 0x0028_0011})
"""Without modality, UIDs and size a header was perhaps read wrongly."""
TAGS = (*HEADER_TAGS, _STUDY_DATE)
"""The elements that are read."""
_REMEMBERED = 4096
"""Different headers: series of one folder follow each other."""


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
        self._shared: dict[tuple[object, ...], HeaderSummary] = {}

    def of(self, path: Path) -> FileSummary:
        """The summary of a DICOM or NIfTI file.

        Raises:
            SeriesError: it cannot be read, or holds no greyscale image.
        """
        if is_nifti(path):
            return _of_volume(path)
        raw = raw_header(path, TAGS)
        signature = () if raw is None else _signature(raw, path)
        if raw is not None and signature in self._shared:
            uid, place = (_text(raw.elements.get(tag)) for tag in (_SOP_UID, _POSITION))
            return FileSummary(self._shared[signature], uid, 1, place)
        header = read_header(path, TAGS)
        with reading(path):
            if "NumberOfFrames" in header:
                return _of_frames(path, header)
            shared = _summarised(header, path)
            uid, place = (text_of(value_of(header, word)) for word in _OWN)
            if signature:
                self._remember(signature, shared)
            return FileSummary(shared, uid, 1, place)

    def _remember(self, signature: tuple[object, ...], shared: HeaderSummary) -> None:
        if len(self._shared) >= _REMEMBERED:
            self._shared.clear()
        self._shared[signature] = shared


def _signature(raw: RawHeader, path: Path) -> tuple[object, ...]:
    """What decides about a summary; empty where a file may hold several frames or sequences."""
    elements = raw.elements
    if _FRAMES in elements or not elements.keys() >= _NEEDED:
        return ()
    parts = tuple(
        (tag, bool(value) if tag in _VARYING else value) for tag, value in elements.items()
    )
    return (path.parent, raw.syntax, *parts)


def _text(value: bytes | None) -> str:
    """Text of UIDs and numbers, as ``text_of`` gives it."""
    parts = (value or b"").decode("ascii", "replace").split("\\")
    return "\\".join(part.strip().strip("\0") for part in parts)


def _summarised(header: Dataset, path: Path) -> HeaderSummary:
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
