"""Rows of text -> ``Point`` records.

What is wrong with a row becomes its ``error``; the other rows are not touched by it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

from dfd.errors import PointsError
from dfd.points.columns import MILLIMETRES, plain
from dfd.points.layout import Row, Table, decode, no_rows, parse
from dfd.points.lookup import ScanFiles, UnresolvedNameError
from dfd.points.numbers import CellError, NumberCells
from dfd.points.plausible import check_places, check_signs
from dfd.points.wording import shown
from dfd.progress import progress
from dfd.records import Point
from dfd.sentences import Sentence

LOG = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
"""A points file of a million rows has 40 MB; what is larger is something else."""
MAX_RADIUS_MM = 200.0
MAX_FRAME = 2**31 - 1
"""Largest value of an IS (integer string) in DICOM, PS3.5 table 6.2-1."""

SAID_OF_LABELS = 5
"""Rows whose label cannot be read that are named one by one."""


def read_points(csv: Path, data: Path) -> list[Point]:
    """Read a points file and find the scan of each row below ``data``.

    ``X`` is the column to the right and ``Y`` the row downwards, zero-based pixels of the stored
    matrix. A decimal comma is understood where the separator is not a comma. Whether a point lies
    within its image is not known here. Where both are empty, or the file has neither column, the
    row asks about the slice as a whole (``Point.is_screening``).

    ``x_mm, y_mm, z_mm`` give a place in the patient (LPS, as in DICOM) in a row whose ``X`` and
    ``Y`` are empty or missing. ``Point.patient_mm`` holds it, and ``path`` is a file or folder of
    the series; the slice is not looked for here.

    A label that is neither 0 nor 1 is left out with a warning. Rows that begin with ``#`` are
    remarks unless they name a file.

    Args:
        csv: The points file.
        data: Folder with the scans.

    Returns: One ``Point`` per row, in order, duplicates included; ``error`` is filled where a row
        cannot be used.

    Raises:
        PointsError: the file as a whole cannot be used: unreadable, too large, not text, empty,
            a column missing or twice, numbers that no column's name explains, or millimetres where
            pixels are expected.
    """
    try:
        size = csv.stat().st_size
        if size > MAX_BYTES:
            raise PointsError(
                f"{csv} has {size / 2**20:.0f} MB, more than the {MAX_BYTES // 2**20} MB of a "
                "points file; name a CSV with filename, X, Y"
            )
        content = csv.read_bytes()
    except OSError as error:
        raise PointsError(
            f"{csv} cannot be read ({error.strerror}); name a CSV with the columns filename, X, Y"
        ) from error
    table = parse(decode(content, csv), csv)
    check_places(table, csv)
    reader = _RowReader(table, ScanFiles(data))
    rows = progress(table.rows, "reading points")
    points = [point for row in rows if (point := reader.point(row)) is not None]
    if not points:
        raise PointsError(no_rows(csv))
    check_signs(table, csv)
    reader.say_remarks(csv)
    return points


class _RowReader:
    """Reads the rows of one table, and collects what is to be said of them once."""

    def __init__(self, table: Table, files: ScanFiles) -> None:
        self._files = files
        self._numbers = NumberCells(table)
        self._names = [column.name for column in table.columns]
        self._roles = [(column.role, column.name) for column in table.columns if column.role]
        self._labels: list[str] = []
        self._comments = 0

    def point(self, row: Row) -> Point | None:
        """The record of a row; None where it is a remark."""
        padded = row.cells + ("",) * (len(self._names) - len(row.cells))
        cells = dict(zip(self._names, padded, strict=False))
        by_role = {role: plain(cells[name]) for role, name in self._roles}
        extra = any(padded[len(self._names) :])
        if row.is_comment and (row.damage or extra or not self._names_a_file(by_role["filename"])):
            self._comments += 1
            return None
        problem = row.damage
        if not problem and extra:
            problem = (
                f"{len(padded)} cells where the header has {len(self._names)}; "
                "put cells that hold a separator in quotation marks"
            )
        if problem:
            error = f"row {row.line}: {problem}"
            return Point(row.line, by_role["filename"], cells=cells, error=error)
        return self._read(row.line, cells, _CellReader(by_role, self._numbers))

    def _read(self, line: int, cells: Mapping[str, str], reader: _CellReader) -> Point:
        path = reader.file(self._files)
        x, y = reader.pixels()
        point = Point(
            row=line,
            filename=reader.cells["filename"],
            x=x,
            y=y,
            frame=reader.frame(),
            radius_mm=reader.radius(),
            label=reader.label(),
            cells=cells,
            path=path,
            patient_mm=reader.patient_mm(),
            error=f"row {line}: column {reader.problem}" if reader.problem else "",
        )
        if reader.remark:
            self._labels.append(f"row {line}: {reader.remark}")
        return point

    def _names_a_file(self, cell: str) -> bool:
        try:
            self._files.resolve(cell)
        except UnresolvedNameError:
            return False
        return True

    def say_remarks(self, source: Path) -> None:
        """Say what was left out."""
        if self._comments:
            LOG.info("%s: lines that begin with # were passed over (%d)", source, self._comments)
        for remark in self._labels[:SAID_OF_LABELS]:
            LOG.warning("%s", Sentence(remark))
        if len(self._labels) > SAID_OF_LABELS:
            more = len(self._labels) - SAID_OF_LABELS
            LOG.warning("in %d further rows too the label cannot be read and was left out", more)


class _CellReader:
    """Reads the cells of one row and keeps the first thing that is wrong."""

    def __init__(self, cells: Mapping[str, str], numbers: NumberCells) -> None:
        self.cells = cells
        self._numbers = numbers
        self.problem = ""
        self.remark = ""
        self._in_pixels = bool(cells.get("x") or cells.get("y"))
        self._in_mm = not self._in_pixels and any(cells.get(role) for role in MILLIMETRES)

    def file(self, files: ScanFiles) -> Path | None:
        cell = self.cells["filename"]
        try:
            if cell:
                return files.resolve_series(cell) if self._in_mm else files.resolve(cell)
            self._keep("filename", "is empty; write the name of a scan")
        except UnresolvedNameError as error:
            self._keep("filename", str(error))
        return None

    def pixels(self) -> tuple[float, float]:
        """X and Y; NaN in both where the row names no place, or one in millimetres."""
        if not self._in_pixels:
            return math.nan, math.nan
        return self._pixel("x"), self._pixel("y")

    def patient_mm(self) -> tuple[float, float, float] | None:
        """The place in the patient, where that is what the row names."""
        if not self._in_mm:
            return None
        mend = "write millimetres in the patient, such as -72.5"
        x, y, z = (self._number(role, mend, required=True) for role in MILLIMETRES)
        return None if x is None or y is None or z is None else (x, y, z)

    def _pixel(self, role: str) -> float:
        value = self._number(
            role, "write a position in pixels, such as 211 or 211.5", required=True
        )
        if value is not None and value < 0:
            problem = f"is negative ({shown(self.cells[role])}); pixels are counted from 0"
            mend = "name the columns x_mm, y_mm, z_mm if these are millimetres in the patient"
            self._keep(role.upper(), f"{problem}; {mend}")
            return math.nan
        return math.nan if value is None else abs(value)

    def frame(self) -> int | None:
        mend = "write a whole number from 1, or leave it empty"
        value = self._number("frame", mend)
        if value is not None and not (value.is_integer() and 1 <= value <= MAX_FRAME):
            self._keep("frame", f"is {shown(self.cells['frame'])}; {mend}")
            return None
        return None if value is None else int(value)

    def radius(self) -> float | None:
        mend = f"write millimetres above 0 and up to {MAX_RADIUS_MM:g}, or leave it empty"
        value = self._number("radius", mend)
        if value is not None and not 0 < value <= MAX_RADIUS_MM:
            self._keep("radius", f"is {shown(self.cells['radius'])}; {mend}")
            return None
        return value

    def label(self) -> int | None:
        """0 or 1; anything else costs the label and not the row: the score does not need it."""
        cell = self.cells.get("label", "")
        try:
            value = self._numbers.value("label", cell) if cell else None
        except CellError:
            value = math.nan
        if value is None or value in {0.0, 1.0}:
            return None if value is None else int(value)
        self.remark = (
            f"column label is {shown(cell)}, so the row goes without a label; "
            "write 0 (genuine) or 1 (tampered)"
        )
        return None

    def _number(self, role: str, mend: str, *, required: bool = False) -> float | None:
        cell = self.cells.get(role, "")
        if not cell and not required:
            return None
        try:
            return self._numbers.value(role, cell)
        except CellError as error:
            advice = error.mend or mend
            self._keep(role.upper() if role in {"x", "y"} else role, f"{error}; {advice}")
            return None

    def _keep(self, column: str, problem: str) -> None:
        self.problem = self.problem or f"{column} {problem}"
