"""Findings and data -> what the template puts down.

Texts are cleaned here; the template escapes them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from dfd.calibration import (
    STRONGLY_UNUSUAL,
    UNUSUAL,
    Calibration,
    combined_statistic,
    count_in_words,
    p_value,
    true_rate_bound,
)
from dfd.evidence import family_named, family_names
from dfd.outputs.anonymous import LocalNames, columns_left_out
from dfd.outputs.files import neutralise
from dfd.outputs.report import charts, words
from dfd.outputs.report.charts import Distribution
from dfd.outputs.report.data import MOST_SHOWN, ReportData, ReportRun, rank
from dfd.outputs.report.encoding import Picture
from dfd.outputs.report.page import FamilyLine, Page, Place, Row
from dfd.outputs.report.pictures import PointPictures, ScreeningPictures
from dfd.outputs.report.series import alarm_of, by_series
from dfd.outputs.writer import SliceInfo
from dfd.points import roles_of
from dfd.records import NOT_READ, TOGETHER, Evidence, Finding, Point, Region, Suspicion, Verdict
from dfd.regions import radius_in_words

MOST_COLUMNS = 4
"""Further input columns in the table; the page of a point names all."""
COMBINED = "combined"
"""Stands for all families, calibrated as a whole."""
LEARNED_TITLE = "Learned statistic"
LEARNED_QUESTION = "Does the evidence, weighed as the model learned to, speak for an edit?"
LEARNED_SAYS = (
    "odds learned from edits that were made in genuine slices; one of the kinds of evidence"
)


def page(findings: Sequence[Finding], data: ReportData, run: ReportRun, *, anonymous: bool) -> Page:
    """What the report says of ``findings``, one per row of the points file."""
    placed = [each.finding for one in data.suspicions.values() for each in one]
    names = LocalNames([*findings, *placed])
    visible = names.hide(findings) if anonymous else list(findings)
    reader = _Reader(data, run.calibration, names if anonymous else None)
    carried = dict.fromkeys(name for finding in visible for name, _ in _carried(finding.point))
    columns = tuple(carried)[:MOST_COLUMNS]
    ordered = sorted(
        (finding for finding in visible if finding.verdict not in NOT_READ),
        key=rank,
        reverse=True,
    )[:MOST_SHOWN]
    rows = {finding.point.row: reader.row(finding) for finding in visible}
    shown = tuple(reader.paged(rows[finding.point.row]) for finding in ordered)
    p_values = [finding.p_value for finding in visible if math.isfinite(finding.p_value)]
    counts = Counter(finding.verdict for finding in visible)
    series, plotted = by_series(rows, {row.number for row in shown}, data, anonymous=anonymous)
    patients = run.calibration.patients if run.calibration else 0
    return Page(
        rows=tuple(rows.values()),
        shown=shown,
        columns=columns,
        verdicts=tuple((verdict, counts[verdict]) for verdict in Verdict if counts[verdict]),
        scored=len(p_values),
        alarms=tuple(alarm_of(threshold, p_values) for threshold in (UNUSUAL, STRONGLY_UNUSUAL)),
        distributions=tuple(reader.distributions.values()),
        slices=tuple((name, picture) for picture, name in reader.slices.items()),
        series=series,
        strip=plotted,
        patients=patients,
        smallest_p=run.calibration.smallest_p if run.calibration else math.nan,
        rate_bound=(
            true_rate_bound(int(run.calibration.effective_patients), UNUSUAL)
            if run.calibration
            else 1.0
        ),
        screened=sum(finding.point.is_screening for finding in visible),
        left_out=len(columns_left_out(finding.point for finding in findings)) if anonymous else 0,
    )


def _carried(point: Point) -> tuple[tuple[str, str], ...]:
    """Name and text of the input columns that mean nothing to the program."""
    names = tuple(point.cells)
    carried = [name for name, role in zip(names, roles_of(names), strict=True) if not role]
    return tuple((neutralise(name), neutralise(point.cells[name])) for name in carried)


class _Reader:
    """Turns findings into rows; distributions are drawn once and shared."""

    def __init__(
        self, data: ReportData, calibration: Calibration | None, names: LocalNames | None
    ) -> None:
        self.data, self.calibration, self.names = data, calibration, names
        self.distributions: dict[str, Distribution] = {}
        self.slices: dict[Picture, str] = {}

    def row(self, finding: Finding) -> Row:
        """What the table needs."""
        point = finding.point
        text = neutralise(finding.error or finding.reason)
        return Row(finding, neutralise(point.filename), _carried(point), text)

    def paged(self, row: Row) -> Row:
        """The same with what its page needs."""
        finding, data = row.finding, self.data
        info, pictures = data.slices.get(row.number), data.pictures.get(row.number)
        facts = (
            words.scan_facts(info.facts, info.shape, anonymous=self.names is not None)
            if info
            else []
        )
        suspicions = data.suspicions.get(row.number, ())
        found = [each.finding for each in suspicions]
        hidden = self.names.hide(found) if self.names else found
        return replace(
            row,
            facts=tuple((name, neutralise(value)) for name, value in facts),
            families=tuple(self._families(finding)),
            point=pictures if isinstance(pictures, PointPictures) else None,
            screening=pictures if isinstance(pictures, ScreeningPictures) else None,
            places=tuple(
                _place(number, each, place)
                for number, (each, place) in enumerate(
                    zip(suspicions, hidden, strict=True), start=1
                )
            ),
            radius_px=data.radii_px.get(row.number, 0.0),
            size=_size(
                finding, pictures.region if isinstance(pictures, PointPictures) else None, info
            ),
            source_file=neutralise(finding.source_file),
            whole=self._slice(pictures.whole) if pictures else "",
            source_whole=self._slice(pictures.source.whole)
            if isinstance(pictures, PointPictures) and pictures.source
            else "",
        )

    def _slice(self, picture: Picture | None) -> str:
        return (
            ""
            if picture is None
            else self.slices.setdefault(picture, f"slice-{len(self.slices) + 1}")
        )

    def _families(self, finding: Finding) -> list[FamilyLine]:
        if not finding.evidence or not finding.p_by_family or self.calibration is None:
            return []
        tables = self.calibration.of(finding.setting)
        counted = {*finding.p_by_family, TOGETHER}
        values = {
            each.family: each.statistic for each in finding.evidence if each.family in counted
        }
        lines = []
        if tables.combined is not None:
            together = combined_statistic(values, tables.tables)
            asked = (
                "How rare is all evidence taken together? Calibrated on "
                f"{words.SETTING_WORDS[finding.setting]}."
            )
            line = self._line(
                (COMBINED, "All together", asked, finding.p_value), together, "", finding.setting
            )
            # A combined statistic is a power of ten.
            lines.append(replace(line, statistic=math.log10(together)))
        if TOGETHER in values and TOGETHER in tables.tables:
            p, _ = p_value(values[TOGETHER], tables.tables[TOGETHER])
            heading = (TOGETHER, LEARNED_TITLE, LEARNED_QUESTION, p)
            lines.append(self._line(heading, values[TOGETHER], LEARNED_SAYS, finding.setting))
        evidence = {each.family: each for each in finding.evidence}
        return [
            *lines,
            *(
                self._family(family, evidence[family], finding)
                for family in family_names()
                if family in evidence
            ),
        ]

    def _family(self, family: str, found: Evidence, finding: Finding) -> FamilyLine:
        about = family_named(family)
        says = neutralise(found.obstacle or found.reason)
        p = finding.p_by_family.get(family, math.nan)
        if not math.isfinite(p):
            return FamilyLine(about.title, about.question, p, found.statistic, says)
        return self._line(
            (family, about.title, about.question, p), found.statistic, says, finding.setting
        )

    def _line(
        self, heading: tuple[str, str, str, float], value: float, says: str, setting: str
    ) -> FamilyLine:
        family, title, question, p = heading
        drawn = self._distribution(setting, family)
        tick, beyond = drawn.place(value) if drawn else (0.0, False)
        return FamilyLine(title, question, p, value, says, drawn, tick, beyond)

    def _distribution(self, setting: str, family: str) -> Distribution | None:
        key = f"genuine-{setting}-{family}"
        if key not in self.distributions and self.calibration is not None:
            tables = self.calibration.of(setting)
            table = tables.combined if family == COMBINED else tables.tables.get(family)
            if table is not None:
                self.distributions[key] = charts.distribution(key, table)
        return self.distributions.get(key)


def _place(number: int, suspicion: Suspicion, finding: Finding) -> Place:
    point = finding.point
    expected = count_in_words(suspicion.expected_false_alarms)
    return Place(
        number,
        point.x,
        point.y,
        expected,
        finding.form,
        finding.p_value,
        neutralise(finding.reason),
    )


def _size(finding: Finding, region: Region | None, info: SliceInfo | None) -> str:
    """The radius of a region in mm, both ways where pixels are not square."""
    if finding.radius_mm is None:
        return ""
    if region is None or info is None:
        return f"{finding.radius_mm:.1f} mm"
    return radius_in_words(region.radius_px, finding.radius_mm, info.facts.spacing_mm).removeprefix(
        "radius "
    )
