"""Text of a points file -> columns and rows: separator, header, pipe tables, quotation marks. Every cell stays text."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.errors import PointsError
from dfd.sentences import quoted

REQUIRED = ("filename", "x", "y")
OPTIONAL = ("frame", "radius", "label")
SEPARATORS = (",", ";", "\t", "|")
HEADERLESS = ("filename", "X", "Y")

# A quotation mark that is not closed within so many lines is a mistake of its row, not a cell that long.
MAX_LINES_OF_A_CELL = 20
SHOWN_NAMES = 12
SHOWN_CHARACTERS = 60

_NUMBER_LIKE = re.compile(r"[+-]?(\d|\.\d|nan$|inf)", re.IGNORECASE)
_SCAN_NAME = re.compile(r"\.(dcm|nii|nii\.gz)$", re.IGNORECASE)
_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]")
_RULE = re.compile(r":?-{2,}:?")
_EXCEL_HINT = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name as written and what it means here ("" where it is only carried through)."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row: line of the file (1-based), cells as written without outer blanks, and why it cannot be split, if so."""

    line: int
    cells: tuple[str, ...]
    damage: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The file as columns and rows."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    separator: str


@dataclass(frozen=True, slots=True)
class _Style:
    separator: str
    framed: bool = False
    """True where lines begin with a pipe, as in a printed table."""


def shown(text: str) -> str:
    """A cell as it may stand in a message: marked, quoted, shortened, control characters made visible."""
    return quoted(text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "...")


def role_of(name: str) -> str:
    """What a column of this name means: one of ``REQUIRED`` or ``OPTIONAL``, "" for any other.

    Case, blanks, and what stands in brackets do not count: ``Filename(.dcm)`` is ``filename``, ``X [px]`` is ``x``.
    """
    key = _BRACKETS.sub("", name).strip().casefold()
    key = "filename" if key in {"file name", "file_name"} else key
    return key if key in REQUIRED + OPTIONAL else ""


def decode(data: bytes, source: Path) -> str:
    """Bytes -> text: UTF-8 with or without byte order mark, or UTF-16 with one (which spreadsheets write).

    Raises:
        PointsError: the bytes are no such text.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PointsError(f"{source} is not UTF-8 text (line {line}); save the table as 'CSV UTF-8'") from None
    if "\x00" in text.split("\n", 1)[0]:
        raise PointsError(f"{source} is not text (its first line holds NUL characters); save the table as 'CSV UTF-8'")
    return text


def parse(text: str, source: Path) -> Table:
    """Text -> table.

    Raises:
        PointsError: no rows, a missing column, or a column that is there twice. X and Y may be missing, but not one of them.
    """
    # Not str.splitlines: that also breaks at form feeds and other characters a text editor does not count as line ends.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = next((index for index, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines):
        raise PointsError(f"{source} is empty; it needs the columns filename, X, Y and a row per point")
    hint = _EXCEL_HINT.fullmatch(lines[start].strip())
    start += 1 if hint else 0
    first = lines[start] if start < len(lines) else ""
    style = _choose_style(first, hint.group(1) if hint else None)
    header, _ = _split([first], style)
    headed = not _looks_like_data(header)
    names = header if headed else HEADERLESS
    columns = tuple(Column(name, role_of(name)) for name in names)
    _check_columns(columns, source)
    rows = tuple(_rows(lines, start + headed, style))
    if not rows:
        raise PointsError(f"{source} holds a header but no rows; add one row per point below it")
    return Table(_unique_names(columns), rows, style.separator)


def _choose_style(first: str, hinted: str | None) -> _Style:
    """The separator under which the first line makes most sense: as a header, else as data, else by most cells."""

    def sense(separator: str) -> tuple[int, bool, int]:
        cells, _ = _split([first], _Style(separator, _is_framed(first, separator)))
        numbers = sum(bool(_NUMBER_LIKE.match(cell)) for cell in cells[1:3]) if len(cells) == len(HEADERLESS) else 0
        known = len({role_of(cell) for cell in cells} & set(REQUIRED))
        return max(known, numbers), known > 0, len(cells)

    separator = hinted if hinted in SEPARATORS else max(SEPARATORS, key=sense)
    return _Style(separator, _is_framed(first, separator))


def _is_framed(line: str, separator: str) -> bool:
    return separator == "|" and line.lstrip().startswith("|")


def _split(lines: Sequence[str], style: _Style) -> tuple[tuple[str, ...], str]:
    """One record, which may span lines within quotation marks -> (cells, damage)."""
    reader = csv.reader([line + "\n" for line in lines], delimiter=style.separator, skipinitialspace=True, strict=True)
    damage = ""
    try:
        cells = [cell.strip() for cell in next(reader)]
        if next(reader, None) is not None:
            damage = "the record ends before its last line"
    except csv.Error as error:
        damage = str(error)
    if damage:
        cells = [cell.strip() for cell in lines[0].split(style.separator)]
    if style.framed and lines[0].lstrip().startswith("|"):
        cells = cells[1:-1] if len(cells) > 1 and not cells[-1] else cells[1:]
    return tuple(cells), damage


def _looks_like_data(cells: Sequence[str]) -> bool:
    if len(cells) != len(HEADERLESS) or len({role_of(cell) for cell in cells} & set(REQUIRED)) > 1:
        return False
    return bool(_SCAN_NAME.search(cells[0])) or any(_NUMBER_LIKE.match(cell) for cell in cells[1:])


def _check_columns(columns: Sequence[Column], source: Path) -> None:
    counts = Counter(column.role for column in columns)
    found = ", ".join(shown(column.name) for column in columns[:SHOWN_NAMES]) + (", ..." if len(columns) > SHOWN_NAMES else "")
    # Without a column of places every row is a slice to be screened as a whole.
    needed = HEADERLESS if counts["x"] or counts["y"] else HEADERLESS[:1]
    for name in needed:
        if not counts[name.casefold()]:
            raise PointsError(f"{source} has no column {name} (found {found}); name the columns filename, X, Y in any order")
    for role in REQUIRED + OPTIONAL:
        if counts[role] > 1:
            raise PointsError(f"{source} has {counts[role]} columns that mean '{role}' (found {found}); keep one of them")


def _unique_names(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Every column gets a name of its own, so that cells can be kept by name: column_4 for an empty one, note_2 for the second note."""
    taken: set[str] = {column.name for column in columns if column.role}
    named = []
    for number, column in enumerate(columns, start=1):
        base = column.name or f"column_{number}"
        name, copy = base, 2
        while not column.role and name in taken:
            name, copy = f"{base}_{copy}", copy + 1
        taken.add(name)
        named.append(Column(name, column.role))
    return tuple(named)


def _rows(lines: Sequence[str], start: int, style: _Style) -> Iterator[Row]:
    index = start
    while index < len(lines):
        line = lines[index]
        if line.strip():
            used, row = _read_row(lines, index, style)
            if any(row.cells) and not _is_rule(row.cells, style):
                yield row
            index += used
        else:
            index += 1


def _read_row(lines: Sequence[str], index: int, style: _Style) -> tuple[int, Row]:
    """The row that begins at ``lines[index]`` and how many lines it takes; a lone quotation mark damages that line only."""
    cells, damage = _split(lines[index : index + 1], style)
    if damage:
        for used in range(2, min(MAX_LINES_OF_A_CELL, len(lines) - index) + 1):
            joined, joined_damage = _split(lines[index : index + used], style)
            if not joined_damage:
                return used, Row(index + 1, joined)
        damage = "a quotation mark is not closed; close it or remove it"
    return 1, Row(index + 1, cells, damage)


def _is_rule(cells: Sequence[str], style: _Style) -> bool:
    return style.separator == "|" and all(_RULE.fullmatch(cell) for cell in cells)
