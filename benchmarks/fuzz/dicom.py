"""Intact DICOM files, made of phantoms in every encoding that is read, and damaged ones of them."""

from __future__ import annotations

import copy
import random
import struct
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from benchmarks.fuzz import elements
from benchmarks.fuzz.cases import Mutant, Start
from benchmarks.fuzz.damage import BOMB_EVERY, bomb, damaged
from benchmarks.fuzz.elements import Form, walk
from dfd.phantom import write_ct_series, write_mr_series

SIZE = 48
META_AT = 132
"""After preamble and magic."""
NEIGHBOUR = "neighbour.dcm"
"""An intact slice that lies beside the damaged ones."""


def mutant(rng: random.Random) -> Mutant:
    """A damaged DICOM file."""
    start, others = rng.choice(starts()), [each.file for each in starts()]
    deflated = start.pack is not bytes
    if deflated and rng.randrange(BOMB_EVERY) == 0:
        head = start.file[: _meta_end(start.file)]
        content = bomb(head, start.content, -zlib.MAX_WBITS)
        return Mutant(content, ".dcm", (start.name, "inflates without end"), 0)
    content = start.content
    story: tuple[str, ...] = (start.name,)
    if rng.random() < 0.65:
        content, changes = elements.changed(rng, content, start.parts)
        story += changes
    if len(story) == 1 or rng.random() < 0.3:
        if deflated and rng.random() < 0.5:
            content, changes = damaged(rng, start.pack(content), others)
        else:
            content, changes = damaged(rng, content, [start.content, *others])
            content = start.pack(content)
        story += changes
    else:
        content = start.pack(content)
    frames = (None,) if start.frames == 1 else (None, *range(start.frames), start.frames)
    return Mutant(content, ".dcm", story, rng.choice(frames))


def neighbour() -> bytes:
    """The intact slice of the series that most damaged files are of."""
    return starts()[1].file


@cache
def starts() -> tuple[Start, ...]:
    """Intact files; made once."""
    ct, mr = _phantoms()
    signed = _like(ct, PixelRepresentation=1, PhotometricInterpretation="MONOCHROME1")
    bytes_only = _like(ct, BitsAllocated=8, BitsStored=8, HighBit=7)
    stored = np.frombuffer(ct.PixelData, "<u2")
    bytes_only.PixelData = (stored >> 4).astype(np.uint8).tobytes()
    plain = {
        "CT, implicit": (ct, ImplicitVRLittleEndian),
        "CT, explicit": (ct, ExplicitVRLittleEndian),
        "CT, big endian": (_swapped(ct), ExplicitVRBigEndian),
        "CT, deflated": (ct, DeflatedExplicitVRLittleEndian),
        "CT, RLE": (ct, RLELossless),
        "CT, JPEG-LS": (ct, JPEGLSLossless),
        "CT, JPEG 2000": (ct, JPEG2000Lossless),
        "MR, explicit": (mr, ExplicitVRLittleEndian),
        "MR, JPEG-LS": (mr, JPEGLSLossless),
        "CT, signed and inverted": (signed, ExplicitVRLittleEndian),
        "CT, signed, JPEG 2000": (signed, JPEG2000Lossless),
        "CT, one byte a pixel": (bytes_only, ExplicitVRLittleEndian),
        "CT, floating point": (_floating(ct), ExplicitVRLittleEndian),
        "CT, lookup table": (_with_table(ct), ExplicitVRLittleEndian),
        "CT, frames": (_enhanced(ct, EnhancedCTImageStorage), ExplicitVRLittleEndian),
        "CT, frames, RLE": (_enhanced(ct, EnhancedCTImageStorage), RLELossless),
        "MR, frames, JPEG-LS": (_enhanced(mr, EnhancedMRImageStorage), JPEGLSLossless),
        "MR, frames, JPEG 2000": (_enhanced(mr, EnhancedMRImageStorage), JPEG2000Lossless),
    }
    result = [
        _start(name, _encoded(dataset, syntax), syntax) for name, (dataset, syntax) in plain.items()
    ]
    named_high_throughput = _encoded(ct, JPEG2000Lossless, HTJ2KLossless)
    result.append(_start("CT, HTJ2K", named_high_throughput, HTJ2KLossless))
    bare = result[1].content[_meta_end(result[1].content) :]
    parts = tuple(walk(bare, 0, len(bare), Form()))
    return (*result, Start("CT, without preamble", bare, ".dcm", parts=parts))


def _phantoms() -> tuple[Dataset, Dataset]:
    """A slice of CT and one of MR, in memory."""
    with tempfile.TemporaryDirectory() as folder:
        ct = write_ct_series(Path(folder) / "ct", seed=1, slices=1, size=SIZE)[0]
        mr = write_mr_series(Path(folder) / "mr", seed=1, slices=1, size=SIZE)[0]
        slices = dcmread(BytesIO(ct.read_bytes())), dcmread(BytesIO(mr.read_bytes()))
    return _like(slices[0]), _like(slices[1])


def _like(dataset: Dataset, **tags: object) -> Dataset:
    """A copy without file meta and without memory of how it was written."""
    copied = Dataset()
    copied.update(copy.deepcopy(dict(dataset.items())))
    for keyword, value in tags.items():
        setattr(copied, keyword, value)
    return copied


def _swapped(dataset: Dataset) -> Dataset:
    return _like(dataset, PixelData=np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes())


def _floating(dataset: Dataset) -> Dataset:
    copied = _like(dataset, BitsAllocated=32)
    copied.FloatPixelData = np.frombuffer(dataset.PixelData, "<u2").astype("<f4").tobytes()
    del copied.PixelData, copied.BitsStored, copied.HighBit, copied.PixelRepresentation
    return copied


def _with_table(dataset: Dataset) -> Dataset:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4096, 0, 16], "US"
    table.LUTData = np.arange(4096, dtype="<u2").tobytes()
    table["LUTData"].VR = "OW"
    return _like(dataset, ModalityLUTSequence=[table])


def _enhanced(dataset: Dataset, sop_class: UID) -> Dataset:
    """Three frames of one slice each, with functional groups."""
    copied = _like(
        dataset, SOPClassUID=sop_class, NumberOfFrames=3, PixelData=dataset.PixelData * 3
    )
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = dataset.PixelSpacing, dataset.SliceThickness
    orientation.ImageOrientationPatient = dataset.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    copied.SharedFunctionalGroupsSequence = [shared]
    copied.PerFrameFunctionalGroupsSequence = [_group(number) for number in range(3)]
    for keyword in ("PixelSpacing", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept"):
        copied.pop(keyword, None)
    return copied


def _group(number: int) -> Dataset:
    position, content, values, group = Dataset(), Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [0, 0, 2.5 * number]
    content.TemporalPositionIndex = 1
    content.FrameAcquisitionDateTime = f"2020010112000{number}"
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -1024, "HU"
    group.PlanePositionSequence, group.FrameContentSequence = [position], [content]
    group.PixelValueTransformationSequence = [values]
    return group


def _encoded(dataset: Dataset, syntax: UID, named: UID | None = None) -> bytes:
    """The file; ``named``: transfer syntax that it names instead."""
    copied = _like(dataset)
    copied.file_meta = FileMetaDataset()
    copied.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax.is_encapsulated:
        copied.compress(syntax, generate_instance_uid=False)
    copied.file_meta.TransferSyntaxUID = named or syntax
    stream = BytesIO()
    copied.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _meta_end(file: bytes) -> int:
    """Where the data set begins: the first element of the file meta says how long they are."""
    return META_AT + 12 + int(struct.unpack_from("<I", file, META_AT + 8)[0])


def _start(name: str, file: bytes, syntax: UID) -> Start:
    end, frames = _meta_end(file), 3 if "frames" in name else 1
    form = Form(syntax != ImplicitVRLittleEndian, "<" if syntax.is_little_endian else ">")
    if syntax.is_deflated:
        inner = zlib.decompress(file[end:], -zlib.MAX_WBITS)
        parts: Sequence[elements.Element] = tuple(walk(inner, 0, len(inner), form))
        return Start(name, inner, ".dcm", partial(_deflated, file[:end]), parts, frames)
    meta = tuple(walk(file, META_AT, end, Form()))
    parts = (*meta, *walk(file, end, len(file), form))
    return Start(name, file, ".dcm", parts=parts, frames=frames)


def _deflated(head: bytes, content: bytes) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return head + deflater.compress(content) + deflater.flush()
