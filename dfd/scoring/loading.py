"""Reads a slice together with what other slices of its study hold."""

from __future__ import annotations

from pathlib import Path

from dfd.assessment.criteria import NO_CONTEXT, SliceContext
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.context.reconstructions import Reconstructions
from dfd.context.series_slices import SeriesFolders
from dfd.errors import DfdError
from dfd.modalities import Modality
from dfd.reading import read_slice
from dfd.records import Slice
from dfd.scoring.slices import LoadedSlice, SliceRequest
from dfd.sentences import beginning_with, joined


class SliceLoader:
    """Loads one slice after another; headers of the last folders are remembered.

    Args:
        modality: what a file that names no unit (NIfTI) holds.
        within: the data folder, whose other series may be compared with a slice.
        context: whether other slices are looked at.
    """

    def __init__(self, modality: Modality, within: Path, *, context: bool = True) -> None:
        self._unit = modality.unit
        folders = SeriesFolders()
        self._adjacent = AdjacentSlices(folders) if context else None
        self._reconstructions = Reconstructions(within, folders) if context else None

    def load(self, request: SliceRequest) -> LoadedSlice:
        """The slice; one that cannot be read says why, and costs no other its answer."""
        try:
            scan = read_slice(request.path, request.frame, self._unit)
        except DfdError as error:
            # What is said of a file begins with its path.
            sentence = beginning_with(str(request.path), error.sentence)
            return LoadedSlice(request.points, None, sentence)
        return LoadedSlice(request.points, scan, context=self._context_of(scan))

    def _context_of(self, scan: Slice) -> SliceContext:
        if self._adjacent is None or self._reconstructions is None:
            return NO_CONTEXT
        adjacent, notes = self._adjacent.of(scan)
        note = (joined("; ", notes),) if notes else ()
        return SliceContext(adjacent, note, self._reconstructions.of(scan))
