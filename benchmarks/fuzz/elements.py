"""Changes of DICOM files that know where elements lie: value, length, type, order, nesting."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword

from benchmarks.fuzz.damage import LIMITS, damaged

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""Types whose length has four bytes (PS3.5 section 7.1.2)."""
PACKED = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "I"}
VRS = (
    *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF"),
    *("OW", "PN", "SH", "SL", "SQ", "SS", "ST", "TM", "UI", "UL", "UN", "US"),
)
ADDED_KEYWORDS = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "PatientID", "PatientName"),
    *("NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *(
        "RescaleSlope",
        "RescaleIntercept",
        "RescaleType",
        "ModalityLUTSequence",
        "PixelPaddingValue",
    ),
    *("PixelPaddingRangeLimit", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"),
    *("SliceThickness", "InstanceNumber", "AcquisitionTime", "AcquisitionDateTime", "TriggerTime"),
    *("TemporalPositionIdentifier", "SharedFunctionalGroupsSequence", "ExtendedOffsetTable"),
    *("PerFrameFunctionalGroupsSequence", "LossyImageCompression", "FloatPixelData", "PixelData"),
)
"""Elements that are put into files that lack them."""
TEXTS = (
    *("", " ", "\\", "\\\\\\", "0", "-0", "-1", "1", "16", "255", "65535", "65536", "2147483648"),
    *("1e400", "-1e400", "1e-400", "nan", "inf", "0x10", "1_000", "1,5", "1.5\\", "\u0661", "+ 1"),
    *("99999999999999999999999", "1\\2\\3\\4\\5\\6\\7", "1\\0\\0\\0\\1\\0", "0\\0\\0\\0\\0\\0"),
    *(
        "MONOCHROME1",
        "RGB",
        "PALETTE COLOR",
        "YBR_FULL",
        "CT",
        "MR",
        "US",
        "DERIVED\\SECONDARY\\MPR",
    ),
    *("HU", "US", "Z_EFF", "01", "ISO 2022 IR 87", "\\ISO 2022 IR 149", "ISO_IR 999", "ISO_IR 100"),
    *(
        "20201301",
        "99999999",
        "246060.999999",
        "00000000000000.000000+9999",
        "\x1b$B\x1b(B",
        "%s%n",
    ),
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.5"),
    *("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1.99", "1.2.3\x00"),
    *("../../x", "x" * 70000, "\\" * 5000, "\x00", "\xff\xfe", "\n", "=1+1"),
)
"""Values that are too large, too many, not numbers, or mean something else."""


@dataclass(frozen=True)
class Form:
    """How elements are written."""

    explicit: bool = True
    order: str = "<"


@dataclass(frozen=True)
class Element:
    """Where one element lies in the bytes."""

    tag: int
    vr: str
    start: int
    length_at: int
    value_at: int
    end: int
    form: Form

    @property
    def length_form(self) -> str:
        """Of ``struct``."""
        return self.form.order + ("H" if self.value_at - self.length_at == 2 else "I")


Edit = tuple[int, int, bytes]
"""Replace ``content[start:end]``."""


def walk(content: bytes, start: int, stop: int, form: Form) -> Iterator[Element]:
    """Every element, item and delimiter of a well-formed data set, those within sequences too."""
    at = start
    while at + 8 <= stop:
        element = _element_at(content, at, form)
        length = struct.unpack_from(element.length_form, content, element.length_at)[0]
        inside = element.value_at if element.tag == ITEM or element.vr == "SQ" else None
        end = element.value_at if length == UNDEFINED or element.tag == ITEM else element.end
        yield element
        if element.vr == "SQ" and length != UNDEFINED:
            yield from walk(content, element.value_at, element.end, form)
        elif length == UNDEFINED and inside is None:  # fragments: their bytes are no elements
            for item in _fragments(content, element.value_at, form):
                yield item
                end = item.end
        at = end


def _fragments(content: bytes, at: int, form: Form) -> Iterator[Element]:
    while at + 8 <= len(content):
        item = _element_at(content, at, form)
        yield item
        if item.tag != ITEM:
            return
        at = item.end


def _element_at(content: bytes, at: int, form: Form) -> Element:
    group, number = struct.unpack_from(form.order + "HH", content, at)
    tag = group << 16 | number
    if group == 0xFFFE:
        vr, length_at, size = "", at + 4, 4
    elif form.explicit:
        vr = content[at + 4 : at + 6].decode("latin-1")
        length_at, size = (at + 8, 4) if vr in LONG else (at + 6, 2)
    else:
        vr, length_at, size = vr_of(tag), at + 4, 4
    length = struct.unpack_from(form.order + ("I" if size == 4 else "H"), content, length_at)[0]
    value_at = length_at + size
    end = value_at if length == UNDEFINED else value_at + length
    return Element(tag, vr, at, length_at, value_at, end, form)


def vr_of(tag: int) -> str:
    """The first type that the dictionary names; UN for a tag that it does not know."""
    try:
        return str(dictionary_VR(tag).split()[0])
    except KeyError:
        return "UN"


def written(tag: int, vr: str, value: bytes, form: Form) -> bytes:
    """One element as bytes, whatever its value."""
    head = struct.pack(form.order + "HH", tag >> 16, tag & 0xFFFF)
    if not form.explicit:
        return head + struct.pack(form.order + "I", len(value) % 2**32) + value
    if vr in LONG:
        return head + vr.encode() + struct.pack(form.order + "HI", 0, len(value) % 2**32) + value
    return head + vr.encode() + struct.pack(form.order + "H", len(value) % 2**16) + value


def hostile_value(rng: random.Random, vr: str, form: Form) -> bytes:
    """A value that a program may stumble over."""
    if vr in PACKED:
        kind, count = PACKED[vr], rng.choice((1, 1, 1, 0, 2, 3, 1000))
        if kind in "fd":
            numbers: list[float] = [
                rng.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
            ] * count
            return struct.pack(f"{form.order}{count}{kind}", *numbers)
        size = struct.calcsize(kind)
        number: int = rng.choice(LIMITS) % 256**size
        return number.to_bytes(size, "little" if form.order == "<" else "big") * count
    if vr == "SQ":
        return rng.choice((b"", nested(rng.choice((1, 3, 40, 3000)), form)))
    if vr in {"OB", "OW", "OF", "OD", "UN"}:
        return rng.choice((b"", bytes(1), bytes(64), rng.randbytes(rng.randint(1, 9000))))
    text: bytes = rng.choice(TEXTS).encode("latin-1", "replace")
    return text + b" " * (len(text) % 2) if rng.random() < 0.9 else text


def nested(depth: int, form: Form) -> bytes:
    """The value of a sequence that holds sequences, ``depth`` levels of undefined length."""
    sequence = struct.pack(form.order + "HH", 0x0008, 0x1140)
    sequence += b"SQ\0\0" + b"\xff" * 4 if form.explicit else b"\xff" * 4
    item = struct.pack(form.order + "HHI", 0xFFFE, 0xE000, UNDEFINED)
    item_end = struct.pack(form.order + "HHI", 0xFFFE, 0xE00D, 0)
    sequence_end = struct.pack(form.order + "HHI", 0xFFFE, 0xE0DD, 0)
    return item + (sequence + item) * depth + (item_end + sequence_end) * depth + item_end


def _new_value(rng: random.Random, element: Element, content: bytes) -> tuple[Edit, str]:
    value = hostile_value(rng, element.vr, element.form)
    if rng.random() < 0.2:
        value, _ = damaged(
            rng, content[element.value_at : element.end] or b"\0", [value or b"\0"], 1
        )
    size = 2**16 if element.length_form.endswith("H") else 2**32
    length = struct.pack(element.length_form, len(value) % size)
    return (element.length_at, element.end, length + value), f"value of {len(value)} bytes"


def _new_length(rng: random.Random, element: Element, content: bytes) -> tuple[Edit, str]:
    own = struct.unpack_from(element.length_form, content, element.length_at)[0]
    near = (own + rng.choice((-2, -1, 1, 2, 8)), own * 2, own // 2)
    size = 2**16 if element.length_form.endswith("H") else 2**32
    length = rng.choice((*near, *LIMITS, UNDEFINED)) % size
    packed = struct.pack(element.length_form, length)
    return (element.length_at, element.value_at, packed), f"length {length} for {own}"


def _new_vr(rng: random.Random, element: Element, _: bytes) -> tuple[Edit, str]:
    vr = rng.choice((*VRS, "ZZ", "\0\0", "  "))
    return (element.start + 4, element.start + 6, vr.encode()), f"type {vr!r} for {element.vr}"


def _new_tag(rng: random.Random, element: Element, _: bytes) -> tuple[Edit, str]:
    tag = _some_tag(rng)
    packed = struct.pack(element.form.order + "HH", tag >> 16, tag & 0xFFFF)
    return (element.start, element.start + 4, packed), f"tag {tag:08X}"


def _without(_: random.Random, element: Element, __: bytes) -> tuple[Edit, str]:
    return (element.start, element.end, b""), "left out"


def _twice(_: random.Random, element: Element, content: bytes) -> tuple[Edit, str]:
    return (element.start, element.start, content[element.start : element.end]), "twice"


def _another_before(rng: random.Random, element: Element, _: bytes) -> tuple[Edit, str]:
    tag = _some_tag(rng)
    vr = vr_of(tag) if rng.random() < 0.8 else rng.choice(VRS)
    new = written(tag, vr, hostile_value(rng, vr, element.form), element.form)
    return (element.start, element.start, new), f"after a new {tag:08X} {vr}"


CHANGES: tuple[Callable[[random.Random, Element, bytes], tuple[Edit, str]], ...] = (
    *(_new_value, _new_value, _new_value, _new_length, _new_length, _new_vr, _new_tag),
    *(_without, _twice, _another_before, _another_before),
)


def changed(
    rng: random.Random, content: bytes, elements: Sequence[Element]
) -> tuple[bytes, tuple[str, ...]]:
    """``content`` with one to three elements changed, those about the image more often."""
    changes: list[str] = []
    edits: list[Edit] = []
    weights = [4 if element.tag >> 16 in (0x0002, 0x0028, 0x7FE0) else 1 for element in elements]
    for element in rng.choices(elements, weights, k=rng.choice((1, 1, 2, 3))):
        edit, what = rng.choice(CHANGES)(rng, element, content)
        if all(edit[1] < other[0] or edit[0] > other[1] for other in edits):
            edits.append(edit)
            changes.append(f"{element.tag:08X}: {what}")
    for start, end, new in sorted(edits, reverse=True):
        content = content[:start] + new + content[end:]
    return content, tuple(changes)


def _some_tag(rng: random.Random) -> int:
    if rng.random() < 0.8:
        return tag_for_keyword(rng.choice(ADDED_KEYWORDS)) or 0
    return rng.choice((ITEM, ITEM_END, SEQUENCE_END, 0x00000000, 0xFFFFFFFF, rng.randrange(2**32)))
