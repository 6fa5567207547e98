"""Values of a DICOM header as text and numbers, whatever was written there."""

from __future__ import annotations

import math
import re
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from dfd.errors import SeriesError
from dfd.reading.guard import READ_ERRORS

_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")


_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""1,024 may be a thousand and 24, or one and a bit: never decided."""


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
