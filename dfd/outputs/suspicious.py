"""suspicious_regions.csv.

The regions that stand out in slices that were screened, from the fewest expected false alarms on.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dfd.outputs.anonymous import LocalNames
from dfd.outputs.files import neutralise, write_atomically
from dfd.outputs.writer import BaseWriter, Results
from dfd.records import Finding, Suspicion

FILE_NAME = "suspicious_regions.csv"
COLUMNS = (
    "row",
    "filename",
    "frame",
    "region",
    "x",
    "y",
    "radius_mm",
    "score",
    "p_value",
    "expected_false_alarms",
    "form",
    "reason",
    "source_x",
    "source_y",
    "extrapolated",
)


def write(
    folder: Path,
    suspicions: Sequence[Sequence[Suspicion]],
    findings: Sequence[Finding],
    *,
    anonymous: bool = False,
) -> Path:
    """Write suspicious_regions.csv.

    The regions of all slices in one list, the header alone where there are none.

    ``row`` is that of the points file and ``region`` the number in the map of the slice. Numbers
    read back as the same floats.

    Args:
        folder: Existing folder.
        suspicions: Those of each slice.
        findings: All findings of the run, which number the files where names are replaced.
        anonymous: Replace file and folder names as scores.csv does.

    Raises:
        OutputError: the file cannot be written.
    """
    numbered = [(number, each) for one in suspicions for number, each in enumerate(one, start=1)]
    found = [each.finding for _, each in numbered]
    shown = LocalNames([*findings, *found]).hide(found) if anonymous else found
    rows = [
        (each.expected_false_alarms, number, finding)
        for (number, each), finding in zip(numbered, shown, strict=True)
    ]
    stream = io.StringIO(newline="")
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(COLUMNS)
    lines.writerows(
        _cells(expected, number, finding)
        for expected, number, finding in sorted(rows, key=lambda row: row[0])
    )
    path = folder / FILE_NAME
    write_atomically(path, stream.getvalue().encode("utf-8"))
    return path


class SuspiciousRegionsWriter(BaseWriter):
    """``suspicious_regions.csv`` of runs that screen slices."""

    needed = True
    files: ClassVar[Mapping[str, str]] = {"": r"suspicious_regions\.csv"}

    def finish(self, results: Results) -> None:
        """Write the regions known so far."""
        rows = [each.point.row for each in results.findings if each.point.is_screening]
        if rows:
            suspicions = [results.suspicions.get(row, ()) for row in rows]
            anonymous = self.run.settings.anonymous
            write(self.run.folder, suspicions, results.findings, anonymous=anonymous)


def _cells(expected: float, number: int, finding: Finding) -> list[str]:
    point = finding.point
    place = (
        point.row,
        neutralise(point.filename),
        point.frame,
        number,
        point.x,
        point.y,
        finding.radius_mm,
    )
    answer = (finding.score, finding.p_value, expected, finding.form, neutralise(finding.reason))
    return [
        _text(value)
        for value in (*place, *answer, finding.source_x, finding.source_y, finding.extrapolated)
    ]


def _text(value: str | float | None) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    # float() so that numpy's own repr never gets in.
    return repr(float(value)) if isinstance(value, float) else str(value)
