"""Files to series: grouped, split by orientation, ordered by position.

Gaps are named and never filled.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dfd.errors import SeriesError
from dfd.progress import progress
from dfd.reading.content import is_dicom, is_nifti
from dfd.reading.copies import Copies, uids_shared, without_copies
from dfd.reading.entries import Entry, GroupKey, entries_of
from dfd.reading.files import find_files
from dfd.reading.geometry import position_of
from dfd.reading.guard import read_header
from dfd.reading.header import STUDY_TAGS
from dfd.reading.header_values import text_of, value_of
from dfd.records import ScanFacts, Series, Skipped, SliceRef

SAME_ORIENTATION = 0.005
"""Largest difference of a direction cosine within one series (0.3 degrees): headers are rounded,
planes of a localizer are not that near."""

SAME_POSITION_MM = 0.01
"""Slices nearer than this lie at one place; the finest reconstructions are 0.1 mm apart."""

GAP_FACTOR = 1.5
"""A distance of more than this many usual distances is a gap."""

FILES_TRIED = 8
"""Names of a folder among which its first DICOM file is sought."""


def read_series(folder: Path) -> tuple[list[Series], list[Skipped]]:
    """Every series below ``folder``, see :func:`series_of_files`, and the files that hold none.

    Raises:
        SeriesError: ``folder`` cannot be listed. A file that cannot be read is a ``Skipped``.
    """
    return series_of_files(find_files(folder))


def series_of_files(files: Sequence[Path]) -> tuple[list[Series], list[Skipped]]:
    """The series in ``files`` from headers alone, and the files that hold none.

    One series is one SeriesInstanceUID (the file's folder and SeriesNumber where there is none) of
    one study and patient, one convolution kernel, one matrix size and one orientation. Slices are
    ordered by phase, then by position along the normal (by InstanceNumber where there is no
    position). Several slices at one position are phases, in the order of temporal position,
    acquisition time, trigger time and InstanceNumber. A file that holds the same pixels at the same
    place as another is a copy, left out of ``slices`` with a remark and kept in ``copies``; files
    that differ are different slices even where they carry one SOPInstanceUID, with a remark.
    Missing slices are named in a remark. Each frame of a multi-frame file is a slice; each NIfTI
    volume is a series. A file that cannot be read is a ``Skipped``.
    """
    groups: dict[GroupKey, list[Entry]] = defaultdict(list)
    found: list[Series] = []
    skipped: list[Skipped] = []
    for path in progress(files, "reading headers"):
        try:
            if is_nifti(path):
                found.append(series_of_volume(path))
                continue
            for entry in entries_of(path):
                groups[entry.group].append(entry)
        except SeriesError as error:
            skipped.append(Skipped(path, str(error)))
    for key in sorted(groups):
        single = without_copies(groups[key])
        found.extend(
            _with_copies(_series_of(members), single)
            for members in _split_by_orientation(single.kept)
        )
    return found, skipped


def study_of(folder: Path) -> str:
    """StudyInstanceUID of the first DICOM file that lies in ``folder`` itself.

    Empty where there is none, or it cannot be read or does not say.
    """
    try:
        files = (
            path
            for path in sorted(folder.iterdir())[:FILES_TRIED]
            if path.is_file() and is_dicom(path)
        )
        first = next(files, None)
        return (
            ""
            if first is None
            else text_of(value_of(read_header(first, STUDY_TAGS), "StudyInstanceUID"))
        )
    except (OSError, SeriesError):
        return ""


def series_of_volume(path: Path) -> Series:
    """A NIfTI volume as a series.

    Raises:
        SeriesError: it cannot be read.
    """
    from dfd.reading.nifti import read_nifti_series  # nibabel: for such files only

    return read_nifti_series(path)


def _with_copies(series: Series, single: Copies) -> Series:
    """``series`` with the copies of its slices.

    And with remarks on them and on shared identifiers.
    """
    places = {(ref.path, ref.frame): ref for ref in series.slices}
    pairs = [
        (replace(ref, path=copy.path, frame=copy.frame, sop_uid=copy.sop_uid), ref)
        for copy, original in single.repeated
        if (ref := places.get((original.path, original.frame))) is not None
    ]
    same = sum(copy.sop_uid == ref.sop_uid for copy, ref in pairs)
    return replace(
        series,
        copies=tuple(pairs),
        remarks=(
            *_repeats(same, "the SOPInstanceUID"),
            *_repeats(len(pairs) - same, "the pixels and the place"),
            *_shared_remarks(series),
            *series.remarks,
        ),
    )


def _repeats(count: int, what: str) -> tuple[str, ...]:
    """A remark on copies that were left out."""
    words = ("slice repeats", "was") if count == 1 else ("slices repeat", "were")
    return (f"{count} {words[0]} {what} of another and {words[1]} left out",) if count else ()


def _shared_remarks(series: Series) -> tuple[str, ...]:
    """A remark where slices that differ carry one SOPInstanceUID."""
    shared = uids_shared(series.slices).total()
    if not shared:
        return ()
    return (
        f"{shared} slices differ and share their SOPInstanceUID with others, as a faulty export "
        "writes: they are taken as different slices",
    )


def _split_by_orientation(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries of one orientation together.

    Sorted first, so that the order of files does not matter.
    """
    planes: list[tuple[tuple[float, ...], list[Entry]]] = []
    for entry in sorted(
        entries,
        key=lambda entry: (entry.placement.orientation, entry.placement.corner_mm, entry.order),
    ):
        orientation = entry.placement.orientation
        for first, members in planes:
            if len(first) == len(orientation) and all(
                abs(a - b) <= SAME_ORIENTATION for a, b in zip(first, orientation, strict=True)
            ):
                members.append(entry)
                break
        else:
            planes.append((orientation, [entry]))
    return [members for _, members in planes]


def _series_of(entries: list[Entry]) -> Series:
    """One series from the entries of one orientation."""
    orientation = entries[0].placement.orientation
    if not orientation:
        return _unplaced_series(entries)
    uid = entries[0].group[0]
    places = _places(entries, orientation)
    placed = [
        (phase, place, mm, entry)
        for place, members in enumerate(places)
        for phase, (mm, entry) in enumerate(members)
    ]
    placed.sort(key=lambda item: item[:2])
    refs = [
        SliceRef(
            entry.path,
            entry.frame,
            entry.sop_uid,
            mm,
            phase,
            entry.placement.corner_mm,
            entry.acquired,
        )
        for phase, _, mm, entry in placed
    ]
    remarks = _phase_remarks(places) + _gap_remarks([members[0][0] for members in places])
    facts = placed[0][3].facts
    return Series(
        uid, orientation, tuple(refs), facts, remarks + _plane_remarks(facts), *entries[0].study
    )


def _unplaced_series(entries: list[Entry]) -> Series:
    """One series from entries that do not say where they lie."""
    ordered = sorted(entries, key=lambda entry: entry.order)
    remark = (
        "no slice says where it lies: the order is that of InstanceNumber, and gaps cannot be told"
    )
    return Series(
        entries[0].group[0],
        (),
        tuple(SliceRef(entry.path, entry.frame, entry.sop_uid) for entry in ordered),
        ordered[0].facts,
        (remark,) if len(entries) > 1 else (),
        *ordered[0].study,
    )


def _places(
    entries: list[Entry], orientation: tuple[float, ...]
) -> list[list[tuple[float, Entry]]]:
    """(position, entry) of each place along the normal, places ascending.

    Entries of one place in order of phase.
    """
    along = sorted(
        ((position_of(entry.placement, orientation) or 0.0, entry) for entry in entries),
        key=lambda item: (item[0], item[1].order),
    )
    places: list[list[tuple[float, Entry]]] = []
    for mm, entry in along:
        if places and mm - places[-1][0][0] <= SAME_POSITION_MM:
            places[-1].append((mm, entry))
        else:
            places.append([(mm, entry)])
    return [sorted(members, key=lambda item: item[1].order) for members in places]


def _phase_remarks(places: list[list[tuple[float, Entry]]]) -> tuple[str, ...]:
    """A remark where several slices lie at one place."""
    most = max(len(members) for members in places)
    if most == 1:
        return ()
    several = sum(len(members) > 1 for members in places)
    return (
        (
            f"{several} of {len(places)} positions hold several slices, up to {most}: they are "
            "taken as phases"
        ),
    )


def _gap_remarks(positions: list[float]) -> tuple[str, ...]:
    """A remark per gap; ``positions`` ascending, in mm.

    With fewer than three no distance is the usual one.
    """
    steps = [after - before for before, after in itertools.pairwise(positions)]
    if len(steps) < 2:
        return ()
    usual = statistics.median_low(steps)
    wide = [
        (before, step)
        for before, step in zip(positions[:-1], steps, strict=True)
        if step > GAP_FACTOR * usual
    ]
    gaps = [(before, before + step, round(step / usual) - 1) for before, step in wide]
    total = len(positions) + sum(missing for _, _, missing in gaps)
    return tuple(
        (
            f"{missing} of {total} slices {'is' if missing == 1 else 'are'} missing between "
            f"{before:.1f} and {after:.1f} mm"
        )
        for before, after, missing in gaps
    )


def _plane_remarks(facts: ScanFacts) -> tuple[str, ...]:
    """A remark where a CT was not scanned in its plane.

    Reformats keep the words of the scan they were made from.
    """
    if facts.modality != "CT" or facts.plane in ("", "axial") or "LOCALIZER" in facts.image_type:
        return ()
    axial = "AXIAL" in facts.image_type
    plane = "the header says AXIAL but the plane is not" if axial else f"the plane is {facts.plane}"
    return (f"{plane}: this is a reformat, resampled from other slices",)
