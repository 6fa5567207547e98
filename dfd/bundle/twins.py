"""The same slice in another series of its study, as a second convolution kernel gives it.

Found within the data, read, and told of.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from dfd.agreement import Agreement, Comparison, Content
from dfd.bundle.context import FOLDERS_KEPT, SeriesFolders
from dfd.bundle.neighbours import place_in, series_holding
from dfd.bundle.reader import pixels_in_scale_of, pixels_of
from dfd.errors import DfdError
from dfd.modalities import Modality
from dfd.reading import read_slice, study_of
from dfd.reading.content import is_nifti
from dfd.records import Region, Series, Slice, SliceRef, Twin
from dfd.sentences import Sentence, quoted

MOST_SISTERS = 16
"""Folders beside a slice's own whose first file is looked at: those whose names lie nearest to its
own."""
MOST_TWINS = 2
"""Other reconstructions that a slice is compared with."""
SAME_PLACE_MM = 0.1
"""Largest distance of the first pixels; the same for the thickness."""
WIDEST_BOUND = 100.0
"""HU: what a region differs by is told as a bound up to here. Fat and muscle lie 150 apart, so a
wider one would hold for an edit as well."""
SAME_DIRECTION, SAME_SPACING_MM = 0.001, 0.001
"""Largest difference of a direction cosine and of a pixel's side: 0.5 mm over a slice, and as
much."""


class LoadTwind(MapTransform):
    """Adds ``twins`` to a slice that other series of its study hold too; else adds nothing.

    The slice was read by ``LoadSliced``. Twins: the same study, frame of reference, acquisition
    (time, tube voltage, image type, thickness), modality, orientation, matrix, spacing and place,
    in another series. They are sought by their headers in the slice's own folder and in the folders
    beside it whose first file is of the same study, never outside ``within``. What cannot be read
    is left out. A bare image has no folder and passes.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        within: str | Path | None = None,
        folders: SeriesFolders | None = None,
    ) -> None:
        """``within``: the data folder; None where only the slice's own folder may be looked at."""
        super().__init__(keys)
        self._within = None if within is None else Path(within)
        self._folders = folders or SeriesFolders()
        self._sisters: OrderedDict[tuple[Path, str], tuple[Series, ...]] = OrderedDict()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        loaded = dict(data)
        scan = loaded.get("scan")
        if isinstance(scan, Slice) and not is_nifti(scan.ref.path):
            found = self.twins_of(scan)
            if found:
                loaded["twins"] = found
        return loaded

    def twins_of(self, scan: Slice) -> tuple[Twin, ...]:
        """The first ``MOST_TWINS`` other reconstructions of ``scan`` that can be read."""
        try:
            beside = self._folders.beside(scan.ref.path)
        except DfdError:  # it costs the comparison, not the slice
            return ()
        own = series_holding(scan.ref, beside)
        if own is None or not (own.uid and own.study_uid and own.space_uid and own.orientation):
            return ()
        ref = place_in(own, scan.ref)
        if ref is None:
            return ()
        twins: list[Twin] = []
        for series, other in _places(
            own, ref, (*beside, *self._sister_series(scan.ref.path.parent, own.study_uid))
        ):
            twin = self._read(series, other, scan)
            twins += [twin] if twin is not None else []
            if len(twins) == MOST_TWINS:
                break
        return tuple(twins)

    def _sister_series(self, folder: Path, study_uid: str) -> tuple[Series, ...]:
        """Series of the folders beside ``folder`` that belong to the study; remembered."""
        key = (folder, study_uid)
        if key not in self._sisters:
            found: list[Series] = []
            for sister in sister_folders(folder, self._within):
                if study_of(sister) == study_uid:
                    try:
                        found += self._folders.of(sister)
                    except DfdError:
                        continue
            self._sisters[key] = tuple(found)
            if len(self._sisters) > FOLDERS_KEPT:
                self._sisters.popitem(last=False)
        self._sisters.move_to_end(key)
        return self._sisters[key]

    def _read(self, series: Series, ref: SliceRef, scan: Slice) -> Twin | None:
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
        return Twin(
            f"{name} (frame {ref.frame + 1})" if several else name, pixels_in_scale_of(scan, read)
        )


def sister_folders(folder: Path, within: Path | None) -> list[Path]:
    """The ``MOST_SISTERS`` folders beside one.

    By name, if what they lie in is the data folder or lies in it.
    """
    if within is None or folder == within or not folder.parent.is_relative_to(within):
        return []
    try:
        names = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
    except OSError:
        return []
    place = names.index(folder.name) if folder.name in names else 0
    nearest = sorted(
        (abs(number - place), name) for number, name in enumerate(names) if name != folder.name
    )
    return [folder.parent / name for name in sorted(name for _, name in nearest[:MOST_SISTERS])]


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
            found = next(there, None)
            if found is not None:
                yield other, found


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


class TwinNotes:
    """What is to be said of regions of a slice in view of its ``twins``.

    Remarks alone: no p-value, score or verdict hangs on them.
    """

    def __init__(self, scan: Slice, twins: Sequence[Twin], modality: Modality) -> None:
        own = pixels_of(scan) if twins else np.empty((0, 0), dtype=np.float32)
        self._same = [twin for twin in twins if np.array_equal(twin.pixels, own, equal_nan=True)]
        # Series without a physical unit are other weightings of a place rather than other
        # reconstructions: nothing says what they should share.
        others = [] if modality.relative else [twin for twin in twins if twin not in self._same]
        self._others = [(twin.name, Comparison(own, twin.pixels, modality)) for twin in others]

    def of(self, region: Region) -> tuple[str, ...]:
        """One sentence for each twin that says anything of ``region``."""
        same = [
            Sentence(
                f"another series of this study ({quoted(twin.name)}) holds the very same pixels"
            )
            for twin in self._same
        ]
        told = [_sentence(name, comparison.of(region)) for name, comparison in self._others]
        return tuple(sentence for sentence in (*same, *told) if sentence)


def _sentence(name: str, found: Agreement) -> str:
    if found.content is Content.OTHER:
        numbers = (
            f"the two differ by {_hu(found.differs)}, {_hu(found.usual)} is usual at such places "
            "of this slice"
        )
        return Sentence(
            f"another reconstruction of this study ({quoted(name)}) shows other content here: "
            f"{numbers}"
        )
    if found.content is Content.SAME:
        told = f"the other reconstruction of this study ({quoted(name)})"
        if found.differs <= WIDEST_BOUND:
            return Sentence(
                f"{told} shows the same content here, within {max(found.differs, 1.0):.0f} HU"
            )
        return Sentence(f"{told} differs here no more than is usual at such places of this slice")
    return ""


def _hu(value: float) -> str:
    return f"{value:.0f} HU" if value >= 1.0 else "less than 1 HU"
