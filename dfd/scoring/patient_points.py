"""Points that are given in millimetres of the patient get the slice and the pixel they mean."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from dfd.context.series_slices import SeriesFolders
from dfd.errors import DfdError
from dfd.points.columns import SLICE_COLUMNS
from dfd.points.patient_coordinates import Millimetres, NoSliceError, nearest_slices, pixel_in
from dfd.reading import read_facts
from dfd.reading.content import is_nifti
from dfd.records import Point, Series, SliceRef
from dfd.sentences import beginning_with, marked, quoted

logger = logging.getLogger(__name__)


def place_points(points: Sequence[Point], data: Path) -> list[Point]:
    """Find slice and pixel of every point with ``patient_mm``; other points stay as they are.

    The series is that of the file which the row names, sought in the file's own folder, or the only
    one of the folder that it names, or the one with the UID that it names. The nearest slice is
    taken, and of several phases at its position the phase of the named file. The cells get
    ``slice_file``, ``slice_frame`` (1-based, empty where the file holds one), ``slice_x`` and
    ``slice_y``; ``filename`` becomes the slice.

    Args:
        points: As ``dfd.points.read_points`` gives them.
        data: The data folder.

    Returns:
        As many points in the same order; ``error`` is filled where no slice holds the place.
    """
    finder = _SliceFinder(data)
    placed = [each if each.error else finder.placed(each) for each in points]
    count = sum(point.patient_mm is not None and not point.error for point in placed)
    if count:
        message = (
            "%d of %d rows got their slice from mm: see the columns slice_file, slice_x, slice_y"
        )
        logger.info(message, count, len(placed))
    return placed


class _SliceFinder:
    """Looks into the series below a data folder; headers of the last folders are remembered."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._folders = SeriesFolders()

    def placed(self, point: Point) -> Point:
        """The point in its slice, or with the reason why it has none."""
        if point.patient_mm is None:
            return point
        try:
            return self._placed(point, point.patient_mm)
        except NoSliceError as error:
            return replace(point, error=f"row {point.row}: {quoted(point.filename)} {error}")
        except DfdError as error:
            message = beginning_with(str(point.path or self._data), error.sentence)
            return replace(point, error=f"row {point.row}: {marked(message)}")

    def _placed(self, point: Point, place: Millimetres) -> Point:
        beside = self._series_beside(point)
        series, ref = _slice_of(_named(beside, point), point, place)
        facts = series.facts if is_nifti(ref.path) else read_facts(ref.path)
        if facts.spacing_mm is None:
            raise NoSliceError("has no pixel spacing in its header, so X and Y are needed")
        x, y = pixel_in(series, ref, place, facts.spacing_mm)
        several = sum(each.path == ref.path for one in beside for each in one.slices) > 1
        frame = ref.frame + 1 if several else None
        name = ref.path.relative_to(self._data).as_posix()
        texts = ("" if frame is None else str(frame), repr(x), repr(y))
        cells = {**point.cells, **dict(zip(SLICE_COLUMNS, (name, *texts), strict=True))}
        return replace(point, path=ref.path, filename=name, frame=frame, x=x, y=y, cells=cells)

    def _series_beside(self, point: Point) -> Sequence[Series]:
        """Every series of the folder that a row names, or in which its file lies."""
        path = point.path or self._data
        return self._folders.of(path) if path.is_dir() else self._folders.containing(path)


_Named: TypeAlias = tuple[Series, tuple[SliceRef, ...]]
"""A series that a row means, and those of its slices that the row names."""


def _named(beside: Sequence[Series], point: Point) -> list[_Named]:
    """What a row means of the series of a folder.

    Raises:
        NoSliceError: nothing, or a folder of several series.
    """
    if point.path is None or point.path.is_dir():
        of_uid = [one for one in beside if one.uid == point.filename]
        chosen = of_uid or list(beside)
        if len(chosen) != 1:
            counted = f"{len(chosen)} series" if chosen else "no series that can be read"
            raise NoSliceError(f"holds {counted}; name a file of the one that is meant")
        return [(chosen[0], ())]
    pairs = [(one, _slices_in(one, point.path)) for one in beside]
    named = [pair for pair in pairs if pair[1]]
    if not named:
        read_facts(point.path)  # where it cannot be read the reader says why
        raise NoSliceError("is left out of the series of its folder; name another slice of it")
    return named


def _slices_in(series: Series, path: Path) -> tuple[SliceRef, ...]:
    """The slices of a series that a file holds; for a copy those it repeats."""
    repeated = [kept for copy, kept in series.copies if copy.path == path]
    return (*(ref for ref in series.slices if ref.path == path), *repeated)


def _slice_of(
    candidates: Sequence[_Named], point: Point, place: Millimetres
) -> tuple[Series, SliceRef]:
    """The one slice that holds ``place``, and its series.

    Raises:
        NoSliceError: there is none, or more than one.
    """
    found: list[tuple[Series, SliceRef]] = []
    reasons: list[NoSliceError] = []
    for series, named in candidates:
        try:
            here = nearest_slices(series, place)
            found.append((series, _chosen(here, named, point)))
        except NoSliceError as error:
            reasons.append(error)
    if len(found) > 1:
        raise NoSliceError(f"holds the place in {len(found)} planes; say which by frame")
    if not found:
        raise reasons[0]
    return found[0]


def _chosen(here: Sequence[SliceRef], named: Sequence[SliceRef], point: Point) -> SliceRef:
    """Of the slices at a place (several where there are phases) the one that a row means.

    Raises:
        NoSliceError: it names another frame, or none of several phases.
    """
    if point.frame is not None:
        asked = [ref for ref in here if ref in named and ref.frame == point.frame - 1]
        if asked:
            return asked[0]
        frames = ", ".join(str(ref.frame + 1) for ref in here if ref.path == point.path)
        where = f"frame {frames}" if frames else "another file"
        raise NoSliceError(
            f"does not hold the place in frame {point.frame}, but in {where}; leave frame empty"
        )
    of_phase = [ref for ref in here if len(named) == 1 and ref.phase == named[0].phase]
    for fitting in (here, of_phase):
        if len(fitting) == 1:
            return fitting[0]
    raise NoSliceError(
        f"holds {len(here)} phases of the slice; name a file of the one that is meant, or its frame"
    )
