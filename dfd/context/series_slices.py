"""Series of folders, and their other slices, read once while points of one series follow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from threading import Lock

from dfd.context.adjacent import MOST_OTHERS, comparable, name_from
from dfd.errors import DfdError
from dfd.reading import read_series, read_slice
from dfd.reading.content import is_nifti
from dfd.reading.pixel_values import pixels_of
from dfd.reading.series import series_of_volume
from dfd.records import Context, FloatImage, Series, SeriesSlice, Slice, SliceRef

FOLDERS_KEPT = 8
"""Folders whose headers are remembered: points of one series mostly follow each other."""


class SeriesFolders:
    """The series of folders, from headers alone.

    Those of the last ``FOLDERS_KEPT`` are remembered.
    """

    def __init__(self) -> None:
        self._series: OrderedDict[Path, tuple[Series, ...]] = OrderedDict()

    def containing(self, path: Path) -> tuple[Series, ...]:
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
        if place not in self._series:
            self._series[place] = (
                (series_of_volume(place),) if is_nifti(place) else tuple(read_series(place)[0])
            )
            if len(self._series) > FOLDERS_KEPT:
                self._series.popitem(last=False)
        self._series.move_to_end(place)
        return self._series[place]


class SeriesSlices:
    """Reads the slices around one, ``Context.series_refs``.

    The last of them are kept, with what was made of them, since points of one series follow each
    other. Several threads may ask: each slice is read once.
    """

    def __init__(self) -> None:
        self._slices: OrderedDict[tuple[Path, int], SeriesSlice | None] = OrderedDict()
        self._reading = Lock()

    def into(self, context: Context, scan: Slice) -> Context:
        """``context`` of ``scan`` with ``others``.

        Those that cannot be read, or are of another shape or unit, are left out.
        """
        with self._reading:
            read = [self._of(ref, scan) for ref in context.series_refs]
        shape = scan.pixels.shape
        return replace(
            context,
            others=tuple(one for one in read if one is not None and one.pixels.shape == shape),
        )

    def pixels_by_name(
        self, names: Collection[str], context: Context | None, scan: Slice
    ) -> dict[str, FloatImage]:
        """Pixels ``[H, W]`` of those slices around ``scan`` that are called so."""
        if not names or context is None:
            return {}
        others = self.into(context, scan).others
        return {one.name: one.pixels for one in others if one.name in names}

    def _of(self, ref: SliceRef, scan: Slice) -> SeriesSlice | None:
        place = (ref.path, ref.frame)
        if place not in self._slices:
            self._slices[place] = _read(ref, scan)
            if len(self._slices) > MOST_OTHERS + 2:
                self._slices.popitem(last=False)
        self._slices.move_to_end(place)
        return self._slices[place]


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
