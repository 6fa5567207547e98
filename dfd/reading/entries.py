"""The frames of one DICOM file as its header describes them, and to which series they belong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydicom import Dataset
from pydicom.uid import UID

from dfd.errors import SeriesError
from dfd.reading.content import HEAD_LENGTH, is_gzip
from dfd.reading.geometry import Placement, placement_of
from dfd.reading.guard import read_header, reading
from dfd.reading.header import HEADER_TAGS, ImageShape, facts_of, image_shape, moment_of
from dfd.reading.header_values import frame_value, groups_in, number_of, text_of, value_of
from dfd.reading.limits import INFLATED_LIMIT
from dfd.records import ScanFacts

LEAST_COMPRESSED = 32
"""Bytes of a compressed frame at least: a slice of a single value has that many."""
MOST_DEFLATED = 1100
"""How many times as long deflated data become at most (zlib: 1032)."""

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
        if shape.frames > 1:
            _check_frames(header, shape, path)
        sop_uid = text_of(value_of(header, "SOPInstanceUID"))
        facts = facts_of(header, path)
        study, space = (
            text_of(value_of(header, word)) for word in ("StudyInstanceUID", "FrameOfReferenceUID")
        )
        group = group_of(header, shape, facts, path)
        # The exposure of a frame of an enhanced file has a group of its own, which is not read:
        # nothing but their time distinguishes such frames.
        voltage = number_of(value_of(header, "KVP"))
        # Frames without a group of their own are all described alike, so one is looked at.
        own = groups_in(header)
        described = [
            (placement_of(header, frame), _order_key(header, frame), moment_of(header, frame))
            for frame in range(min(shape.frames, own + 1))
        ]
        entries = []
        for frame in range(shape.frames):
            placement, order, moment = described[min(frame, own)]
            unique = ((False, sop_uid), (False, float(frame)))
            acquired = f"{moment} {voltage}"
            about = (facts, acquired, (study, space))
            entries.append(Entry(path, frame, sop_uid, group, placement, (*order, *unique), *about))
        return entries


def _check_frames(header: Dataset, shape: ImageShape, path: Path) -> None:
    """Raise SeriesError where a file is far too small for the frames that it claims.

    Each of them would be looked at, and a damaged number may be large.
    """
    size = path.stat().st_size
    syntax = UID(text_of(value_of(header.file_meta, "TransferSyntaxUID")))
    least = shape.rows * shape.columns * (shape.bits_allocated // 8)
    if syntax.is_private or not syntax.is_transfer_syntax or syntax.is_compressed:
        least = LEAST_COMPRESSED
    with path.open("rb") as stream:
        inflated = syntax.is_deflated or is_gzip(stream.read(HEAD_LENGTH))
    if shape.frames * least > (min(INFLATED_LIMIT, size * MOST_DEFLATED) if inflated else size):
        raise SeriesError(
            f"{path} claims {shape.frames} frames of {shape.rows} x {shape.columns} pixels, which "
            f"its {size} bytes cannot hold: it is cut short or damaged, so copy or export it again"
        )


def group_of(header: Dataset, shape: ImageShape, facts: ScanFacts, path: Path) -> GroupKey:
    """To which series a file belongs."""
    uid = text_of(value_of(header, "SeriesInstanceUID"))
    number = text_of(value_of(header, "SeriesNumber"))
    unnamed = "" if uid else f"{path.parent}\n{number}\n{facts.sequence}"
    study = text_of(value_of(header, "StudyInstanceUID"))
    return uid, unnamed, shape.rows, shape.columns, study, facts.patient_hash, facts.kernel


def _order_key(header: Dataset, frame: int) -> OrderKey:
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
    return (numbers[0], (not moment, moment), *numbers[1:])
