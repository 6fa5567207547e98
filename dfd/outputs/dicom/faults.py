"""Headers of source files, and why no DICOM result can refer to some of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from dfd.errors import SeriesError
from dfd.reading.geometry import placement_of
from dfd.reading.guard import read_header
from dfd.reading.header_values import text_of, value_of

REFERENCE = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True)
class Fault:
    """Why no result can refer to a file."""

    text: str
    """A sentence, without the file at its start unless ``names_file``."""
    names_file: bool = False


AMBIGUOUS = Fault(
    "has a SOPInstanceUID that another slice of the run has too, so no DICOM result can tell them "
    "apart: give each file its own"
)


def read_all(paths: Iterable[Path]) -> dict[Path, Dataset | Fault]:
    """The header of each file, or why no result can refer to it."""
    read: dict[Path, Dataset | Fault] = {path: _read(path) for path in paths}
    places: dict[str, set[object]] = defaultdict(set)
    for header in read.values():
        if isinstance(header, Dataset):
            places[str(header.SOPInstanceUID)].add(_place(header))
    for path, header in read.items():
        if isinstance(header, Dataset) and len(places[str(header.SOPInstanceUID)]) > 1:
            read[path] = AMBIGUOUS
    return read


def sentences_of(read: Mapping[Path, Dataset | Fault]) -> list[str]:
    """One sentence per fault, with the first file that has it and how many more."""
    faulty: dict[str, list[Path]] = defaultdict(list)
    sentences: list[str] = []
    for path, fault in read.items():
        if isinstance(fault, Fault) and fault.names_file:
            sentences.append(fault.text)
        elif isinstance(fault, Fault):
            faulty[fault.text].append(path)
    for text, paths in faulty.items():
        more = f"; the same holds for {len(paths) - 1} more of the files" if len(paths) > 1 else ""
        sentences.append(f"{paths[0]} {text}{more}")
    return sentences


def _read(path: Path) -> Dataset | Fault:
    """All of a header, or why no result can refer to the file."""
    try:
        header = read_header(path)
        missing = [word for word in REFERENCE if not text_of(value_of(header, word))]
    except SeriesError as error:
        return Fault(str(error), names_file=True)
    if missing:
        return Fault(f"has no {missing[0]}, so no DICOM result can refer to it")
    return header


def _place(header: Dataset) -> object:
    """What files with one SOPInstanceUID must share if they are copies of one file."""
    size = header.Rows, header.Columns, str(header.SeriesInstanceUID)
    placement = placement_of(header, 0)
    return (*size, placement.orientation, placement.corner_mm)
