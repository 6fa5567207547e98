"""NIfTI volumes. nibabel's axis order (x first) is undone here and nowhere else."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from nibabel.spatialimages import HeaderDataError, ImageDataError
from numpy.typing import NDArray

from dfd.errors import SeriesError
from dfd.reading import nifti_bytes
from dfd.reading.geometry import Placement, normal_of, plane_of, position_of
from dfd.reading.header import SMALLEST_SIDE, patient_hash
from dfd.reading.limits import PIXELS_LIMIT
from dfd.reading.measurable import check_measurable
from dfd.reading.pixels import LOWEST_HU, frame_index, unitless_slice
from dfd.reading.quiet import quiet
from dfd.records import Rescale, ScanFacts, Series, Slice, SliceRef

AIR_HU = -500.0
"""A volume with values below this is taken as HU: NIfTI has no unit, and no MR or PET value is that
negative."""

SAME_SIZE = 0.01
"""Relative difference up to which the sides of a voxel are the same in a transform and in pixdim;
both are float32."""
OTHER_SIZES = (
    "the sform of the file gives its voxels another size than pixdim, so positions are those of "
    "the qform"
)

_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres per NIFTI_UNITS code: unnamed (millimetres by custom), metre, millimetre,
micrometre."""
_SPACE_BITS = 7
_NIFTI_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    EOFError,
    HeaderDataError,
    ImageDataError,
    ImageFileError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)


CT_AIR_HU, CT_TISSUE_HU, CT_LEAST_HU = (-1100.0, -900.0), (-200.0, 200.0), -4100.0
"""Where CT has air and soft tissue, and below what not even its padding lies."""
CT_SHARE = 0.05
"""Share of a slice's pixels that lie in each of the first two in CT at least."""


def read_nifti_slice(path: Path, frame: int | None, unit: str | None = None) -> Slice:
    """Slice ``frame`` (zero-based) of a NIfTI volume as ``[H, W]``.

    ``data[:, :, frame].T``, nibabel's second axis downwards.

    Only that slice is read where the file is not compressed. ``facts.unit`` is HU where the slice
    itself reaches below ``AIR_HU``; where ``unit`` says that the values have none, only a slice
    with the air and soft tissue of CT is taken as HU.

    Raises:
        SeriesError: Not a volume of real numbers, too small, damaged, or ``frame`` is not in it.
    """
    image = _open(path)
    frames = _frames(image)
    index = frame_index(frame, frames, path)
    values = _plane(image, index, path)
    placement = _placement(image, index)
    facts = replace(_facts(image, values, path, unit), plane=plane_of(placement.orientation))
    valid = np.isfinite(values)
    ref = SliceRef(path, index, "", position_of(placement), corner_mm=placement.corner_mm)
    if facts.unit != "HU":
        rescale = _rescale(image)
        # Whole numbers again: rounding of the scaled ones depends on the scale.
        stored = (values - rescale.intercept) / rescale.slope
        if image.get_data_dtype().kind in "iu":
            stored = np.rint(stored)
        return unitless_slice(
            ref,
            facts,
            stored * math.copysign(1.0, rescale.slope),
            valid,
            Rescale(abs(rescale.slope), rescale.intercept),
        )
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = values.astype(np.float32)
    valid &= np.isfinite(pixels) & (pixels >= LOWEST_HU)
    return Slice(ref, facts, *check_measurable(pixels, valid, path))


def read_nifti_facts(path: Path) -> ScanFacts:
    """Facts of a NIfTI volume; its unit is judged by the middle slice.

    Raises:
        SeriesError: As ``read_nifti_slice``.
    """
    image = _open(path)
    return _facts(image, _plane(image, _frames(image) // 2, path), path)


def read_nifti_series(path: Path) -> Series:
    """A NIfTI volume as one series of frames.

    Ordered by position where the file says how the volume lies, else as stored.

    Where the file has two transforms, sform and qform, that give its voxels different sizes, the
    one that agrees with pixdim counts, and a remark says so.

    Raises:
        SeriesError: As ``read_nifti_slice``.
    """
    image = _open(path)
    facts = _facts(image, _plane(image, _frames(image) // 2, path), path)
    placements = [_placement(image, frame) for frame in range(_frames(image))]
    refs = [
        SliceRef(path, frame, "", position_of(placement), corner_mm=placement.corner_mm)
        for frame, placement in enumerate(placements)
    ]
    refs.sort(key=lambda ref: (ref.position_mm or 0.0, ref.frame))
    orientation = placements[0].orientation
    remarks = (OTHER_SIZES,) if orientation and _affine_of(image) is not image.affine else ()
    facts = replace(facts, plane=plane_of(orientation))
    return Series("", orientation, tuple(refs), facts, remarks)


def _open(path: Path) -> Nifti1Image:
    """The image with its header checked, its data not read."""
    try:
        with quiet():
            image = nibabel.load(path)
    except FileNotFoundError as error:
        raise SeriesError(
            f"{path} does not exist: correct the path or copy the file there"
        ) from error
    except _NIFTI_ERRORS as error:
        raise SeriesError(
            f"{path} cannot be read as NIfTI ({type(error).__name__}): it is damaged, so copy "
            "or export it again"
        ) from error
    if not isinstance(image, Nifti1Image) or image.get_data_dtype().kind not in "iuf":
        raise SeriesError(f"{path} is not a NIfTI volume of real numbers: give a greyscale volume")
    sides = tuple(int(side) for side in image.shape)
    if len(sides) < 2 or any(side != 1 for side in sides[3:]):
        raise SeriesError(
            f"{path} has {len(sides)} axes ({sides}): give one volume of 3 axes per file"
        )
    if min(sides) < 1:
        raise SeriesError(
            f"{path} holds no slice ({' x '.join(map(str, sides))} voxels): it is damaged, so "
            "copy or export it again"
        )
    if min(sides[:2]) < SMALLEST_SIDE:
        raise SeriesError(
            f"{path} has {sides[1]} x {sides[0]} pixels, too small to be assessed: give at "
            f"least {SMALLEST_SIDE} x {SMALLEST_SIDE}"
        )
    size = math.prod(sides) * image.get_data_dtype().itemsize
    if size > PIXELS_LIMIT:
        raise SeriesError(
            f"{path} claims {sides} voxels, over the limit of {PIXELS_LIMIT // 2**20} MiB: split it"
        )
    nifti_bytes.check(path, int(image.dataobj.offset), image.header.single_vox_offset, size)
    return image


def _frames(image: Nifti1Image) -> int:
    """Number of slices along the third axis."""
    return int(image.shape[2]) if len(image.shape) > 2 else 1


def _rescale(image: Nifti1Image) -> Rescale:
    """Slope and intercept of the header, as nibabel applies them."""
    slope, intercept = (
        float(getattr(image.dataobj, name, missing))
        for name, missing in (("slope", 1.0), ("inter", 0.0))
    )
    usable = math.isfinite(slope) and slope != 0 and math.isfinite(intercept)
    return Rescale(slope, intercept) if usable else Rescale()


def _plane(image: Nifti1Image, index: int, path: Path) -> NDArray[np.float64]:
    """Slice ``index`` as ``[H, W]``, scaled by the header's slope and intercept."""
    try:
        with quiet(), np.errstate(all="ignore"):
            plane: NDArray[np.generic] = np.asarray(
                image.dataobj[:, :, index] if len(image.shape) > 2 else image.dataobj
            )
            return np.ascontiguousarray(plane.reshape(plane.shape[:2]).T, dtype=np.float64)
    except _NIFTI_ERRORS as error:
        raise SeriesError(
            f"{path} has voxels that cannot be read ({type(error).__name__}): it is cut short "
            "or damaged, so copy it again"
        ) from error


def _facts(
    image: Nifti1Image, pixels: NDArray[np.float64], path: Path, unit: str | None = None
) -> ScanFacts:
    """What a NIfTI header knows: spacing and bits; modality and scanner stay empty."""
    zooms = [float(zoom) * _millimetres(image) for zoom in image.header.get_zooms()[:3]]
    usable = all(math.isfinite(zoom) and zoom > 0 for zoom in zooms)
    return ScanFacts(
        unit="HU" if _is_hounsfield(pixels[np.isfinite(pixels)], unit) else "stored",
        spacing_mm=(zooms[1], zooms[0]) if usable else None,
        thickness_mm=zooms[2] if usable and len(zooms) > 2 else None,
        bits_stored=image.get_data_dtype().itemsize * 8,
        compression="NIfTI",
        patient_hash=patient_hash("", path),
    )


def _is_hounsfield(finite: NDArray[np.float64], unit: str | None) -> bool:
    """Whether values are taken as HU.

    Where ``unit`` says that they have none, only those that can be nothing else.
    """
    if not finite.size or not float(finite.min()) < AIR_HU:
        return False
    shares = [
        np.mean((finite >= low) & (finite <= high)) for low, high in (CT_AIR_HU, CT_TISSUE_HU)
    ]
    return unit != "stored" or bool(finite.min() >= CT_LEAST_HU and min(shares) >= CT_SHARE)


def _placement(image: Nifti1Image, index: int) -> Placement:
    """Orientation and position of slice ``index`` in LPS.

    Empty where neither sform nor qform is set.
    """
    header = image.header
    if image.affine is None or not (int(header["sform_code"]) or int(header["qform_code"])):
        return Placement()
    # NIfTI is RAS: the first two axes change sign. A column index counts along nibabel's first
    # axis.
    affine = (
        np.asarray(_affine_of(image), dtype=np.float64)[:3]
        * np.array([[-1.0], [-1.0], [1.0]])
        * _millimetres(image)
    )
    with np.errstate(all="ignore"):
        corner = affine[:, 3] + index * affine[:, 2]
        cosines = (affine[:, :2] / np.linalg.norm(affine[:, :2], axis=0)).T.ravel()
    found = Placement(tuple(float(cosine) for cosine in cosines), tuple(float(mm) for mm in corner))
    return (
        found
        if np.isfinite(cosines).all()
        and np.isfinite(corner).all()
        and any(normal_of(found.orientation))
        else Placement()
    )


def _affine_of(image: Nifti1Image) -> NDArray[np.float64]:
    """The transform that places the volume: as nibabel chooses, the sform before the qform.

    The qform instead where both are set and the sform alone contradicts pixdim: an sform may lead
    into the space of an atlas, whose millimetres are not those of the patient.
    """
    affine: NDArray[np.float64] = image.affine
    header = image.header
    if not (int(header["sform_code"]) and int(header["qform_code"])):
        return affine
    try:
        with quiet(), np.errstate(all="ignore"):
            scanner: NDArray[np.float64] = header.get_qform()
    except _NIFTI_ERRORS:
        return affine
    sizes = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    agree = [
        np.allclose(np.linalg.norm(each[:3, :3], axis=0), sizes, rtol=SAME_SIZE, atol=0.0)
        for each in (affine, scanner)
    ]
    return scanner if agree == [False, True] else affine


def _millimetres(image: Nifti1Image) -> float:
    """Millimetres in the unit of length of the header.

    NaN where the header names a unit that does not exist, so that no length is invented.
    """
    return _MM.get(int(image.header["xyzt_units"]) & _SPACE_BITS, math.nan)
