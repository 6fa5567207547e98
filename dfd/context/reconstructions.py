"""The same slice in another series of its study, as a second convolution kernel gives it."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from dfd.context.adjacent import place_in, series_holding
from dfd.context.series_slices import FOLDERS_KEPT, SeriesFolders
from dfd.context.sibling_folders import sibling_folders
from dfd.errors import DfdError
from dfd.reading import read_slice, study_of
from dfd.reading.content import is_nifti
from dfd.reading.pixel_values import pixels_in_scale_of
from dfd.records import Reconstruction, Series, Slice, SliceRef

MOST_RECONSTRUCTIONS = 2
"""Other reconstructions that a slice is compared with."""
SAME_PLACE_MM = 0.1
"""Largest distance of the first pixels; the same for the thickness."""
SAME_DIRECTION, SAME_SPACING_MM = 0.001, 0.001
"""Largest difference of a direction cosine and of a pixel's side: 0.5 mm over a slice, and as
much."""


class Reconstructions:
    """Finds the slice in other series of its study.

    The same study, frame of reference, acquisition (time, tube voltage, image type, thickness),
    modality, orientation, matrix, spacing and place. They are sought by their headers in the
    slice's own folder and in the folders beside it whose first file is of the same study, never
    outside ``within``. What cannot be read is left out.
    """

    def __init__(
        self, within: str | Path | None = None, folders: SeriesFolders | None = None
    ) -> None:
        """``within``: the data folder; None where only the slice's own folder may be looked at."""
        self._within = None if within is None else Path(within)
        self._folders = folders or SeriesFolders()
        self._siblings: OrderedDict[tuple[Path, str], tuple[Series, ...]] = OrderedDict()

    def of(self, scan: Slice) -> tuple[Reconstruction, ...]:
        """The first ``MOST_RECONSTRUCTIONS`` of ``scan`` that can be read."""
        if is_nifti(scan.ref.path):
            return ()
        try:
            folder = self._folders.containing(scan.ref.path)
        except DfdError:  # it costs the comparison, not the slice
            return ()
        own = series_holding(scan.ref, folder)
        if own is None or not (own.uid and own.study_uid and own.space_uid and own.orientation):
            return ()
        ref = place_in(own, scan.ref)
        if ref is None:
            return ()
        candidates = _places(
            own, ref, (*folder, *self._sibling_series(scan.ref.path.parent, own.study_uid))
        )
        read = (self._read(series, other, scan) for series, other in candidates)
        usable = (each for each in read if each is not None)
        return tuple(itertools.islice(usable, MOST_RECONSTRUCTIONS))

    def _sibling_series(self, folder: Path, study_uid: str) -> tuple[Series, ...]:
        """Series of the folders beside ``folder`` that belong to the study; remembered."""
        key = (folder, study_uid)
        if key not in self._siblings:
            series: list[Series] = []
            for sibling in sibling_folders(folder, self._within):
                if study_of(sibling) == study_uid:
                    try:
                        series += self._folders.of(sibling)
                    except DfdError:
                        continue
            self._siblings[key] = tuple(series)
            if len(self._siblings) > FOLDERS_KEPT:
                self._siblings.popitem(last=False)
        self._siblings.move_to_end(key)
        return self._siblings[key]

    def _read(self, series: Series, ref: SliceRef, scan: Slice) -> Reconstruction | None:
        try:
            read = read_slice(ref.path, ref.frame, scan.facts.unit)
        except DfdError:
            return None
        if read.facts.unit != scan.facts.unit or read.pixels.shape != scan.pixels.shape:
            return None
        root = self._within if self._within is not None else scan.ref.path.parent
        name = (
            ref.path.relative_to(root).as_posix()
            if ref.path.is_relative_to(root)
            else ref.path.name
        )
        several = sum(each.path == ref.path for each in series.slices) > 1
        return Reconstruction(
            f"{name} (frame {ref.frame + 1})" if several else name, pixels_in_scale_of(scan, read)
        )


def _places(
    own: Series, ref: SliceRef, series: Sequence[Series]
) -> Iterator[tuple[Series, SliceRef]]:
    """The slice of each other reconstruction of ``own`` that lies where ``ref`` does."""
    for other in series:
        if _same_geometry(own, other):
            there = (
                each
                for each in other.slices
                if each.acquired == ref.acquired
                and _near(each.corner_mm, ref.corner_mm, SAME_PLACE_MM)
            )
            match = next(there, None)
            if match is not None:
                yield other, match


def _same_geometry(own: Series, other: Series) -> bool:
    """Whether ``other`` is another series of the same study that may show what ``own`` does."""
    one, two = own.facts, other.facts
    same = (own.study_uid, own.space_uid, one.modality, one.image_type) == (
        other.study_uid,
        other.space_uid,
        two.modality,
        two.image_type,
    )
    return (
        same
        and other.uid not in ("", own.uid)
        and _near(own.orientation, other.orientation, SAME_DIRECTION)
        and _near(one.spacing_mm or (), two.spacing_mm or (), SAME_SPACING_MM)
        and abs((one.thickness_mm or 0.0) - (two.thickness_mm or 0.0)) <= SAME_PLACE_MM
    )


def _near(one: Sequence[float], two: Sequence[float], tolerance: float) -> bool:
    """Whether both hold as many numbers, at least one, and none is farther from the other's."""
    return len(one) == len(two) > 0 and all(
        abs(a - b) <= tolerance for a, b in zip(one, two, strict=True)
    )
