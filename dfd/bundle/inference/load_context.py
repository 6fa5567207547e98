"""Transforms that add to a slice what other slices of its study hold."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from dfd.bundle.keys import Keys
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.context.reconstructions import Reconstructions
from dfd.context.series_slices import SeriesFolders
from dfd.records import Slice
from dfd.sentences import joined


class LoadContextd(MapTransform):
    """Adds ``context``, a ``Context``, to a slice that has a neighbour on either side.

    ``LoadSliced`` has read the slice. ``context_note`` holds sentences about its neighbours;
    see ``dfd.context.adjacent_slices``. A bare image has no folder and passes. ``folders`` may be
    shared with other transforms, so that headers are read once.
    """

    def __init__(
        self, keys: KeysCollection = "image", folders: SeriesFolders | None = None
    ) -> None:
        super().__init__(keys)
        self._adjacent = AdjacentSlices(folders)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        if isinstance(loaded.get(Keys.SCAN), Slice):
            context, notes = self._adjacent.of(loaded[Keys.SCAN])
            if context is not None:
                loaded[Keys.CONTEXT] = context
            if notes:
                loaded[Keys.CONTEXT_NOTE] = joined("; ", notes)
        return loaded


class LoadReconstructionsd(MapTransform):
    """Adds ``reconstructions`` to a slice that other series of its study hold too.

    ``LoadSliced`` has read the slice. See ``dfd.context.reconstructions``.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        within: str | Path | None = None,
        folders: SeriesFolders | None = None,
    ) -> None:
        """``within``: the data folder; None where only the slice's own folder may be looked at."""
        super().__init__(keys)
        self._reconstructions = Reconstructions(within, folders)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        if isinstance(loaded.get(Keys.SCAN), Slice):
            found = self._reconstructions.of(loaded[Keys.SCAN])
            if found:
                loaded[Keys.RECONSTRUCTIONS] = found
        return loaded
