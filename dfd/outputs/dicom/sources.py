"""What DICOM results need to know of the images they speak of.

Whose, of which study, and where the slices lie. Nothing else is taken over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pydicom import Dataset
from pydicom.uid import UID
from pydicom.valuerep import DA, TM

from dfd.outputs.dicom.faults import REFERENCE, read_all, sentences_of
from dfd.reading.content import is_nifti
from dfd.reading.geometry import placement_of, spacing_of
from dfd.reading.guard import READ_ERRORS
from dfd.reading.header_values import (
    frame_value,
    number_of,
    numbers_of,
    text_of,
    texts_of,
    value_of,
)
from dfd.records import NOT_READ, Finding, Region, Suspicion
from dfd.sentences import counted

IDENTIFICATION = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *(
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "ReferringPhysicianName",
        "StudyDescription",
    ),
)
"""By which an archive files an object. Other attributes of patient and study are not copied."""
_REQUIRED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
)
"""Type 2 in patient and study modules: empty where the source lacks them."""
_GEOMETRY = (
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Modality",
    "LossyImageCompression",
    "LossyImageCompressionMethod",
)
_IMAGES = re.compile(r"Image Storage|Parametric Map Storage")
"""In the names of storage classes of images; a UID that the standard does not know has no name."""
SliceKey: TypeAlias = tuple[str, int | None]
"""SOPInstanceUID and frame (1-based, None where the file holds one slice)."""
_SEXES = frozenset(("M", "F", "O", ""))


@dataclass(frozen=True)
class Answer:
    """What was found for one row."""

    finding: Finding
    number: int
    """Of the row, as in the names of maps."""
    region: Region | None = None
    """Where a disk was looked at; of a slice without a point only its radius counts."""
    suspicions: tuple[Suspicion, ...] = ()


@dataclass(frozen=True)
class SourceImage:
    """One slice that was asked about."""

    header: Dataset
    """Identification, reference and geometry of its file; of a file with several frames the
    geometry is that of this one."""
    frame: int | None = None
    """1-based; None where the file holds one slice."""

    @property
    def key(self) -> SliceKey:
        """By which its maps and regions are found."""
        return str(self.header.SOPInstanceUID), self.frame

    @property
    def corner(self) -> tuple[float, ...]:
        """Centre of the first pixel (LPS, mm); empty where the header has none."""
        return numbers_of(self.header.get("ImagePositionPatient"), 3)

    @property
    def spacing(self) -> tuple[float, float] | None:
        """(row, column) distance of pixel centres in mm; None where the header has none."""
        return spacing_of(self.header, (self.frame or 1) - 1)

    @property
    def grid(self) -> tuple[object, ...]:
        """What slices of one multi-frame object must share.

        Empty where the slice has no place in the patient.
        """
        geometry = [
            numbers_of(self.header.get(word), count)
            for word, count in (("ImageOrientationPatient", 6), ("PixelSpacing", 2))
        ]
        if (
            not self.corner
            or not all(geometry)
            or not self.header.get("FrameOfReferenceUID")
            or self.header.get("SliceThickness") is None
        ):
            return ()
        file = str(self.header.SOPInstanceUID) if self.frame is not None else ""
        return (
            file,
            *geometry,
            self.header.Rows,
            self.header.Columns,
            self.header.FrameOfReferenceUID,
        )


@dataclass
class SourceSeries:
    """One series and what was found in it, in the order of the rows."""

    name: str
    """For messages: the file of its first row, as the user wrote it."""
    answers: list[tuple[Answer, SourceImage]] = field(default_factory=list)

    @property
    def header(self) -> Dataset:
        """Of its first slice."""
        return self.answers[0][1].header

    @property
    def is_of_images(self) -> bool:
        """True where SOPClassUID names an image storage class of the standard in every slice."""
        return are_images(image for _, image in self.answers)

    @property
    def content(self) -> list[tuple[object, ...]]:
        """What its rows say."""
        return [
            (
                *content_of(answer.finding),
                len(answer.suspicions),
                str(image.header.SOPInstanceUID),
                image.frame,
            )
            for answer, image in self.answers
        ]

    def images(self) -> list[SourceImage]:
        """Each slice once."""
        return list({image.key: image for _, image in self.answers}.values())


def content_of(finding: Finding) -> tuple[object, ...]:
    """What an answer says, in the order in which it goes into identifiers."""
    return (
        finding.point.row,
        finding.point.x,
        finding.point.y,
        str(finding.verdict),
        finding.p_value,
        str(finding.form),
        finding.reason,
        finding.radius_mm,
    )


def are_images(images: Iterable[SourceImage]) -> bool:
    """Whether SOPClassUID names an image storage class of the standard in every slice."""
    classes = {str(image.header.SOPClassUID) for image in images}
    return all(_IMAGES.search(UID(uid).name) for uid in classes)


def grouped(answers: Sequence[Answer]) -> tuple[list[SourceSeries], list[str]]:
    """The series that rows ask about, and a sentence for each reason why rows belong to none."""
    series: dict[tuple[str, str, str], SourceSeries] = {}
    asked = [answer for answer in answers if answer.finding.verdict not in NOT_READ]
    paths = [answer.finding.point.path for answer in asked]
    nifti = sum(path is not None and is_nifti(path) for path in paths)
    read = read_all(dict.fromkeys(path for path in paths if path and not is_nifti(path)))
    for answer in asked:
        path = answer.finding.point.path
        header = None if path is None else read.get(path)
        if not isinstance(header, Dataset):
            continue
        image = image_of(header, answer.finding.point.frame)
        # The patient too: an anonymiser may write one study and one series for all, and a result is
        # filed under one patient.
        study, one, patient = (
            str(image.header.get(word))
            for word in ("StudyInstanceUID", "SeriesInstanceUID", "PatientID")
        )
        series.setdefault(
            (study, one, patient), SourceSeries(answer.finding.point.filename)
        ).answers.append((answer, image))
    sentences = (
        [
            (
                f"there are no DICOM results for {counted(nifti, 'row')} of NIfTI volumes: such "
                "files name no patient, study or series"
            )
        ]
        if nifti
        else []
    )
    return list(series.values()), sentences + sentences_of(read)


def image_of(header: Dataset, frame: int | None) -> SourceImage:
    """The slice with the identification of its file, texts in UTF-8."""
    several = (number_of(value_of(header, "NumberOfFrames")) or 1) > 1
    known = Dataset()
    for word in (*IDENTIFICATION, *REFERENCE, *_GEOMETRY):
        text = text_of(value_of(header, word))
        if text or word in _REQUIRED:
            setattr(known, word, _checked(word, text))
    known.SpecificCharacterSet = "ISO_IR 192"
    known.Rows, known.Columns = header.Rows, header.Columns
    for word, value in _geometry(header, (frame or 1) - 1).items():
        setattr(known, word, value)
    ratio = texts_of(value_of(header, "LossyImageCompressionRatio"))
    if ratio:
        known.LossyImageCompressionRatio = list(ratio)
    return SourceImage(known, (frame or 1) if several else None)


def _geometry(header: Dataset, index: int) -> Mapping[str, object]:
    """Where a frame lies; what the header does not say stays out."""
    placement, spacing = placement_of(header, index), spacing_of(header, index)
    found: dict[str, object] = {}
    if placement.orientation:
        found["ImageOrientationPatient"], found["ImagePositionPatient"] = (
            list(placement.orientation),
            list(placement.corner_mm),
        )
    if spacing:
        found["PixelSpacing"] = list(spacing)
    for word in ("SliceThickness", "SpacingBetweenSlices"):
        number = number_of(frame_value(header, index, "PixelMeasuresSequence", word))
        if number is not None and number > 0:
            found[word] = number
    return found


def _checked(word: str, text: str) -> str:
    """A value as the standard allows it, else empty.

    A birth date that is none must not cost the results.
    """
    if word == "PatientSex":
        return text if text in _SEXES else ""
    kind = {"Date": DA, "Time": TM}.get(word[-4:])
    try:
        if kind and text:
            kind(text)
    except READ_ERRORS:
        return ""
    return text
