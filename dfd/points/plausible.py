"""Whether the numbers of a points file can be what its columns are taken for."""

from __future__ import annotations

import re
from itertools import compress
from pathlib import Path

from dfd.errors import PointsError
from dfd.points.columns import MILLIMETRES, SHOWN_NAMES, SLICE_COLUMNS, names_in, plain, says_pixels
from dfd.points.layout import Table
from dfd.points.wording import join_names, shown

BELOW_THE_EDGE = -1.0
"""Pixels are counted from 0, and the first reaches to -0.5: a click at the edge is no
millimetre."""
MANY_NEGATIVE = 0.1
"""Share of the rows with a place from which on negative numbers are no slip of the pen."""

_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_MEND = "name the three columns x_mm, y_mm, z_mm (LPS, as in DICOM)"


def check_places(table: Table, source: Path) -> None:
    """Refuse numbers that would be left out of account in silence.

    Raises:
        PointsError: a column of depths beside X and Y, or numbers beside ``filename`` where neither
            X and Y nor millimetres are there, so that every row would be screened as a whole.
    """
    roles = {column.role for column in table.columns}
    numeric = [
        column
        for index, column in enumerate(table.columns)
        if any(value is not None for value in _numbers(table, index))
    ]
    depths = [shown(column.name) for column in numeric if column.role == "z"]
    if depths:
        raise PointsError(
            f"{source} has a column {depths[0]} beside X and Y, as places in millimetres have; "
            f"{_MEND} if these are such, 'frame' if it counts the slices of a file, or leave it out"
        )
    if roles.isdisjoint({"x", "y", *MILLIMETRES}):
        unknown = [shown(column.name) for column in numeric if column.role in {"", *SLICE_COLUMNS}]
        if unknown:
            raise PointsError(
                f"{source} has numbers in {join_names(unknown, SHOWN_NAMES)} but no columns X "
                "and Y "
                f"(found {names_in(table.columns)}); name those with the pixels X and Y, or add "
                "empty columns X and Y to have whole slices screened"
            )


def check_signs(table: Table, source: Path) -> None:
    """Refuse pixels that are negative so often that they must be something else.

    One whole number below zero among many rows is a slip, and costs its row only.

    Raises:
        PointsError: as above, where the columns do not say that they hold pixels.
    """
    places = {column.role: index for index, column in enumerate(table.columns)}
    if "x" not in places or says_pixels(table.columns[places["x"]].name):
        return
    x, y = (_numbers(table, places[role]) for role in ("x", "y"))
    rows = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    negative = [min(pair) <= BELOW_THE_EDGE for pair in rows]
    count = sum(negative)
    broken = any(not value.is_integer() for pair in compress(rows, negative) for value in pair)
    if count and count >= MANY_NEGATIVE * len(rows) and (count > 1 or broken):
        raise PointsError(
            f"{source} has {count} of {len(rows)} rows with X or Y below 0: these look like "
            f"millimetres in the patient, not pixels, which are counted from 0; {_MEND}"
        )


def _numbers(table: Table, index: int) -> list[float | None]:
    """The numbers of a column, row by row; None where a cell holds none or is missing."""
    cells = (plain(row.cells[index]) if index < len(row.cells) else "" for row in table.rows)
    return [float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else None for cell in cells]
