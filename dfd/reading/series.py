"""Files to series: grouped, split by orientation, ordered by position; gaps are named and never filled."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydicom import Dataset

from dfd.errors import SeriesError
from dfd.reading.content import is_dicom, is_nifti
from dfd.reading.files import find_files
from dfd.reading.guard import read_header, reading
from dfd.reading.header import (
    HEADER_TAGS,
    STUDY_TAGS,
    Placement,
    facts_of,
    frame_value,
    image_shape,
    moment_of,
    normal_of,
    number_of,
    placement_of,
    position_of,
    text_of,
    value_of,
)
from dfd.reading.nifti import read_nifti_series
from dfd.records import ScanFacts, Series, Skipped, SliceRef

SAME_ORIENTATION = 0.005
"""Largest difference of a direction cosine within one series (0.3 degrees): headers are rounded, planes of a localizer are not that near."""

SAME_POSITION_MM = 0.01
"""Slices nearer than this lie at one place; the finest reconstructions are 0.1 mm apart."""

GAP_FACTOR = 1.5
"""A distance of more than this many usual distances is a gap."""

AXIAL_COSINE = 0.8
"""A CT plane whose normal is farther from the patient's long axis (37 degrees; gantries tilt up to 30) was not scanned axially."""

FILES_TRIED = 8
"""Names of a folder among which its first DICOM file is sought."""

_OrderKey: TypeAlias = tuple[tuple[bool, float | str], ...]
_GroupKey: TypeAlias = tuple[str, str, int, int]
"""SeriesInstanceUID, the folder where there is no UID, rows, columns."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One frame as its header describes it."""

    path: Path
    frame: int
    sop_uid: str
    group: _GroupKey
    placement: Placement
    order: _OrderKey
    """What tells phases at one place apart, in order of trust; the last part makes it unique."""
    facts: ScanFacts
    acquired: str
    study: tuple[str, str]
    """StudyInstanceUID and FrameOfReferenceUID."""


def read_series(folder: Path) -> tuple[list[Series], list[Skipped]]:
    """Every series below ``folder`` from headers alone, and the files that hold none.

    One series is one SeriesInstanceUID (the file's folder where there is none), one matrix size and one orientation. Slices are ordered by
    phase, then by position along the normal (by InstanceNumber where there is no position). Several slices at one position are phases, in
    the order of temporal position, acquisition time, trigger time and InstanceNumber. A file that repeats a SOPInstanceUID is left out with a
    remark; missing slices are named in a remark. Each frame of a multi-frame file is a slice; each NIfTI volume is a series.

    Raises:
        SeriesError: ``folder`` cannot be listed. A file that cannot be read is a ``Skipped``.
    """
    groups: dict[_GroupKey, list[_Entry]] = defaultdict(list)
    found: list[Series] = []
    skipped: list[Skipped] = []
    for path in find_files(folder):
        try:
            if is_nifti(path):
                found.append(read_nifti_series(path))
                continue
            for entry in _entries(path):
                groups[entry.group].append(entry)
        except SeriesError as error:
            skipped.append(Skipped(path, str(error)))
    for key in sorted(groups):
        kept, remarks = _without_repeats(groups[key])
        found.extend(_series_of(members, remarks) for members in _split_by_orientation(kept))
    return found, skipped


def study_of(folder: Path) -> str:
    """StudyInstanceUID of the first DICOM file that lies in ``folder`` itself; empty where there is none, or it cannot be read or does not say."""
    try:
        files = (path for path in sorted(folder.iterdir())[:FILES_TRIED] if path.is_file() and is_dicom(path))
        first = next(files, None)
        return "" if first is None else text_of(value_of(read_header(first, STUDY_TAGS), "StudyInstanceUID"))
    except (OSError, SeriesError):
        return ""


def _entries(path: Path) -> list[_Entry]:
    """The frames of one DICOM file."""
    header = read_header(path, HEADER_TAGS)
    with reading(path):
        shape = image_shape(header, path)
        uid = text_of(value_of(header, "SeriesInstanceUID"))
        group = (uid, "" if uid else str(path.parent), shape.rows, shape.columns)
        sop_uid = text_of(value_of(header, "SOPInstanceUID"))
        facts = facts_of(header, path)
        study = (text_of(value_of(header, "StudyInstanceUID")), text_of(value_of(header, "FrameOfReferenceUID")))
        # The exposure of a frame of an enhanced file has a group of its own, which is not read: such frames are told apart by time alone.
        voltage = number_of(value_of(header, "KVP"))
        acquired = [f"{moment_of(header, frame)} {voltage}" for frame in range(shape.frames)]
        return [
            _Entry(path, frame, sop_uid, group, placement_of(header, frame), _order_key(header, frame, sop_uid), facts, acquired[frame], study)
            for frame in range(shape.frames)
        ]


def _order_key(header: Dataset, frame: int, sop_uid: str) -> _OrderKey:
    """What orders slices at one position: (missing, value) pairs, so that slices which say more come first."""
    content = "FrameContentSequence"
    temporal = number_of(frame_value(header, frame, content, "TemporalPositionIndex")) or number_of(value_of(header, "TemporalPositionIdentifier"))
    moment = moment_of(header, frame)
    trigger = number_of(frame_value(header, frame, "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"))
    trigger = number_of(value_of(header, "TriggerTime")) if trigger is None else trigger
    instance = number_of(value_of(header, "InstanceNumber"))
    numbers = tuple((number is None, number or 0.0) for number in (temporal, trigger, instance))
    return (numbers[0], (not moment, moment), *numbers[1:], (False, sop_uid), (False, float(frame)))


def _without_repeats(entries: list[_Entry]) -> tuple[list[_Entry], tuple[str, ...]]:
    """Each SOPInstanceUID and frame once, the first by path, and a remark on how many were left out."""
    kept: dict[tuple[str, ...], _Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.path, entry.frame)):
        kept.setdefault((entry.sop_uid or str(entry.path), str(entry.frame)), entry)
    repeats = len(entries) - len(kept)
    words = ("slice repeats", "was") if repeats == 1 else ("slices repeat", "were")
    return list(kept.values()), (f"{repeats} {words[0]} the SOPInstanceUID of another and {words[1]} left out",) if repeats else ()


def _split_by_orientation(entries: list[_Entry]) -> list[list[_Entry]]:
    """Entries of one orientation together; sorted first, so that the order of files does not matter."""
    planes: list[tuple[tuple[float, ...], list[_Entry]]] = []
    for entry in sorted(entries, key=lambda entry: (entry.placement.orientation, entry.placement.corner_mm, entry.order)):
        orientation = entry.placement.orientation
        for first, members in planes:
            if len(first) == len(orientation) and all(abs(a - b) <= SAME_ORIENTATION for a, b in zip(first, orientation, strict=True)):
                members.append(entry)
                break
        else:
            planes.append((orientation, [entry]))
    return [members for _, members in planes]


def _series_of(entries: list[_Entry], remarks: tuple[str, ...]) -> Series:
    """One series from the entries of one orientation."""
    orientation = entries[0].placement.orientation
    uid = entries[0].group[0]
    if not orientation:
        ordered = sorted(entries, key=lambda entry: entry.order)
        remarks += ("no slice says where it lies: the order is that of InstanceNumber, and gaps cannot be told",) if len(entries) > 1 else ()
        refs = [SliceRef(entry.path, entry.frame, entry.sop_uid) for entry in ordered]
        return Series(uid, (), tuple(refs), ordered[0].facts, remarks, *ordered[0].study)
    places = _places(entries, orientation)
    placed = [(phase, place, mm, entry) for place, members in enumerate(places) for phase, (mm, entry) in enumerate(members)]
    placed.sort(key=lambda item: item[:2])
    refs = [SliceRef(entry.path, entry.frame, entry.sop_uid, mm, phase, entry.placement.corner_mm, entry.acquired) for phase, _, mm, entry in placed]
    remarks += _phase_remarks(places) + _gap_remarks([members[0][0] for members in places])
    facts = placed[0][3].facts
    return Series(uid, orientation, tuple(refs), facts, remarks + _plane_remarks(orientation, facts), *entries[0].study)


def _places(entries: list[_Entry], orientation: tuple[float, ...]) -> list[list[tuple[float, _Entry]]]:
    """(position, entry) of each place along the normal, places ascending, entries of one place in order of phase."""
    along = sorted(((position_of(entry.placement, orientation) or 0.0, entry) for entry in entries), key=lambda item: (item[0], item[1].order))
    places: list[list[tuple[float, _Entry]]] = []
    for mm, entry in along:
        if places and mm - places[-1][0][0] <= SAME_POSITION_MM:
            places[-1].append((mm, entry))
        else:
            places.append([(mm, entry)])
    return [sorted(members, key=lambda item: item[1].order) for members in places]


def _phase_remarks(places: list[list[tuple[float, _Entry]]]) -> tuple[str, ...]:
    """A remark where several slices lie at one place."""
    most = max(len(members) for members in places)
    if most == 1:
        return ()
    several = sum(len(members) > 1 for members in places)
    return (f"{several} of {len(places)} positions hold several slices, up to {most}: they are taken as phases",)


def _gap_remarks(positions: list[float]) -> tuple[str, ...]:
    """A remark per gap; ``positions`` ascending, in mm. With fewer than three no distance is the usual one."""
    steps = [after - before for before, after in itertools.pairwise(positions)]
    if len(steps) < 2:
        return ()
    usual = statistics.median_low(steps)
    wide = [(before, step) for before, step in zip(positions[:-1], steps, strict=True) if step > GAP_FACTOR * usual]
    gaps = [(before, before + step, round(step / usual) - 1) for before, step in wide]
    total = len(positions) + sum(missing for _, _, missing in gaps)
    return tuple(
        f"{missing} of {total} slices {'is' if missing == 1 else 'are'} missing between {before:.1f} and {after:.1f} mm"
        for before, after, missing in gaps
    )


def _plane_remarks(orientation: tuple[float, ...], facts: ScanFacts) -> tuple[str, ...]:
    """A remark where a CT calls itself axial and lies otherwise: reformats keep the words of the scan they were made from."""
    if facts.modality == "CT" and "AXIAL" in facts.image_type and abs(normal_of(orientation)[2]) < AXIAL_COSINE:
        return ("the header says AXIAL but the plane is not: this is a reformat, resampled from other slices",)
    return ()
