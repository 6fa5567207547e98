"""The group page of the report: series compared, where many slices were looked at."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from dfd.calibration import UNUSUAL
from dfd.outputs.files import neutralise
from dfd.outputs.p_value_text import p_equation
from dfd.outputs.report import charts, words
from dfd.outputs.report.charts import Strip
from dfd.outputs.report.data import ReportData
from dfd.outputs.report.page import Alarm, Row, SeriesLine

MANY = 20
"""From so many slices on scores are also shown by series."""


def alarm_of(threshold: float, p_values: Sequence[float]) -> Alarm:
    """How many p-values lie at or below a threshold, and how many would by chance."""
    return Alarm(
        threshold, sum(p <= threshold for p in p_values), f"{threshold * len(p_values):.2g}"
    )


def by_series(
    rows: Mapping[int, Row], linked: set[int], data: ReportData, *, anonymous: bool
) -> tuple[tuple[SeriesLine, ...], Strip | None]:
    """The group page: where many slices were looked at, or whole ones."""
    slices = {(row.name, row.finding.point.frame) for row in rows.values()}
    if len(slices) <= MANY and not any(row.finding.point.is_screening for row in rows.values()):
        return (), None
    members = _members(rows, data, anonymous=anonymous)
    ordered = sorted(
        members.items(), key=lambda item: max(row.finding.score for row in item[1]), reverse=True
    )
    labels = [
        f"series {number}" if anonymous or key[0] in ("", ".") else f"{number}  {key[0]}"
        for number, (key, _) in enumerate(ordered, start=1)
    ]
    lines = [
        _line(label, of_series, data, anonymous=anonymous)
        for label, (_, of_series) in zip(labels, ordered, strict=True)
    ]
    plotted = [
        (label, [_dot(row, linked) for row in of_series])
        for label, (_, of_series) in zip(labels, ordered, strict=True)
    ]
    return tuple(lines), charts.strip(plotted) if plotted else None


def _members(
    rows: Mapping[int, Row], data: ReportData, *, anonymous: bool
) -> dict[tuple[object, ...], list[Row]]:
    """Rows with a p-value by what tells series apart, the folder first."""
    members: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows.values():
        info = data.slices.get(row.number)
        if info is None or not math.isfinite(row.finding.p_value):
            continue
        facts = info.facts
        folder = "" if anonymous else str(PurePath(row.name.replace("\\", "/")).parent)
        key = (facts.patient_hash, facts.kernel, facts.sequence, facts.thickness_mm, info.shape)
        members[folder, *key].append(row)
    return members


def _line(label: str, rows: Sequence[Row], data: ReportData, *, anonymous: bool) -> SeriesLine:
    scores = [row.finding.score for row in rows]
    alarm = alarm_of(UNUSUAL, [row.finding.p_value for row in rows])
    first = data.slices[rows[0].number]
    facts = dict(words.scan_facts(first.facts, first.shape, anonymous=anonymous))
    shown = ", ".join(
        f"{name.lower()} {neutralise(facts[name])}"
        for name in ("Kernel", "Sequence", "Slice thickness", "Scanner")
        if name in facts
    )
    return SeriesLine(
        label, shown, len(rows), alarm.found, alarm.expected, max(scores), statistics.median(scores)
    )


def _dot(row: Row, linked: set[int]) -> tuple[int, float, str, str, bool]:
    finding = row.finding
    return (
        finding.point.row,
        finding.score,
        finding.verdict,
        f"{row.name}, {p_equation(finding.p_value)}",
        row.number in linked,
    )
