"""The slices above and below a slice, found in its own folder.

What a region can be compared with beyond its slice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from dfd.bundle.neighbours import (
    MOST_OTHERS,
    comparable,
    name_from,
    neighbours_of,
    notes_on,
    rivals_of,
)
from dfd.bundle.reader import pixels_in_scale_of, pixels_of
from dfd.calibration import SERIES, SLICE
from dfd.errors import DfdError
from dfd.evidence import NEIGHBOURED
from dfd.reading import read_series, read_slice
from dfd.reading.content import is_nifti
from dfd.reading.nifti import read_nifti_series
from dfd.records import Context, Evidence, Series, SeriesSlice, Slice, SliceRef
from dfd.sentences import joined

FOLDERS_KEPT = 8
"""Folders whose headers are remembered: points of one series mostly follow each other."""
MOST_RIVALS = 2
"""Slices at the place of a slice that are read to see whether they repeat it; more are phases."""
IDENTICAL = (
    "a slice beside this one holds the very same pixels, so the neighbours say nothing and were "
    "not used"
)


class SeriesFolders:
    """The series of folders, from headers alone.

    Those of the last ``FOLDERS_KEPT`` are remembered.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Path, tuple[Series, ...]] = OrderedDict()

    def beside(self, path: Path) -> tuple[Series, ...]:
        """The series of a file's own folder, or of a NIfTI file itself.

        Raises:
            SeriesError: it cannot be read.
        """
        return self.of(path if is_nifti(path) else path.parent)

    def of(self, place: Path) -> tuple[Series, ...]:
        """The series below a folder, or of a NIfTI file.

        Raises:
            SeriesError: it cannot be read.
        """
        if place not in self._known:
            self._known[place] = (
                (read_nifti_series(place),) if is_nifti(place) else tuple(read_series(place)[0])
            )
            if len(self._known) > FOLDERS_KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(place)
        return self._known[place]


class LoadContextd(MapTransform):
    """Adds ``context``, a ``Context``.

    To a slice that ``LoadSliced`` has read and that has a neighbour on either side; else adds
    nothing.

    Neighbours: the same series, orientation, matrix, phase, kind of image and pixel size, one usual
    distance away. They are sought by their headers in the slice's own folder, or among the frames
    of its file, and only those two are decoded. ``context_note`` says in sentences where one
    repeats the slice itself, where the folder holds a copy of the slice, and where other slices
    carry its SOPInstanceUID. A bare image has no folder and passes. ``folders`` may be shared with
    other transforms, so that headers are read once.
    """

    def __init__(
        self, keys: KeysCollection = "image", folders: SeriesFolders | None = None
    ) -> None:
        super().__init__(keys)
        self.folders = folders or SeriesFolders()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        if "scan" not in loaded:
            return loaded
        notes: list[str] = []
        try:
            notes += self.notes(loaded["scan"])
            found = self.beside(loaded["scan"])
        except DfdError:  # a neighbour that cannot be read costs the context, not the slice
            found = None
        if isinstance(found, Context):
            loaded["context"] = found
        elif found:
            notes.append(found)
        if notes:
            loaded["context_note"] = joined("; ", notes)
        return loaded

    def notes(self, scan: Slice) -> list[str]:
        """Sentences on copies of a slice in its folder and on others that carry its SOPInstanceUID.

        Raises:
            SeriesError: the folder cannot be read.
        """
        series = self.folders.beside(scan.ref.path)
        rivals = rivals_of(scan.ref, series)
        same = [ref for ref in rivals if _repeats(ref, scan)] if len(rivals) <= MOST_RIVALS else []
        return notes_on(scan.ref, series, same)

    def beside(self, scan: Slice) -> Context | str | None:
        """The context of a slice; a sentence where its neighbours repeat it.

        None where it has none.

        Raises:
            SeriesError: the folder or a neighbour cannot be read.
        """
        found = neighbours_of(scan, self.folders.beside(scan.ref.path))
        if found is None:
            return None
        places, distances, around = found
        own = pixels_of(scan)
        read = [read_slice(ref.path, ref.frame, scan.facts.unit) for ref in places]
        if not all(comparable(one, scan) for one in read):
            return None
        below, above = (pixels_in_scale_of(scan, one) for one in read)
        if any(np.array_equal(one, own, equal_nan=True) for one in (below, above)):
            return IDENTICAL
        return Context(below, above, distances, around)


class SeriesSlices:
    """Reads the slices ``around`` a slice.

    The last of them are kept, with what was made of them, since points of one series follow each
    other.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Path, int], SeriesSlice | None] = OrderedDict()

    def into(self, context: Context, scan: Slice) -> Context:
        """``context`` of ``scan`` with ``others``.

        Those that cannot be read, or are of another shape or unit, are left out.
        """
        read = [self._of(ref, scan) for ref in context.around]
        shape = scan.pixels.shape
        return replace(
            context,
            others=tuple(one for one in read if one is not None and one.pixels.shape == shape),
        )

    def _of(self, ref: SliceRef, scan: Slice) -> SeriesSlice | None:
        place = (ref.path, ref.frame)
        if place not in self._known:
            self._known[place] = _read(ref, scan)
            if len(self._known) > MOST_OTHERS + 2:
                self._known.popitem(last=False)
        self._known.move_to_end(place)
        return self._known[place]


class LoadSeriesd(LoadContextd):
    """As ``LoadContextd``, with the other slices of the series read.

    For use without ``ScoreRegionsd``, which reads them itself.
    """

    def __init__(self, keys: KeysCollection = "image") -> None:
        super().__init__(keys)
        self._slices = SeriesSlices()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = super().__call__(data)
        if "context" in loaded:
            loaded["context"] = self._slices.into(loaded["context"], loaded["scan"])
        return loaded


def _read(ref: SliceRef, scan: Slice) -> SeriesSlice | None:
    try:
        read = read_slice(ref.path, ref.frame, scan.facts.unit)
    except DfdError:  # it costs this slice, not the one that is asked about
        return None
    if not comparable(read, scan):
        return None
    name = name_from(ref.path, scan.ref.path)
    return SeriesSlice(
        f"{name} (frame {ref.frame + 1})" if ref.path == scan.ref.path else name, pixels_of(read)
    )


def _repeats(ref: SliceRef, scan: Slice) -> bool:
    """Whether the slice that lies at ``ref`` holds the very same pixels.

    False where it cannot be read.
    """
    try:
        read = read_slice(ref.path, ref.frame, scan.facts.unit)
    except DfdError:  # it is looked at for a remark alone
        return False
    return np.array_equal(pixels_in_scale_of(scan, read), pixels_of(scan), equal_nan=True)


def setting_of(found: Sequence[Evidence]) -> str:
    """By which tables a region is judged.

    Those of slices with neighbours where it could be compared with them.
    """
    return (
        SERIES
        if any(each.family in NEIGHBOURED and np.isfinite(each.statistic) for each in found)
        else SLICE
    )
