"""The frames of one DICOM file as its header describes them, and to which series they belong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydicom import Dataset

from dfd.reading.guard import read_header, reading
from dfd.reading.header import (
    HEADER_TAGS,
    ImageShape,
    Placement,
    facts_of,
    frame_value,
    image_shape,
    moment_of,
    number_of,
    placement_of,
    text_of,
    value_of,
)
from dfd.records import ScanFacts

OrderKey: TypeAlias = tuple[tuple[bool, float | str], ...]
GroupKey: TypeAlias = tuple[str, str, int, int, str, str, str]
"""SeriesInstanceUID; where there is none, folder, SeriesNumber and sequence; rows; columns; and
what slices of one series share: StudyInstanceUID, patient, convolution kernel. An anonymiser
that writes one constant for every UID would mix patients and reconstructions otherwise."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame as its header describes it."""

    path: Path
    frame: int
    sop_uid: str
    group: GroupKey
    placement: Placement
    order: OrderKey
    """What tells phases at one place apart, in order of trust; then what makes it unique:
    SOPInstanceUID and frame."""
    facts: ScanFacts
    acquired: str
    study: tuple[str, str]
    """StudyInstanceUID and FrameOfReferenceUID."""

    @property
    def moment(self) -> OrderKey:
        """``order`` without what only makes it unique."""
        return self.order[:-2]


def entries_of(path: Path) -> list[Entry]:
    """The frames of one DICOM file.

    Raises:
        SeriesError: It cannot be read, or holds no greyscale image.
    """
    header = read_header(path, HEADER_TAGS)
    with reading(path):
        shape = image_shape(header, path)
        sop_uid = text_of(value_of(header, "SOPInstanceUID"))
        facts = facts_of(header, path)
        study, space = (
            text_of(value_of(header, word)) for word in ("StudyInstanceUID", "FrameOfReferenceUID")
        )
        group = _group_of(header, shape, facts, path)
        # The exposure of a frame of an enhanced file has a group of its own, which is not read:
        # such frames are told apart by time alone.
        voltage = number_of(value_of(header, "KVP"))
        return [
            Entry(
                path,
                frame,
                sop_uid,
                group,
                placement_of(header, frame),
                _order_key(header, frame, sop_uid),
                facts,
                f"{moment_of(header, frame)} {voltage}",
                (study, space),
            )
            for frame in range(shape.frames)
        ]


def _group_of(header: Dataset, shape: ImageShape, facts: ScanFacts, path: Path) -> GroupKey:
    """To which series a file belongs."""
    uid = text_of(value_of(header, "SeriesInstanceUID"))
    number = text_of(value_of(header, "SeriesNumber"))
    unnamed = "" if uid else f"{path.parent}\n{number}\n{facts.sequence}"
    study = text_of(value_of(header, "StudyInstanceUID"))
    return uid, unnamed, shape.rows, shape.columns, study, facts.patient_hash, facts.kernel


def _order_key(header: Dataset, frame: int, sop_uid: str) -> OrderKey:
    """What orders slices at one place: (missing, value), so that what says more comes first."""
    content, synchronized = "FrameContentSequence", "CardiacSynchronizationSequence"
    temporal = number_of(frame_value(header, frame, content, "TemporalPositionIndex"))
    temporal = temporal or number_of(value_of(header, "TemporalPositionIdentifier"))
    moment = moment_of(header, frame)
    delay = frame_value(header, frame, synchronized, "NominalCardiacTriggerDelayTime")
    trigger = number_of(delay)
    trigger = number_of(value_of(header, "TriggerTime")) if trigger is None else trigger
    instance = number_of(value_of(header, "InstanceNumber"))
    numbers = tuple((number is None, number or 0.0) for number in (temporal, trigger, instance))
    unique = ((False, sop_uid), (False, float(frame)))
    return (numbers[0], (not moment, moment), *numbers[1:], *unique)
