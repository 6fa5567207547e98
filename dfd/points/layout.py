"""Text of a points file -> columns and rows: separator, header, pipe tables, quotation marks.

Every cell stays text.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.errors import PointsError
from dfd.points.columns import HEADERLESS, Column, check_columns, plain, role_of, roles_of

SEPARATORS = (",", ";", "\t", "|")
COMMENT = "#"

# A quotation mark that is not closed within so many lines is a mistake of its row, not a cell that
# long.
MAX_LINES_OF_A_CELL = 20

_NUMBER_LIKE = re.compile(r"[+-]?(\d|\.\d|nan$|inf(inity)?$)", re.IGNORECASE)
_SCAN_NAME = re.compile(r"\.(dcm|nii|nii\.gz)$", re.IGNORECASE)
_RULE = re.compile(r":?-{2,}:?")
_EXCEL_HINT = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: line of the file (1-based), cells without outer blanks, and its problem, if any."""

    line: int
    cells: tuple[str, ...]
    damage: str = ""
    is_comment: bool = False
    """True where the line begins with ``#``: a remark, unless the row names a file."""


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


def decode(data: bytes, source: Path) -> str:
    """Bytes -> text: UTF-8 with or without byte order mark.

    Or UTF-16 with one (which spreadsheets write).

    Raises:
        PointsError: the bytes are no such text.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PointsError(
            f"{source} is not UTF-8 text (line {line}); save the table as 'CSV UTF-8'"
        ) from None
    if "\x00" in text.split("\n", 1)[0]:
        raise PointsError(
            f"{source} is not text (its first line holds NUL characters); save the table as "
            "'CSV UTF-8'"
        )
    return text


def parse(text: str, source: Path) -> Table:
    """Text -> table.

    Lines above the header that begin with ``#`` are remarks, or the header itself where no other
    is there.

    Raises:
        PointsError: no rows, a missing column, or a column that is there twice. X and Y may be
            missing, but not one of them.
    """
    # Not str.splitlines: that also breaks at form feeds and other characters a text editor does not
    # count as line ends.
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = _next_line(lines, 0)
    hint = _EXCEL_HINT.fullmatch(lines[start].strip()) if start < len(lines) else None
    names, begin, style = _header(lines, start + bool(hint), hint.group(1) if hint else None)
    if not any(names):
        raise PointsError(
            f"{source} is empty; it needs the columns filename, X, Y and a row per point"
        )
    columns = tuple(map(Column, names, roles_of(names)))
    check_columns(columns, source)
    rows = tuple(_rows(lines, begin, style))
    if not rows:
        raise PointsError(no_rows(source))
    return Table(_unique_names(columns), rows, style.separator)


def no_rows(source: Path) -> str:
    """What to say of a table without rows."""
    return f"{source} holds a header but no rows; add one row per point below it"


def _header(
    lines: Sequence[str], start: int, hinted: str | None
) -> tuple[tuple[str, ...], int, _Style]:
    """Names of the columns, the line at which rows begin, and the style of the table."""
    first = _next_line(lines, start, past_comments=True)
    line = lines[first] if first < len(lines) else ""
    style = _choose_style(line, hinted)
    cells, _ = _split([line], style)
    if _names_a_file(cells) and not _looks_like_data(cells):
        return cells, first + 1, style
    for index in range(first - 1, start - 1, -1):
        bare = lines[index].strip().lstrip(COMMENT).strip()
        commented_style = _choose_style(bare, hinted)
        commented, _ = _split([bare], commented_style)
        wide_enough = 1 < len(commented) == len(_split([line], commented_style)[0]) or not line
        if wide_enough and _names_a_file(commented) and not _looks_like_data(commented):
            return commented, first, commented_style
    if _looks_like_data(cells):
        return HEADERLESS, start, style
    return cells, first + 1, style


def _next_line(lines: Sequence[str], start: int, *, past_comments: bool = False) -> int:
    """Index of the first line from ``start`` on that is not empty, and no comment if so asked."""
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if line and not (past_comments and line.startswith(COMMENT)):
            return index
    return len(lines)


def _names_a_file(cells: Sequence[str]) -> bool:
    return "filename" in map(role_of, cells)


def _choose_style(first: str, hinted: str | None) -> _Style:
    """The separator under which the first line makes most sense.

    As a header first, then as data, then by the number of cells.
    """

    def sense(separator: str) -> tuple[int, bool, int]:
        cells, _ = _split([first], _Style(separator, _is_framed(first, separator)))
        places = cells[1:] if len(cells) == len(HEADERLESS) else ()
        numbers = sum(bool(_NUMBER_LIKE.match(plain(cell))) for cell in places)
        roles = len({role_of(cell) for cell in cells} - {""})
        return max(roles, numbers), roles > 0, len(cells)

    separator = hinted if hinted in SEPARATORS else max(SEPARATORS, key=sense)
    return _Style(separator, _is_framed(first, separator))


def _is_framed(line: str, separator: str) -> bool:
    return separator == "|" and line.lstrip().startswith("|")


def _split(lines: Sequence[str], style: _Style) -> tuple[tuple[str, ...], str]:
    """One record, which may span lines within quotation marks -> (cells, damage)."""
    reader = csv.reader(
        [line + "\n" for line in lines],
        delimiter=style.separator,
        skipinitialspace=True,
        strict=True,
    )
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
    if len(cells) != len(HEADERLESS) or len({role_of(cell) for cell in cells} - {""}) > 1:
        return False
    numbers = [bool(_NUMBER_LIKE.match(plain(cell))) for cell in cells[1:]]
    # A header may hold a name such as "2nd reader"; a file may be called "image".
    numeric = all(numbers) if role_of(cells[0]) else any(numbers)
    return numeric or bool(_SCAN_NAME.search(plain(cells[0])))


def _unique_names(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Every column gets a name of its own, so that cells can be kept by name.

    Column_4 for an empty one, note_2 for the second note.
    """
    used: set[str] = {column.name for column in columns if column.role}
    named = []
    for number, column in enumerate(columns, start=1):
        base = column.name or f"column_{number}"
        name, copy = base, 2
        while not column.role and name in used:
            name, copy = f"{base}_{copy}", copy + 1
        used.add(name)
        named.append(Column(name, column.role))
    return tuple(named)


def _rows(lines: Sequence[str], start: int, style: _Style) -> Iterator[Row]:
    index = start
    while index < len(lines):
        line = lines[index]
        if line.lstrip().startswith(COMMENT):
            yield Row(index + 1, *_split([line], style), is_comment=True)
            index += 1
        elif line.strip():
            used, row = _read_row(lines, index, style)
            if any(row.cells) and not _is_rule(row.cells, style):
                yield row
            index += used
        else:
            index += 1


def _read_row(lines: Sequence[str], index: int, style: _Style) -> tuple[int, Row]:
    """The row that begins at ``lines[index]`` and how many lines it takes.

    A lone quotation mark damages that line only.
    """
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
