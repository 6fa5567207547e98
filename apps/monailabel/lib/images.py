"""Images of a datastore: where their slices lie, and how they lie in space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray

from dfd.reading import read_facts, read_series
from dfd.reading.content import is_nifti
from dfd.records import SliceRef
from lib.refusals import refusal


@dataclass(frozen=True)
class Image:
    """One image as a client counts it: index (x, y, z)."""

    path: Path
    """A NIfTI volume, a DICOM file, or a folder that holds a DICOM series."""
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    """Index to millimetres, RAS as in NIfTI; a diagonal of ones where the file does not say."""
    files: tuple[SliceRef, ...] = ()
    """Slices of a folder, by position."""

    def slice_at(self, z: int | None) -> tuple[Path, int | None]:
        """File and frame (1-based; None where the file has one) of slice ``z``.

        Raises:
            HTTPException: there is no such slice, or ``z`` is None and there are several.
        """
        count = self.shape[2]
        if z is None and count > 1:
            raise refusal(
                f"the image has {count} slices; name one as third number of the point, or as "
                "`slice`, counted from 0"
            )
        if not 0 <= (z or 0) < count:
            raise refusal(f"slice {z} is not in the image, whose slices run from 0 to {count - 1}")
        if self.files:
            return self.files[z or 0].path, None
        return self.path, None if count == 1 else (z or 0) + 1

    def millimetres(self, radius_px: float) -> float:
        """A radius in pixels of this image, in mm.

        Raises:
            HTTPException: the image names no spacing.
        """
        spacing = read_facts(self.slice_at(0)[0]).spacing_mm
        if spacing is None:
            raise refusal(
                "the image has no pixel spacing, so a box has no size in it; click a point instead"
            )
        return radius_px * math.sqrt(spacing[0] * spacing[1])


def image_at(path: Path) -> Image:
    """The image that lies at ``path``.

    Raises:
        SeriesError: it cannot be read.
        HTTPException: a folder without a series.
    """
    if path.is_dir():
        return _folder(path)
    read_facts(path)  # says in a sentence what is wrong with a file
    if is_nifti(path):
        volume = nibabel.load(path)
        sides = (*(int(side) for side in volume.shape), 1, 1)
        return Image(
            path, (sides[0], sides[1], sides[2]), np.asarray(volume.affine, dtype=np.float64)
        )
    header = pydicom.dcmread(path, stop_before_pixels=True)
    shape = (int(header.Columns), int(header.Rows), int(header.get("NumberOfFrames") or 1))
    return Image(
        path,
        shape,
        _affine(
            header, float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1.0)
        ),
    )


def _folder(path: Path) -> Image:
    series = max(read_series(path)[0], key=lambda one: len(one.slices), default=None)
    if series is None:
        raise refusal("the folder of the image holds no series that can be read; load it again")
    first = pydicom.dcmread(series.slices[0].path, stop_before_pixels=True)
    positions = [ref.position_mm for ref in series.slices if ref.position_mm is not None]
    step = (
        (positions[-1] - positions[0]) / (len(positions) - 1)
        if len(positions) == len(series.slices) > 1
        else float(first.get("SliceThickness") or 1.0)
    )
    return Image(
        path,
        (int(first.Columns), int(first.Rows), len(series.slices)),
        _affine(first, step),
        series.slices,
    )


def _affine(header: pydicom.Dataset, step_mm: float) -> NDArray[np.float64]:
    """DICOM PS3.3 equation C.7.6.2.1-1, turned from LPS to RAS."""
    if not all(
        header.get(name)
        for name in ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing")
    ):
        return np.eye(4)
    row, column = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    down, right = (float(value) for value in header.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = (
        row * right,
        column * down,
        np.cross(row, column) * step_mm,
    )
    affine[:3, 3] = np.array(header.ImagePositionPatient, dtype=np.float64)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
