"""The one reader of both bundles: ``dfd.reading`` in the shape MONAI asks for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import ImageReader, MetaTensor
from monai.transforms import LoadImaged, MapTransform

from dfd.errors import DfdError
from dfd.reading import read_slice
from dfd.records import Slice
from dfd.sentences import beginning_with

MARK = "dfd.bundle.reader.SliceReader"
"""Value of ``meta["reader"]`` that only this reader writes."""


class SliceReader(ImageReader):
    """MONAI ``ImageReader`` for one DICOM or NIfTI slice: ``[H, W]`` float32, HU or stored units, NaN where there is no measurement."""

    def __init__(self, frame: int | None = None, **_: Any) -> None:
        super().__init__()
        self.frame = frame

    def verify_suffix(self, filename: Any) -> bool:
        """Files are told by content, so any name is taken."""
        return True

    def read(self, data: Any, **_: Any) -> Slice:
        """Decodes one slice. ``data`` is a path, or a tuple holding one."""
        path = data[0] if isinstance(data, tuple | list) else data
        return read_slice(Path(path), self.frame)

    def get_data(self, img: Slice) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels and meta data; rows stay first, unlike MONAI's stock readers."""
        return pixels_of(img), meta_of(img)


def pixels_of(scan: Slice) -> np.ndarray:
    """``[H, W]`` float32 with NaN where ``scan`` holds no measurement."""
    return np.where(scan.valid, scan.pixels, np.nan).astype(np.float32)


def meta_of(scan: Slice) -> dict[str, Any]:
    """MONAI's meta data of a slice. Where spacing is missing the affine is the identity and ``spacing_mm`` None says so."""
    row, column = scan.facts.spacing_mm or (1.0, 1.0)
    affine = np.diag([row, column, 1.0, 1.0])
    return {
        "reader": MARK,
        "affine": affine,
        "original_affine": affine,
        "spatial_shape": np.array(scan.pixels.shape),
        "original_channel_dim": "no_channel",
        "spacing_mm": scan.facts.spacing_mm,
        "filename_or_obj": str(scan.ref.path),
    }


class LoadSliced(LoadImaged):
    """Loads ``image`` (a path) with ``SliceReader`` and nothing else: MONAI's silent fall-back to other readers cannot happen.

    Reads the keys ``image`` and, for files with several frames, ``frame`` (zero-based). Sets ``image`` to a ``MetaTensor`` ``[1, H, W]`` and ``scan``
    to the ``Slice``. What is already an array is left as it is, so that a bare image passes. Where a file cannot be read, ``error`` holds the
    sentence and ``image`` is a small slice without a single measured pixel: one bad file never costs the good ones.
    """

    def __init__(self, keys: KeysCollection = "image") -> None:
        # Not LoadImaged's own constructor: it registers every reader that MONAI knows, warns of those it misses, and falls back to them.
        MapTransform.__init__(self, keys)
        self._loader = SimpleNamespace(image_only=False)  # a switch of the loader that MONAI Label sets in the bundles it runs

    def __call__(self, data: Mapping[Hashable, Any], reader: ImageReader | None = None) -> dict[Hashable, Any]:
        loaded = dict(data)
        for key in self.keys:
            source = loaded[key]
            if not isinstance(source, str | Path):
                continue
            chosen = reader or SliceReader(frame=loaded.get("frame"))
            try:
                scan = chosen.read(source)
            except DfdError as error:
                # What is said of a file begins with its path.
                loaded["error"] = beginning_with(str(Path(source)), error.sentence)
                loaded[key] = MetaTensor(torch.full((1, 32, 32), torch.nan))
                continue
            pixels, meta = chosen.get_data(scan)
            loaded["scan"] = scan
            loaded[key] = MetaTensor(torch.from_numpy(pixels)[None], meta=meta)
        return loaded


def patients_of(paths: Sequence[Path], hashes: Sequence[str], root: Path) -> list[str]:
    """The patient each file belongs to: its folder directly below ``root``; folders that share a PatientID are one patient, named as the first.

    Where all files carry the same PatientID it says nothing (exporters write one constant) and only the folders count. Files beside the folders
    are told apart by ``hashes`` (of the PatientID) alone.
    """
    folders = [path.relative_to(root).parts[0] if len(path.relative_to(root).parts) > 1 else "" for path in paths]
    if len({h for h in hashes if h}) <= 1:
        return folders
    pairs = list(zip(folders, hashes, strict=True))
    clusters: list[set[tuple[str, str]]] = []
    for pair in sorted(set(pairs)):
        tied = [cluster for cluster in clusters if any(_same_patient(pair, other) for other in cluster)]
        clusters = [cluster for cluster in clusters if cluster not in tied] + [{pair}.union(*tied)]
    name = {pair: min(((not folder, folder or patient) for folder, patient in cluster))[1] for cluster in clusters for pair in cluster}
    return [name[pair] for pair in pairs]


def _same_patient(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two pairs (folder, PatientID) share a folder or a PatientID; what is empty is not shared."""
    return any(left and left == right for left, right in zip(one, other, strict=True))
