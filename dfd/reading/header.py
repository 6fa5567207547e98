"""What the header of a DICOM image says.

Facts, geometry, and how stored values become intensities. Nothing missing is invented.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.uid import UID

from dfd.errors import SeriesError
from dfd.reading.geometry import has_detector_spacing, placement_of, plane_of, spacing_of
from dfd.reading.header_values import (
    frame_value,
    number_of,
    text_of,
    texts_of,
    value_of,
    whole_number,
)
from dfd.reading.image_terms import GE_TAGS, KEYWORDS, frame_terms_of, image_type_of
from dfd.reading.kinds import kind_of, modality_of, refuse_other_objects
from dfd.reading.limits import PIXELS_LIMIT
from dfd.records import ScanFacts

SMALLEST_SIDE = 32
"""Pixels; the network needs a crop of this size."""


HU_TYPES = ("", "HU", "US")
"""Values of RescaleType under which rescaled CT is taken as HU: absent, Hounsfield, and
"unspecified", which some vendors write."""

_LOSSY_SYNTAXES = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.203",
)
"""JPEG baseline, JPEG extended, near-lossless JPEG-LS, HTJ2K (may lose): lossy unless
LossyImageCompression is 00."""

_KEYWORDS = (
    "SpecificCharacterSet SOPInstanceUID AcquisitionDate AcquisitionTime AcquisitionDateTime "
    "Modality Manufacturer "
    "ManufacturerModelName PatientID StudyInstanceUID FrameOfReferenceUID KVP "
    "BodyPartExamined ScanningSequence SequenceVariant SequenceName "
    "PulseSequenceName SliceThickness TriggerTime ConvolutionKernel SeriesInstanceUID "
    "InstanceNumber TemporalPositionIdentifier "
    "ImagePositionPatient ImageOrientationPatient SamplesPerPixel PhotometricInterpretation "
    "NumberOfFrames Rows Columns PixelSpacing "
    "ImagerPixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation "
    "PixelPaddingValue PixelPaddingRangeLimit FloatPixelPaddingValue FloatPixelPaddingRangeLimit "
    "DoubleFloatPixelPaddingValue DoubleFloatPixelPaddingRangeLimit RescaleIntercept "
    "RescaleSlope RescaleType LossyImageCompression LossyImageCompressionMethod "
    "ModalityLUTSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "SeriesNumber "
) + KEYWORDS
HEADER_TAGS: tuple[int, ...] = (
    *(tag for word in _KEYWORDS.split() if (tag := tag_for_keyword(word)) is not None),
    *GE_TAGS,
)
"""The elements that are read; the patient's name is not among them."""


STUDY_TAGS = tuple(
    tag
    for word in ("SpecificCharacterSet", "StudyInstanceUID")
    if (tag := tag_for_keyword(word)) is not None
)
"""Those that tell to which study a file belongs."""


@dataclass(frozen=True, slots=True)
class ImageShape:
    """Size and storage of the pixels, checked."""

    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool
    """True for MONOCHROME1."""


def _check_greyscale(header: Dataset, path: Path) -> str:
    """PhotometricInterpretation of an image in grey; anything else is refused."""
    refuse_other_objects(header, path)
    if "Rows" not in header or "Columns" not in header:
        raise SeriesError(
            f"{path} holds no image (it may be a report, a plan or a contour set): leave it out"
        )
    samples = whole_number(header, "SamplesPerPixel", 1, path)
    photometric = text_of(value_of(header, "PhotometricInterpretation"))
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        kind = kind_of(header)
        picture = f"DICOM {kind} in colour" if kind else "colour picture"
        raise SeriesError(
            f"{path} is a {picture} ({photometric or 'unnamed'}, {samples} samples per "
            "pixel): give the original greyscale slice"
        )
    return photometric


def image_shape(header: Dataset, path: Path) -> ImageShape:
    """Size and storage of the pixels.

    Raises:
        SeriesError: No image, no scan by its SOP class, colour, too small, more than
            ``PIXELS_LIMIT`` bytes, or bits that contradict each other.
    """
    photometric = _check_greyscale(header, path)
    rows, columns = (
        whole_number(header, "Rows", None, path),
        whole_number(header, "Columns", None, path),
    )
    if min(rows, columns) < SMALLEST_SIDE:
        raise SeriesError(
            f"{path} has {rows} x {columns} pixels, too small to be assessed: give at least "
            f"{SMALLEST_SIDE} x {SMALLEST_SIDE}"
        )
    frames = whole_number(header, "NumberOfFrames", 1, path)
    allocated = whole_number(header, "BitsAllocated", None, path)
    stored = whole_number(header, "BitsStored", allocated, path)
    signed = whole_number(header, "PixelRepresentation", 0, path) == 1
    shape = ImageShape(
        rows, columns, frames, allocated, stored, signed, photometric == "MONOCHROME1"
    )
    _check_storage(shape, header, path)
    return shape


def _check_storage(shape: ImageShape, header: Dataset, path: Path) -> None:
    """Refuse bits that contradict each other, and more bytes than ``PIXELS_LIMIT``."""
    rows, columns, frames = shape.rows, shape.columns, shape.frames
    allocated, stored = shape.bits_allocated, shape.bits_stored
    if allocated not in (8, 16, 32, 64) or not 1 <= stored <= allocated or frames < 1:
        raise SeriesError(
            f"{path} claims {frames} frames of {stored} bits in {allocated}, which no "
            "greyscale scan has: export it again"
        )
    if rows * columns * frames * (allocated // 8) > PIXELS_LIMIT:
        raise SeriesError(
            f"{path} claims {frames} frames of {rows} x {columns} pixels, over "
            f"{PIXELS_LIMIT // 2**20} MiB: split or re-export it"
        )
    if (highest := whole_number(header, "HighBit", stored - 1, path)) != stored - 1:
        # Before DICOM (ACR-NEMA) the bits might lie higher; a header that says so today is mostly
        # damaged, and nothing tells which it is.
        raise SeriesError(
            f"{path} says HighBit {highest} for {stored} stored bits, but the highest of them "
            f"is bit {stored - 1}: export it again"
        )


def patient_hash(identity: str, path: Path) -> str:
    """First 12 hexadecimal digits of the SHA-256 of a patient's identity.

    Or of the file's folder where there is none.
    """
    return hashlib.sha256(
        (identity or str(path.parent.resolve())).encode("utf-8", "surrogateescape")
    ).hexdigest()[:12]


def facts_of(header: Dataset, path: Path, frame: int = 0) -> ScanFacts:
    """Facts of one frame (zero-based)."""

    def texts(group: str, keyword: str) -> tuple[str, ...]:
        return texts_of(frame_value(header, frame, group, keyword))

    modality = modality_of(header)
    thickness = number_of(frame_value(header, frame, "PixelMeasuresSequence", "SliceThickness"))
    bits = number_of(value_of(header, "BitsStored"))
    syntax = UID(text_of(value_of(header.file_meta, "TransferSyntaxUID")))
    return ScanFacts(
        modality=modality,
        manufacturer=text_of(value_of(header, "Manufacturer")),
        model=text_of(value_of(header, "ManufacturerModelName")),
        kernel=text_of(frame_value(header, frame, "CTReconstructionSequence", "ConvolutionKernel")),
        sequence=_sequence_of(header),
        body_part=text_of(value_of(header, "BodyPartExamined")).upper(),
        image_type=image_type_of(texts, header),
        unit="HU" if modality == "CT" and _is_hounsfield(header, frame) else "stored",
        spacing_mm=spacing_of(header, frame),
        detector_spacing=has_detector_spacing(header, frame),
        thickness_mm=thickness if thickness and thickness > 0 else None,
        bits_stored=int(bits) if bits else 16,
        lossy=_is_lossy(header, syntax),
        compression=syntax.name,
        patient_hash=patient_hash(text_of(value_of(header, "PatientID")), path),
        frame_terms=frame_terms_of(texts, header),
        plane=plane_of(placement_of(header, frame).orientation),
    )


def _sequence_of(header: Dataset) -> str:
    """Name of an MR pulse sequence.

    The vendor's, else scanning sequence and variant, which are always there.
    """
    named = text_of(value_of(header, "SequenceName")) or text_of(
        value_of(header, "PulseSequenceName")
    )
    return named or "\\".join(
        texts_of(value_of(header, "ScanningSequence"))
        + texts_of(value_of(header, "SequenceVariant"))
    )


def _is_hounsfield(header: Dataset, frame: int) -> bool:
    """True where a CT frame is rescaled and the header does not name another unit."""
    macro = "PixelValueTransformationSequence"
    kind = text_of(frame_value(header, frame, macro, "RescaleType")).upper()
    if value_of(header, "ModalityLUTSequence"):
        return False
    return kind in HU_TYPES and all(
        frame_value(header, frame, macro, word) is not None
        for word in ("RescaleSlope", "RescaleIntercept")
    )


def _is_lossy(header: Dataset, syntax: str) -> bool:
    """True where the pixels went through lossy compression, now or before."""
    stated = text_of(value_of(header, "LossyImageCompression"))
    method = texts_of(value_of(header, "LossyImageCompressionMethod"))
    return stated == "01" or (stated != "00" and (any(method) or syntax in _LOSSY_SYNTAXES))


def moment_of(header: Dataset, frame: int = 0) -> str:
    """When a frame (zero-based) was acquired, as the header writes it.

    Empty where it does not say.
    """
    own = text_of(frame_value(header, frame, "FrameContentSequence", "FrameAcquisitionDateTime"))
    moment = own or text_of(value_of(header, "AcquisitionDateTime"))
    return moment or text_of(value_of(header, "AcquisitionDate")) + text_of(
        value_of(header, "AcquisitionTime")
    )
