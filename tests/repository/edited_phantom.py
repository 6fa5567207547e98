"""A phantom series with a region that is listed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import dcmread

from dfd.phantom import write_ct_series
from dfd.phantom.tamper import smooth_fill
from dfd.records import Region

SIZE = 384
EDIT = Region(134.4, 192.0, 14.0)
"""What is filled in each slice."""


def write_edited_series(folder: Path, slices: int = 2, **header: str) -> list[Path]:
    """A CT series whose slices are filled smoothly at ``EDIT``, which makes it unusual."""
    files = write_ct_series(folder, seed=3, slices=slices, size=SIZE)
    edit(files, **header)
    return files


def edit(files: Sequence[Path], **header: str) -> None:
    """Fill slices smoothly at ``EDIT``."""
    for path in files:
        scan = dcmread(path)
        slope, intercept = float(scan.RescaleSlope), float(scan.RescaleIntercept)
        edited = smooth_fill(scan.pixel_array.astype(np.float32) * slope + intercept, EDIT)
        stored = np.rint((edited - intercept) / slope)
        scan.PixelData = stored.astype(scan.pixel_array.dtype).tobytes()
        for name, value in header.items():
            setattr(scan, name, value)
        scan.save_as(path)
