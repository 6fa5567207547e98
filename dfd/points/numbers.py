"""Cells that hold numbers: decimal points, decimal commas, and what may mean two numbers."""

from __future__ import annotations

import math
import re

from dfd.points.columns import MILLIMETRES, plain
from dfd.points.layout import Table
from dfd.points.wording import shown

# float() would also take '1_000', 'infinity' and digits of other scripts.
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_THOUSANDS = re.compile(
    r"[+-]?[0-9]{1,3}(?:([,.' \u00a0\u2009\u202f\u2019])[0-9]{3})+([.,][0-9]+)?"
)
"""1,024 or 1.024.000,5: groups of three digits."""
_ONE_GROUP = re.compile(r"[+-]?[1-9][,.][0-9]{3}")
"""1,024 may be a thousand and twenty-four; 12,345 is no number of pixels or mm, so there the comma
is a decimal one."""
_COMMA_GROUP = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_NUMERIC_ROLES = frozenset({"x", "y", "frame", "radius", *MILLIMETRES})


class CellError(Exception):
    """What is wrong with a cell: the end of the row's sentence.

    ``mend`` says how to mend it, where the cell itself tells.
    """

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem)
        self.mend = mend


class NumberCells:
    """Reads the numbers of one table.

    A decimal comma is understood where the separator is not a comma. ``1,024``, which may be a
    thousand and twenty-four or a little more than one, is refused; in millimetres it is understood
    where another cell shows a decimal comma. ``1.024`` is refused in a table with decimal commas,
    where a point may part thousands.
    """

    def __init__(self, table: Table) -> None:
        """Look through the cells of ``table`` for decimal commas."""
        self._comma = table.separator != ","
        places = [
            index for index, column in enumerate(table.columns) if column.role in _NUMERIC_ROLES
        ]
        cells = (
            plain(row.cells[index])
            for row in table.rows
            for index in places
            if index < len(row.cells)
        )
        self._comma_shown = self._comma and any(
            _DECIMAL_COMMA.fullmatch(cell) and not _ONE_GROUP.fullmatch(cell) for cell in cells
        )

    def value(self, role: str, cell: str) -> float:
        """The number in ``cell``, finite.

        Raises:
            CellError: it holds none, or may mean two.
        """
        if not cell:
            raise CellError("is empty")
        if self._may_be_two(role, cell):
            thousands, decimal = re.sub("[,.]", "", cell), cell.replace(",", ".")
            # Four decimals cannot be taken for a group of three digits.
            certain = decimal + "0" if self._comma_shown else decimal
            raise CellError(
                f"is {shown(cell)}, which may mean {thousands} or {decimal}",
                f"write {thousands} or {certain}",
            )
        text = cell.replace(",", ".") if self._comma and _DECIMAL_COMMA.fullmatch(cell) else cell
        if _NOT_FINITE.fullmatch(text):
            raise CellError(f"is {shown(cell)}, not a finite number")
        if not _DECIMAL.fullmatch(text):
            raise CellError(f"is {shown(cell)}, not a number", _plain_spelling(cell))
        value = float(text)
        if not math.isfinite(value):
            raise CellError(f"is {shown(cell)}, not a finite number")
        return value

    def _may_be_two(self, role: str, cell: str) -> bool:
        if not self._comma:
            return bool(_COMMA_GROUP.fullmatch(cell))
        if not _ONE_GROUP.fullmatch(cell) or role == "radius":  # no region has a radius of a metre
            return False
        return self._comma_shown if "." in cell else not (self._comma_shown and role in MILLIMETRES)


def _plain_spelling(cell: str) -> str:
    """How to write a number with a decimal comma or separators of thousands; empty for others."""
    if _DECIMAL_COMMA.fullmatch(cell):
        return f"write {cell.replace(',', '.')} with a decimal point"
    match = _THOUSANDS.fullmatch(cell)
    if not match:
        return ""
    fraction = match.group(2) or ""
    digits = re.sub("[^0-9+-]", "", cell[: len(cell) - len(fraction)])
    return f"write {digits}{fraction.replace(',', '.')}, without separators of thousands"
