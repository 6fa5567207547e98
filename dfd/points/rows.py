"""Rows of text -> ``Point`` records. What is wrong with a row becomes its ``error``; the other rows are not touched by it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from dfd.errors import PointsError
from dfd.points.layout import Row, Table, decode, parse, shown
from dfd.points.lookup import ScanFiles, UnresolvedNameError
from dfd.records import Point

MAX_BYTES = 64 * 1024 * 1024
"""A points file of a million rows has 40 MB; what is larger is something else."""
MAX_RADIUS_MM = 200.0
MAX_FRAME = 2**31 - 1
"""Largest value of an IS (integer string) in DICOM, PS3.5 table 6.2-1."""

# float() would also take '1_000', 'infinity' and digits of other scripts.
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


class _CellError(Exception):
    """What is wrong with a cell: the end of the row's sentence."""


def read_points(csv: Path, data: Path) -> list[Point]:
    """Read a points file and find the scan of each row below ``data``.

    ``X`` is the column to the right and ``Y`` the row downwards, zero-based pixels of the stored matrix. A decimal comma is
    understood where the separator is not a comma. Whether a point lies within its image is not known here. Where both are empty, or the file has
    neither column, the row asks about the slice as a whole (``Point.is_screening``).

    Args:
        csv: The points file.
        data: Folder with the scans.

    Returns:
        One ``Point`` per row, in order, duplicates included; ``error`` is filled where a row cannot be used.

    Raises:
        PointsError: the file as a whole cannot be used: unreadable, too large, not text, empty, a column missing or twice.
    """
    try:
        size = csv.stat().st_size
        if size > MAX_BYTES:
            raise PointsError(
                f"{csv} has {size / 2**20:.0f} MB, more than the {MAX_BYTES // 2**20} MB of a points file; name a CSV with filename, X, Y"
            )
        content = csv.read_bytes()
    except OSError as error:
        raise PointsError(f"{csv} cannot be read ({error.strerror}); name a CSV with the columns filename, X, Y") from error
    table = parse(decode(content, csv), csv)
    files = ScanFiles(data)
    return [_point(row, table, files) for row in table.rows]


def _point(row: Row, table: Table, files: ScanFiles) -> Point:
    names = [column.name for column in table.columns]
    padded = row.cells + ("",) * (len(names) - len(row.cells))
    cells = dict(zip(names, padded, strict=False))
    by_role = {column.role: cells[column.name] for column in table.columns if column.role}
    reader = _CellReader(by_role, comma=table.separator != ",")
    problem = row.damage
    if not problem and any(padded[len(names) :]):
        problem = f"{len(padded)} cells where the header has {len(names)}; put cells that hold a separator in quotation marks"
    if problem:
        return Point(row=row.line, filename=by_role["filename"], cells=cells, error=f"row {row.line}: {problem}")
    path = reader.file(files)
    whole = not by_role.get("x") and not by_role.get("y")
    x, y = (math.nan, math.nan) if whole else (reader.pixel("x"), reader.pixel("y"))
    return Point(
        row=row.line,
        filename=by_role["filename"],
        x=x,
        y=y,
        frame=reader.frame(),
        radius_mm=reader.radius(),
        label=reader.label(),
        cells=cells,
        path=path,
        error=f"row {row.line}: column {reader.problem}" if reader.problem else "",
    )


class _CellReader:
    """Reads the cells of one row and keeps the first thing that is wrong."""

    def __init__(self, cells: Mapping[str, str], *, comma: bool) -> None:
        self._cells = cells
        self._comma = comma
        self.problem = ""

    def file(self, files: ScanFiles) -> Path | None:
        cell = self._cells["filename"]
        try:
            if cell:
                return files.resolve(cell)
            self._keep("filename", "is empty; write the name of a scan")
        except UnresolvedNameError as error:
            self._keep("filename", str(error))
        return None

    def pixel(self, role: str) -> float:
        value = self._number(role, "write a position in pixels, such as 211 or 211.5", required=True)
        if value is not None and value < 0:
            self._keep(role.upper(), f"is negative ({shown(self._cells[role])}); pixels are counted from 0")
            return math.nan
        return math.nan if value is None else abs(value)

    def frame(self) -> int | None:
        mend = "write a whole number from 1, or leave it empty"
        value = self._number("frame", mend)
        if value is not None and not (value.is_integer() and 1 <= value <= MAX_FRAME):
            self._keep("frame", f"is {shown(self._cells['frame'])}; {mend}")
            return None
        return None if value is None else int(value)

    def radius(self) -> float | None:
        mend = f"write millimetres above 0 and up to {MAX_RADIUS_MM:g}, or leave it empty"
        value = self._number("radius", mend)
        if value is not None and not 0 < value <= MAX_RADIUS_MM:
            self._keep("radius", f"is {shown(self._cells['radius'])}; {mend}")
            return None
        return value

    def label(self) -> int | None:
        mend = "write 0 (genuine), 1 (tampered), or leave it empty"
        value = self._number("label", mend)
        if value is not None and value not in {0.0, 1.0}:
            self._keep("label", f"is {shown(self._cells['label'])}; {mend}")
            return None
        return None if value is None else int(value)

    def _number(self, role: str, mend: str, *, required: bool = False) -> float | None:
        cell = self._cells.get(role, "")
        if not cell and not required:
            return None
        try:
            return self._parse(cell)
        except _CellError as error:
            self._keep(role.upper() if required else role, f"{error}; {mend}")
            return None

    def _parse(self, cell: str) -> float:
        if not cell:
            raise _CellError("is empty")
        if self._comma and _DECIMAL_COMMA.fullmatch(cell):
            cell = cell.replace(",", ".")
        if _NOT_FINITE.fullmatch(cell):
            raise _CellError(f"is {shown(cell)}, not a finite number")
        if not _DECIMAL.fullmatch(cell):
            raise _CellError(f"is {shown(cell)}, not a number")
        value = float(cell)
        if not math.isfinite(value):
            raise _CellError(f"is {shown(cell)}, not a finite number")
        return value

    def _keep(self, column: str, problem: str) -> None:
        self.problem = self.problem or f"{column} {problem}"
