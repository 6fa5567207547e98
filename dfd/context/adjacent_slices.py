"""Reads the slices above and below a slice from its own folder."""

from __future__ import annotations

import numpy as np

from dfd.context.adjacent import adjacent_refs, comparable, notes_on, rivals_of
from dfd.context.series_slices import SeriesFolders, SeriesSlices
from dfd.errors import DfdError
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_in_scale_of, pixels_of
from dfd.records import Context, Slice, SliceRef

MOST_RIVALS = 2
"""Slices at the place of a slice that are read to see whether they repeat it; more are phases."""
IDENTICAL = (
    "a slice beside this one holds the very same pixels, so the neighbours say nothing and were "
    "not used"
)


class AdjacentSlices:
    """Finds the slices above and below.

    The same series, orientation, matrix, phase, kind of image and pixel size, one usual distance
    away. They are sought by their headers in the slice's own folder, or among the frames of its
    file, and only those two are decoded.
    """

    def __init__(self, folders: SeriesFolders | None = None, *, others: bool = False) -> None:
        """Headers are read once for all that share ``folders``.

        ``others``: read the other slices of the series too, from which something may be copied.
        """
        self.folders = folders or SeriesFolders()
        self._slices = SeriesSlices() if others else None

    def of(self, scan: Slice) -> tuple[Context | None, tuple[str, ...]]:
        """The context of a slice, None where it has none, and sentences about it.

        Where a neighbour repeats the slice itself, where the folder holds a copy of the slice, and
        where other slices carry its SOPInstanceUID. A neighbour that cannot be read costs the
        context, not the slice.
        """
        notes: list[str] = []
        context: Context | str | None = None
        try:
            notes += self.notes(scan)
            context = self.context(scan)
        except DfdError:
            pass
        if isinstance(context, str):
            return None, (*notes, context)
        if context is not None and self._slices is not None:
            context = self._slices.into(context, scan)
        return context, tuple(notes)

    def notes(self, scan: Slice) -> list[str]:
        """Sentences on copies of a slice in its folder and on others that carry its SOPInstanceUID.

        Raises:
            SeriesError: the folder cannot be read.
        """
        series = self.folders.containing(scan.ref.path)
        rivals = rivals_of(scan.ref, series)
        same = [ref for ref in rivals if _repeats(ref, scan)] if len(rivals) <= MOST_RIVALS else []
        return notes_on(scan.ref, series, same)

    def context(self, scan: Slice) -> Context | str | None:
        """The slices on both sides; a sentence where they repeat it; None where it has none.

        Raises:
            SeriesError: the folder or a neighbour cannot be read.
        """
        refs = adjacent_refs(scan, self.folders.containing(scan.ref.path))
        if refs is None:
            return None
        own = pixels_of(scan)
        read = [
            read_slice(ref.path, ref.frame, scan.facts.unit) for ref in (refs.below, refs.above)
        ]
        if not all(comparable(one, scan) for one in read):
            return None
        below, above = (pixels_in_scale_of(scan, one) for one in read)
        if any(np.array_equal(one, own, equal_nan=True) for one in (below, above)):
            return IDENTICAL
        return Context(below, above, refs.distances_mm, refs.series_refs)


def _repeats(ref: SliceRef, scan: Slice) -> bool:
    """Whether the slice at ``ref`` holds the very same pixels; False where it cannot be read."""
    try:
        read = read_slice(ref.path, ref.frame, scan.facts.unit)
    except DfdError:  # it is looked at for a remark alone
        return False
    return np.array_equal(pixels_in_scale_of(scan, read), pixels_of(scan), equal_nan=True)
