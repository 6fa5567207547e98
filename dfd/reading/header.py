"""What the header of a DICOM image says.

Facts, geometry, and how stored values become intensities. Nothing missing is invented.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID

from dfd.errors import SeriesError
from dfd.reading.guard import PIXELS_LIMIT, READ_ERRORS
from dfd.reading.image_terms import GE_TAGS, KEYWORDS, frame_terms_of, image_type_of
from dfd.reading.kinds import kind_of, refuse_other_objects
from dfd.records import ScanFacts

SMALLEST_SIDE = 32
"""Pixels; the network needs a crop of this size."""

PLANE_COSINE = 0.8
"""A plane whose normal is farther from an axis of the patient (37 degrees; gantries tilt up to 30)
is oblique."""

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
    "RescaleSlope RescaleType LossyImageCompression "
    "ModalityLUTSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "SeriesNumber "
) + KEYWORDS
HEADER_TAGS: tuple[int, ...] = (
    *(tag for word in _KEYWORDS.split() if (tag := tag_for_keyword(word)) is not None),
    *GE_TAGS,
)
"""The elements that are read; the patient's name is not among them."""

_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""1,024 may be a thousand and 24, or one and a bit: never decided."""

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


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a frame lies in the patient (LPS, mm)."""

    orientation: tuple[float, ...] = ()
    """Six direction cosines (row, column); empty where orientation or position is missing."""
    corner_mm: tuple[float, ...] = ()
    """Centre of the first pixel."""


def value_of(header: Dataset, keyword: str) -> object:
    """Value of an element.

    None where it is missing, empty or cannot be parsed, and the text as written where a decimal
    string is no number.
    """
    try:
        value: object = header.get(keyword)
    except READ_ERRORS:
        return _as_written(header, keyword)
    return None if value is None or value == "" else value


def _as_written(header: Dataset, keyword: str) -> str | None:
    """Text of a decimal string that pydicom cannot parse ("0,7"); None for any other element."""
    raw = header.get_item(keyword)
    if dictionary_VR(keyword) != "DS" or raw is None or not isinstance(raw.value, bytes):
        return None
    return raw.value.decode("ascii", "replace")


def text_of(value: object) -> str:
    """A value as text, several joined by a backslash as DICOM does."""
    if value is None:
        return ""
    return "\\".join(texts_of(value))


def texts_of(value: object) -> tuple[str, ...]:
    """A value as texts.

    A text with backslashes is several, also under a representation that has one value (UT).
    """
    if value is None:
        return ()
    values = list(value) if isinstance(value, (MultiValue, list, tuple)) else [value]
    return tuple(part.strip().strip("\0") for entry in values for part in str(entry).split("\\"))


def numbers_of(value: object, count: int) -> tuple[float, ...]:
    """A value as ``count`` finite numbers; empty where it is anything else."""
    try:
        found = tuple(float(text) for text in _with_points(texts_of(value)))
    except ValueError:
        return ()
    return found if len(found) == count and all(math.isfinite(number) for number in found) else ()


def _with_points(texts: tuple[str, ...]) -> tuple[str, ...]:
    """``texts`` with decimal commas turned into points.

    Where no comma could separate thousands or values.
    """
    if not any("," in text for text in texts):
        return texts
    if all(_COMMA_NUMBER.fullmatch(text) for text in texts) and not all(
        _THOUSANDS.fullmatch(text) for text in texts if "," in text
    ):
        return tuple(text.replace(",", ".") for text in texts)
    return texts


def number_of(value: object) -> float | None:
    """A value as one finite number, else None."""
    found = numbers_of(value, 1)
    return found[0] if found else None


def frame_value(header: Dataset, frame: int, macro: str, keyword: str) -> object:
    """An element of a frame.

    From its own functional group, from the shared one, or from the top level (PS3.3 section
    C.7.6.16).
    """
    for sequence, index in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        if (
            sequence not in header
        ):  # as in every classic file, where looking for the item costs much more
            continue
        group = _item(header, sequence, index)
        item = _item(group, macro, 0) if group is not None else None
        if item is not None and (value := value_of(item, keyword)) is not None:
            return value
    return value_of(header, keyword)


def groups_in(header: Dataset) -> int:
    """How many frames have a functional group of their own."""
    items = value_of(header, "PerFrameFunctionalGroupsSequence")
    return len(items) if isinstance(items, Sequence) else 0


def _item(header: Dataset, keyword: str, index: int) -> Dataset | None:
    """Item ``index`` of a sequence, None where there is none."""
    items = value_of(header, keyword)
    return items[index] if isinstance(items, Sequence) and index < len(items) else None


def whole_number(header: Dataset, keyword: str, missing: int | None, path: Path) -> int:
    """A whole number, ``missing`` where the element is absent or empty.

    Raises:
        SeriesError: Absent without ``missing``, or not a whole number.
    """
    value = value_of(header, keyword)
    if value is None and missing is not None:
        return missing
    number = number_of(value)
    if number is None or number != int(number):
        raise SeriesError(f"{path} has no usable {keyword} in its header: export it again")
    return int(number)


def image_shape(header: Dataset, path: Path) -> ImageShape:
    """Size and storage of the pixels.

    Raises:
        SeriesError: No image, no scan by its SOP class, colour, too small, more than
            ``PIXELS_LIMIT`` bytes, or bits that contradict each other.
    """
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
    signed = whole_number(header, "PixelRepresentation", 0, path) == 1
    return ImageShape(
        rows, columns, frames, allocated, stored, signed, photometric == "MONOCHROME1"
    )


def placement_of(header: Dataset, frame: int) -> Placement:
    """Orientation and position of a frame (zero-based); both empty unless both are there."""
    cosines = numbers_of(
        frame_value(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient"), 6
    )
    corner = numbers_of(
        frame_value(header, frame, "PlanePositionSequence", "ImagePositionPatient"), 3
    )
    if not cosines or not corner or not any(normal_of(cosines)):
        return Placement()
    return Placement(cosines, corner)


def normal_of(orientation: tuple[float, ...]) -> tuple[float, float, float]:
    """Normal of a plane given by six direction cosines (row x column)."""
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    return b * f - c * e, c * d - a * f, a * e - b * d


def position_of(placement: Placement, orientation: tuple[float, ...] | None = None) -> float | None:
    """Distance of a frame along the normal of ``orientation`` (its own where None), in mm.

    None where the header has no position.
    """
    if not placement.orientation:
        return None
    normal = normal_of(orientation or placement.orientation)
    return sum(
        axis * mm for axis, mm in zip(normal, placement.corner_mm, strict=True)
    ) / math.hypot(*normal)


def spacing_of(header: Dataset, frame: int) -> tuple[float, float] | None:
    """(row, column) distance of pixel centres in mm; None where it is missing or not positive."""
    found = numbers_of(frame_value(header, frame, "PixelMeasuresSequence", "PixelSpacing"), 2)
    return (found[0], found[1]) if found and min(found) > 0 else None


def has_detector_spacing(header: Dataset, frame: int) -> bool:
    """True where the only distance of pixels is that on the detector.

    How large they are in the patient is then not known.
    """
    return (
        spacing_of(header, frame) is None
        and len(numbers_of(value_of(header, "ImagerPixelSpacing"), 2)) == 2
    )


def patient_hash(identity: str, path: Path) -> str:
    """First 12 hexadecimal digits of the SHA-256 of a patient's identity.

    Or of the file's folder where there is none.
    """
    return hashlib.sha256(
        (identity or str(path.parent.resolve())).encode("utf-8", "surrogateescape")
    ).hexdigest()[:12]


def plane_of(orientation: tuple[float, ...]) -> str:
    """``axial``, ``coronal``, ``sagittal`` or ``oblique`` for six direction cosines.

    Empty where there are none.
    """
    if not orientation:
        return ""
    normal = normal_of(orientation)
    largest = max(range(3), key=lambda axis: abs(normal[axis]))
    if abs(normal[largest]) < PLANE_COSINE * math.hypot(*normal):
        return "oblique"
    return ("sagittal", "coronal", "axial")[largest]


def facts_of(header: Dataset, path: Path, frame: int = 0) -> ScanFacts:
    """Facts of one frame (zero-based)."""

    def texts(group: str, keyword: str) -> tuple[str, ...]:
        return texts_of(frame_value(header, frame, group, keyword))

    modality = text_of(value_of(header, "Modality")).upper()
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
    return stated == "01" or (stated != "00" and syntax in _LOSSY_SYNTAXES)


def moment_of(header: Dataset, frame: int = 0) -> str:
    """When a frame (zero-based) was acquired, as the header writes it.

    Empty where it does not say.
    """
    own = text_of(frame_value(header, frame, "FrameContentSequence", "FrameAcquisitionDateTime"))
    moment = own or text_of(value_of(header, "AcquisitionDateTime"))
    return moment or text_of(value_of(header, "AcquisitionDate")) + text_of(
        value_of(header, "AcquisitionTime")
    )
