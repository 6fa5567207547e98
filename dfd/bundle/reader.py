"""The one reader of both bundles: ``dfd.reading`` in the shape MONAI asks for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import ImageReader, MetaTensor
from monai.transforms import LoadImaged, MapTransform

from dfd.bundle.keys import Keys
from dfd.errors import DfdError
from dfd.modalities import MODALITIES
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.reading.unitless import in_steps
from dfd.records import Slice
from dfd.sentences import beginning_with

MARK = "dfd.bundle.reader.SliceReader"
"""Value of ``meta["reader"]`` that only this reader writes."""


class SliceReader(ImageReader):
    """MONAI ``ImageReader`` for one DICOM or NIfTI slice.

    ``[H, W]`` float32, HU or stored units, NaN where there is no measurement.
    """

    def __init__(self, frame: int | None = None, unit: str | None = None, **_: Any) -> None:
        super().__init__()
        self.frame, self.unit = frame, unit

    def verify_suffix(self, filename: Any) -> bool:
        """Files are recognised by content, so any name is taken."""
        return True

    def read(self, data: Any, **_: Any) -> Slice:
        """Decodes one slice. ``data`` is a path, or a tuple holding one."""
        path = data[0] if isinstance(data, tuple | list) else data
        return read_slice(Path(path), self.frame, self.unit)

    def get_data(self, img: Slice) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels and meta data; rows stay first, unlike MONAI's stock readers."""
        return pixels_of(img), meta_of(img)


def meta_of(scan: Slice) -> dict[str, Any]:
    """MONAI's meta data of a slice.

    Where spacing is missing the affine is the identity and ``spacing_mm`` None says so.
    """
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
    """Loads ``image`` (a path) with ``SliceReader`` and nothing else.

    MONAI's silent fall-back to other readers cannot happen.

    Reads the keys ``image`` and, for files with several frames, ``frame`` (zero-based). Sets
    ``image`` to a ``MetaTensor`` ``[1, H, W]`` and ``scan`` to the ``Slice``. What is already an
    array passes, so that a bare image can be asked about; one of a modality without unit is counted
    in steps of its own scale, as a file would be. Where a file cannot be read, ``error`` holds the
    sentence and ``image`` is a small slice without a single measured pixel: one bad file never
    costs the good ones.
    """

    def __init__(self, keys: KeysCollection = "image", modality: str | None = None) -> None:
        """``modality``: what a file that names no unit (NIfTI), or an array, holds.

        None: its values are to tell.
        """
        # Not LoadImaged's own constructor: it registers every reader that MONAI knows, warns of
        # those it misses, and falls back to them.
        MapTransform.__init__(self, keys)
        self._unit = None if modality is None else MODALITIES[modality].unit
        self._loader = SimpleNamespace(
            image_only=False
        )  # a switch of the loader that MONAI Label sets in the bundles it runs

    def __call__(
        self, data: Mapping[Hashable, Any], reader: ImageReader | None = None
    ) -> dict[Hashable, Any]:
        loaded = dict(data)
        for key in self.keys:
            source = loaded[key]
            if not isinstance(source, str | Path):
                loaded[key] = self._bare(source)
                continue
            chosen = reader or SliceReader(frame=loaded.get(Keys.FRAME), unit=self._unit)
            try:
                scan = chosen.read(source)
            except DfdError as error:
                # What is said of a file begins with its path.
                loaded[Keys.ERROR] = beginning_with(str(Path(source)), error.sentence)
                loaded[key] = MetaTensor(torch.full((1, 32, 32), torch.nan))
                continue
            pixels, meta = chosen.get_data(scan)
            loaded[Keys.SCAN] = scan
            loaded[key] = MetaTensor(torch.from_numpy(pixels)[None], meta=meta)
        return loaded

    def _bare(self, image: Any) -> Any:
        """An array ``[1, H, W]`` as a file with the same values would have given it.

        MR in steps of its own scale.
        """
        if self._unit != "stored" or not isinstance(image, np.ndarray | torch.Tensor):
            return image
        values = np.asarray(image, dtype=np.float64)
        valid = np.isfinite(values)
        if not valid.any():
            return image
        pixels, _ = in_steps(values, valid)
        counted = torch.from_numpy(np.where(valid, pixels, np.nan).astype(np.float32))
        return MetaTensor(counted, meta=image.meta) if isinstance(image, MetaTensor) else counted
