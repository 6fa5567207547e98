"""scores.csv: one row per point, the input columns and what was found.

The same as a data frame and as a table for the terminal.
"""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dfd.errors import OutputError
from dfd.evidence import family_names
from dfd.outputs.anonymous import LocalNames
from dfd.outputs.files import neutralise, write_atomically
from dfd.outputs.writer import BaseWriter, Results
from dfd.points import roles_of
from dfd.points.columns import MILLIMETRES
from dfd.records import Finding, Point

if TYPE_CHECKING:
    import pandas as pd

FILE_NAME = "scores.csv"
TABLE_WIDTH = 120
TABLE_ERRORS = 20
"""Errors printed below the table; all of them stand in scores.csv."""
_POINT_NUMBERS = {"x": "x", "y": "y", "frame": "frame", "radius": "radius_mm", "label": "label"}
"""What an input column means -> the field of ``Point`` that holds it as a number."""
_TRAILING = ("what", "label")
"""Input columns worth a place in the table where they exist."""


def result_columns() -> tuple[str, ...]:
    """The columns of results, in order; one p-value for each family in the table of evidence."""
    return (
        "score",
        "p_value",
        "verdict",
        "form",
        "reason",
        *family_columns(),
        "source_x",
        "source_y",
        "source_file",
        "radius_mm",
        "tissue",
        "extrapolated",
        "error",
    )


def family_columns() -> dict[str, str]:
    """The column of each family's p-value -> the family, in the order of the table."""
    return {f"p_{family}": family for family in family_names()}


def write(folder: Path, findings: Sequence[Finding], *, anonymous: bool = False) -> Path:
    """Write scores.csv: the input columns, then ``result_columns``, one row per finding, in order.

    Floats read back as the same floats; NaN and None are empty; booleans are true and false. Text
    that a spreadsheet would execute is made harmless. An input column that is called like a result
    gets the prefix ``input_``.

    Args:
        folder: Existing folder.
        findings: What was found.
        anonymous: Replace file and folder names by run-local ones (slice-0001), in messages too,
            and leave out input columns that are not known.

    Raises:
        OutputError: the file cannot be written.
    """
    table = _Table(LocalNames(findings).hide(findings) if anonymous else findings)
    stream = io.StringIO(newline="")
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow([neutralise(name) for name in table.columns])
    lines.writerows([_text(value) for value in row] for row in table.rows())
    path = folder / FILE_NAME
    write_atomically(path, stream.getvalue().encode("utf-8"))
    return path


class ScoresWriter(BaseWriter):
    """``scores.csv``."""

    needed = True
    files: ClassVar[Mapping[str, str]] = {"": r"scores\.csv"}

    def finish(self, results: Results) -> None:
        """Write a line per row, scored or not."""
        write(self.run.folder, results.findings, anonymous=self.run.settings.anonymous)


def read(path: Path) -> list[dict[str, str]]:
    """Read scores.csv back, every cell as text.

    Raises:
        OutputError: it is not there, or not such a file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [
                {name: cell or "" for name, cell in row.items()} for row in csv.DictReader(stream)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OutputError(
            f"{path} cannot be read as scores ({error}); name a {FILE_NAME}"
        ) from error


def findings_frame(findings: Sequence[Finding], *, anonymous: bool = False) -> pd.DataFrame:
    """The table of scores.csv as a data frame.

    Results and X, Y, frame, radius, label and millimetres are numbers, other input columns text.
    """
    import pandas as pd

    findings = LocalNames(findings).hide(findings) if anonymous else findings
    table = _Table(findings)
    frame = pd.DataFrame(list(table.rows()), columns=list(table.columns))
    for column, role in zip(table.columns, roles_of(table.inputs), strict=False):
        if role in _POINT_NUMBERS:
            values = [_number_in(finding.point, role) for finding in findings]
            frame[column] = pd.Series(values, dtype="float64")
        elif role in MILLIMETRES or role in {"slice_frame", "slice_x", "slice_y"}:
            frame[column] = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    numbers = ("score", "p_value", *family_columns(), "source_x", "source_y", "radius_mm")
    return frame.astype(dict.fromkeys(numbers, "float64"))


def table(findings: Sequence[Finding]) -> str:
    """A plain table for the terminal: ASCII, at most ``TABLE_WIDTH`` wide, ending in a line break.

    Errors stand below it.
    """
    extra = [
        name for name in _TRAILING if any(_cell_of(finding.point, name) for finding in findings)
    ]
    heads = ["row", "file", "X", "Y", *extra, "score", "p", "verdict"]
    body = [_table_row(finding, extra) for finding in findings]
    widths = [max(len(line[index]) for line in [heads, *body]) for index in range(len(heads))]
    spare = TABLE_WIDTH - (sum(widths) - widths[1]) - 2 * (len(heads) - 1)
    widths[1] = min(widths[1], max(spare, len("file")))
    text_columns = {
        1,
        len(heads) - 1,
        *(index for index, head in enumerate(heads) if head == "what"),
    }
    lines = [
        _table_line(cells, widths, text_columns)
        for cells in [heads, ["-" * width for width in widths], *body]
    ]
    return "\n".join([*lines, *_error_lines(findings)]) + "\n"


class _Table:
    """The columns and rows of scores.csv, values not yet text."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = findings
        self.inputs = tuple(
            dict.fromkeys(name for finding in findings for name in _cells(finding.point))
        )
        self._results = result_columns()
        taken = {*self._results, *self.inputs}
        self.columns = (*(_input_name(name, taken) for name in self.inputs), *self._results)

    def rows(self) -> Iterable[tuple[object, ...]]:
        for finding in self._findings:
            cells = _cells(finding.point)
            results = _results(finding)
            yield (
                *(cells.get(name, "") for name in self.inputs),
                *(results[name] for name in self._results),
            )


def _number_in(point: Point, role: str) -> float | None:
    """What a column of this meaning holds; X and Y are empty where the row named a place in mm."""
    number: float | None = getattr(point, _POINT_NUMBERS[role])
    return math.nan if point.patient_mm and role in {"x", "y"} else number


def _cells(point: Point) -> Mapping[str, str]:
    """The input columns.

    A point that came from elsewhere than a file has the three that a file would have.
    """
    return point.cells or {"filename": point.filename, "X": _text(point.x), "Y": _text(point.y)}


def _input_name(name: str, taken: set[str]) -> str:
    if name not in result_columns():
        return name
    prefixed = f"input_{name}"
    while prefixed in taken:
        prefixed = f"input_{prefixed}"
    return prefixed


def _results(finding: Finding) -> dict[str, object]:
    families = {
        column: finding.p_by_family.get(family, math.nan)
        for column, family in family_columns().items()
    }
    values = {name: getattr(finding, name) for name in result_columns() if name not in families}
    return {
        **{name: str(value) if isinstance(value, str) else value for name, value in values.items()},
        **families,
    }


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return neutralise(value)
    if isinstance(value, float):
        # float() so that numpy's own repr, "np.float64(1.0)", never gets in.
        return "" if math.isnan(value) else repr(float(value))
    return str(value).lower()


def _table_row(finding: Finding, extra: Sequence[str]) -> list[str]:
    point = finding.point
    numbers = [_short(point.x, ".6g"), _short(point.y, ".6g")]
    results = [_short(finding.score, ".2f"), _short(finding.p_value, ".2g"), finding.verdict]
    return [
        str(point.row),
        _ascii(point.filename),
        *numbers,
        *(_ascii(_cell_of(point, name))[:24] for name in extra),
        *results,
    ]


def _table_line(cells: Sequence[str], widths: Sequence[int], text_columns: set[int]) -> str:
    fitted = [
        cell if len(cell) <= width else "..." + cell[len(cell) - width + 3 :]
        for cell, width in zip(cells, widths, strict=True)
    ]
    aligned = [
        cell.ljust(width) if index in text_columns else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(fitted, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def _error_lines(findings: Sequence[Finding]) -> list[str]:
    errors = [_ascii(finding.error) for finding in findings if finding.error]
    shown = [
        line
        for error in errors[:TABLE_ERRORS]
        for line in textwrap.wrap(error, TABLE_WIDTH, subsequent_indent="    ")
    ]
    more = (
        [f"and {len(errors) - TABLE_ERRORS} more errors, in {FILE_NAME}"]
        if len(errors) > TABLE_ERRORS
        else []
    )
    return ["", *shown, *more] if errors else []


def _cell_of(point: Point, wanted: str) -> str:
    return next((cell for name, cell in point.cells.items() if name.casefold() == wanted), "")


def _short(number: float, style: str) -> str:
    return format(number, style) if math.isfinite(number) else "-"


def _ascii(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.encode("ascii", "replace").decode("ascii")
