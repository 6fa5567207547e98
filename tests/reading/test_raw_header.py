"""The quick look at a header sees what pydicom sees, or nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian

from dfd.reading.raw_header import raw_header
from tests.dicom_maker import make_pixels, make_slice

WANTED = tuple(
    int(Tag(word))
    for word in ("SOPInstanceUID", "Modality", "PatientID", "SliceThickness", "Rows", "StudyID")
)
CHARACTER_SET, ROWS, SEQUENCE = 0x0008_0005, 0x0028_0010, 0x0008_2112


def referring(*, undefined: bool) -> dict[str, object]:
    """Sequences within sequences, of defined or undefined length."""
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    outer = Dataset()
    outer.SliceThickness = "99"
    outer.ReferencedImageSequence = Sequence([inner, Dataset()])
    sequences = {"SourceImageSequence": Sequence([outer, inner]), "StudyID": ""}
    for dataset in (outer, inner):
        dataset.is_undefined_length_sequence_item = undefined
    outer["ReferencedImageSequence"].is_undefined_length = undefined
    return sequences


def written(path: Path, *, undefined: bool, **tags: object) -> Path:
    make_slice(path, make_pixels(), **referring(undefined=undefined), **tags)
    dataset = dcmread(path)
    dataset["SourceImageSequence"].is_undefined_length = undefined
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_it_sees_what_pydicom_sees(tmp_path: Path, undefined: bool, syntax: str | None) -> None:
    tags = {"SpecificCharacterSet": "ISO_IR 192"} | ({"syntax": syntax} if syntax else {})
    path = written(tmp_path / "a.dcm", undefined=undefined, **tags)
    content = path.read_bytes()
    assert (struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) in content) == undefined
    header = dcmread(path, stop_before_pixels=True)
    raw = raw_header(path, WANTED)
    assert raw is not None
    assert raw.syntax.decode() == header.file_meta.TransferSyntaxUID
    assert set(raw.elements) == {*WANTED, CHARACTER_SET}
    for tag in (*WANTED, CHARACTER_SET):
        value = header[tag].value if tag != ROWS else struct.pack("<H", header.Rows).decode()
        assert (raw.elements[tag] or b"").decode().strip(" \0") == str(value).strip(" \0")
    assert raw.elements[0x0018_0050] == b"2.5 "


@pytest.mark.parametrize("undefined", [True, False])
def test_a_sequence_is_all_its_items(tmp_path: Path, undefined: bool) -> None:
    path = written(tmp_path / "a.dcm", undefined=undefined)
    raw = raw_header(path, (*WANTED, SEQUENCE))
    assert raw is not None
    items = raw.elements[SEQUENCE]
    assert items is not None
    assert items in path.read_bytes()
    assert items.startswith(b"\xfe\xff\x00\xe0")
    assert items.count(b"1.2.3\0") == 2
    assert items.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0" if undefined else b"1.2.3\0")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x08\x00\x60\x00CS", b"\x08\x00\x60\x00??"),  # no VR of DICOM
        (b"\x08\x00\x60\x00CS\x02\x00", b"\x08\x00\x60\x00CS\xf0\xff"),  # beyond the end
        (b"\x10\x00\x20\x00LO", b"\x08\x00\x01\x00LO"),  # tags that do not rise
        (b"\x10\x00\x20\x00LO", b"\x08\x00\x70\x00LO"),  # a tag that comes twice
        (b"\x08\x00\x12\x21SQ\0\0\xff\xff\xff\xff", b"\x08\x00\x12\x21OB\0\0\xff\xff\xff\xff"),
        (b"\xfe\xff\xdd\xe0", b"\xfe\xff\xde\xe0"),  # a sequence without end
        (b"DICM\x02\x00\x00\x00", b"DICM\x02\x00\x01\x00"),  # no length of the meta elements
        (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),  # big endian
    ],
)
def test_of_what_is_written_otherwise_it_says_nothing(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    path = written(tmp_path / "a.dcm", undefined=True)
    content = path.read_bytes()
    assert content.count(old) >= 1
    path.write_bytes(content.replace(old, new))
    assert raw_header(path, WANTED) is None


def test_cut_anywhere_it_says_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dcm", undefined=True)
    content = path.read_bytes()
    pixels = content.index(b"\xe0\x7f\x10\x00OW")
    for length in range(pixels):
        path.write_bytes(content[:length])
        assert raw_header(path, WANTED) is None
    path.write_bytes(content[: pixels + 12])
    assert raw_header(path, WANTED) is not None


def test_sequences_nested_without_end_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels())
    content = path.read_bytes()
    place = content.index(b"\x10\x00\x20\x00LO")
    opened = b"\x08\x00\x12\x21SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(content[:place] + 3000 * opened + content[place:])
    assert raw_header(path, WANTED) is None


def test_what_is_no_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("no scan")
    assert raw_header(tmp_path / "note", WANTED) is None
    assert raw_header(tmp_path / "gone", WANTED) is None
