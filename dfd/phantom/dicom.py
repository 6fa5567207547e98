"""Phantom slices as standard DICOM series: CT Image and MR Image (PS3.3 A.3 and A.4).

Explicit VR Little Endian.

Nothing of the machine or the moment gets into a file: the same arguments give the same bytes.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from dfd.errors import OutputError
from dfd.phantom.ct import FULL_SIZE as CT_SIZE
from dfd.phantom.ct import KERNELS, CtScan, Kernel, scan_ct
from dfd.phantom.mr import FULL_SIZE as MR_SIZE
from dfd.phantom.mr import MrScan, mr_slice
from dfd.phantom.plan import SeriesNames, plan_series
from dfd.records import FloatImage

CT_INTERCEPT = -1024
CT_THICKNESS_MM = 2.5
MR_THICKNESS_MM = 6.0
DATE, TIME = "20200101", "120000"
"""Phantoms have no birthday; a fixed one keeps the files equal."""


def write_ct_series(  # noqa: PLR0913 - tests of other packages call it; keywords but one
    folder: Path,
    *,
    seed: int,
    slices: int = 3,
    kernel: Kernel = "soft",
    patient: str = "phantom1",
    size: int = CT_SIZE,
) -> list[Path]:
    """Write a CT series as ``file001.dcm``, ``file002.dcm``, ... from head to feet.

    Args:
        folder: Where to write; made where it is missing.
        seed: Of everything random, 0 or more.
        slices: How many, 2.5 mm apart.
        kernel: ``soft`` or ``sharp``; the same person and the same photons with either.
        patient: Name of the person; another name is another anatomy.
        size: Rows and columns of the field of view of 358 mm.

    Returns:
        The files in order.

    Raises:
        OutputError: if an argument is out of range or a file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from dfd.phantom import write_ct_series
        >>> files = write_ct_series(Path("ct"), seed=1, slices=2, size=128)
        >>> [file.name for file in files]
        ['file001.dcm', 'file002.dcm']
    """
    scan = ct_scan(kernel, size)
    plan = plan_series(seed, patient, slices, CT_THICKNESS_MM)
    names = SeriesNames(seed, patient, "CT", kernel)
    files = []
    for number, (height, rng) in enumerate(zip(plan.heights_mm, plan.noise, strict=True), start=1):
        files.append(
            write_ct_slice(folder, number, scan_ct(rng, plan.anatomy, height, scan), names, height)
        )
    return files


def write_mr_series(
    folder: Path, *, seed: int, slices: int = 3, patient: str = "phantom1", size: int = MR_SIZE
) -> list[Path]:
    """Write an MR series as ``file001.dcm``, ``file002.dcm``, ... from head to feet.

    Args:
        folder: Where to write; made where it is missing.
        seed: Of everything random, 0 or more.
        slices: How many, 6 mm apart.
        patient: Name of the person; the same name and seed is the same person as in CT.
        size: Rows and columns of the field of view of 358 mm, after zero-filling.

    Returns:
        The files in order.

    Raises:
        OutputError: if an argument is out of range or a file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from dfd.phantom import write_mr_series
        >>> files = write_mr_series(Path("mr"), seed=1, slices=2, size=128)
        >>> [file.name for file in files]
        ['file001.dcm', 'file002.dcm']
    """
    _check_size(size)
    scan = MrScan(size=size)
    plan = plan_series(seed, patient, slices, MR_THICKNESS_MM)
    names = SeriesNames(seed, patient, "MR", "t1")
    files = []
    for number, (height, rng) in enumerate(zip(plan.heights_mm, plan.noise, strict=True), start=1):
        pixels = mr_slice(rng, plan.anatomy, height, scan)
        dataset = _slice_dataset(number, pixels, names, height)
        _add_mr(dataset, scan)
        files.append(_save(dataset, folder, number))
    return files


def ct_scan(kernel: Kernel, size: int) -> CtScan:
    """Check the arguments of a CT series.

    Raises:
        OutputError: if the kernel is not one of ``KERNELS`` or the size is not reasonable.
    """
    if kernel not in KERNELS:
        raise OutputError(
            f"there is no phantom kernel {kernel!r}; choose one of {', '.join(KERNELS)}"
        )
    _check_size(size)
    return CtScan(kernel=kernel, size=size)


def write_ct_slice(
    folder: Path, number: int, hu: FloatImage, names: SeriesNames, height_mm: float
) -> Path:
    """Write one CT slice as ``file<number>.dcm``.

    ``hu`` is ``[H, W]`` whole HU from -1024 to 3071, ``names.description`` the kernel.
    """
    dataset = _slice_dataset(number, hu - np.float32(CT_INTERCEPT), names, height_mm)
    _add_ct(dataset, KERNELS[names.description].name)
    return _save(dataset, folder, number)


def _check_size(size: int) -> None:
    if not 32 <= size <= 2048:
        raise OutputError(
            f"a phantom slice has 32 to 2048 rows and columns, got size={size}; choose one in "
            "between"
        )


def _slice_dataset(
    number: int, stored: FloatImage, names: SeriesNames, height_mm: float
) -> Dataset:
    """Everything that CT and MR share.

    Patient, study, series, frame of reference, equipment, image plane, image pixel, SOP common.
    """
    series = (names.modality, names.description)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if names.modality == "CT" else "OTHER"]
    dataset.SOPClassUID = CTImageStorage if names.modality == "CT" else MRImageStorage
    dataset.SOPInstanceUID = names.uid(*series, number)
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, DATE)
        setattr(dataset, keyword.replace("Date", "Time"), TIME)
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality = names.modality
    dataset.Manufacturer, dataset.ManufacturerModelName = "PHANTOM", f"Simulated {names.modality}"
    dataset.StudyDescription, dataset.SeriesDescription = (
        "Simulated chest",
        f"{names.modality} {names.description}",
    )
    dataset.PatientName, dataset.PatientID = f"PHANTOM^{names.patient}", f"PHANTOM-{names.patient}"
    dataset.PatientBirthDate, dataset.PatientSex = "", "O"
    dataset.BodyPartExamined, dataset.PatientPosition = "CHEST", "HFS"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = names.uid("study"), names.uid(*series)
    dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = (
        "1",
        1,
        1,
        number,
    )
    _add_image_plane(dataset, stored, names, height_mm)
    return dataset


def _add_image_plane(
    dataset: Dataset, stored: FloatImage, names: SeriesNames, height_mm: float
) -> None:
    """Frame of reference, image plane and image pixel modules."""
    spacing = CtScan(size=stored.shape[0]).spacing_mm
    corner = -(stored.shape[0] - 1) / 2.0 * spacing
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = (
        names.uid("frame of reference"),
        "",
    )
    dataset.ImagePositionPatient = [round(corner, 6), round(corner, 6), round(height_mm, 6)]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.SliceLocation = round(height_mm, 6)
    dataset.PixelSpacing = [round(spacing, 6), round(spacing, 6)]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = (
        16,
        12,
        11,
        0,
    )
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.PixelData = stored.astype("<u2").tobytes()


def _add_ct(dataset: Dataset, kernel: str) -> None:
    """CT Image module."""
    dataset.KVP = 120
    dataset.SliceThickness = CT_THICKNESS_MM
    dataset.ConvolutionKernel = kernel
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = CT_INTERCEPT, 1, "HU"
    dataset.WindowCenter, dataset.WindowWidth = -600, 1500


def _add_mr(dataset: Dataset, scan: MrScan) -> None:
    """MR Image module."""
    rows, columns = scan.matrix
    dataset.SliceThickness = MR_THICKNESS_MM
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", "SP", ""
    dataset.MRAcquisitionType, dataset.SequenceName = "2D", "phantom_t1"
    dataset.RepetitionTime, dataset.EchoTime, dataset.EchoTrainLength = 150, 4, 1
    dataset.MagneticFieldStrength, dataset.FlipAngle = 1.5, 70
    # Frequency encoding runs along the columns' axis, phase encoding down the rows (PS3.3 C.8.3.1).
    dataset.AcquisitionMatrix, dataset.InPlanePhaseEncodingDirection = [0, columns, rows, 0], "COL"


def _save(dataset: Dataset, folder: Path, number: int) -> Path:
    path = folder / f"file{number:03d}.dcm"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        dataset.SOPInstanceUID,
    )
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Our own implementation UID: that of the library would change the bytes with its version.
    meta.ImplementationClassUID = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, 'dfd phantom').int}")
    meta.ImplementationVersionName = "DFD_PHANTOM"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        FileDataset(path, dataset, preamble=b"\0" * 128, file_meta=meta).save_as(
            path, enforce_file_format=True
        )
    except OSError as error:
        raise OutputError(
            f"cannot write the phantom slice {path}: {error.strerror or error}; choose a "
            "folder that can be written"
        ) from error
    return path
