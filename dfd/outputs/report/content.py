"""Findings and material -> what the template puts down.

Texts are cleaned here; the template escapes them.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from dfd.calibration import (
    STRONGLY_UNUSUAL,
    UNUSUAL,
    Calibration,
    combined_statistic,
    count_in_words,
    true_rate_bound,
)
from dfd.evidence import family_named, family_names
from dfd.outputs.anonymous import LocalNames, columns_left_out
from dfd.outputs.files import neutralise
from dfd.outputs.report import charts, words
from dfd.outputs.report.charts import Distribution, Strip
from dfd.outputs.report.material import MOST_SHOWN, Material, Run, Seen, rank
from dfd.outputs.report.pictures import Picture, PointPictures, ScreeningPictures
from dfd.points import roles_of
from dfd.records import NOT_READ, Evidence, Finding, Point, Region, Suspicion, Verdict
from dfd.regions import radius_in_words

MANY = 20
"""From so many slices on scores are also shown by series."""
MOST_COLUMNS = 4
"""Further input columns in the table; the page of a point names all."""
TOGETHER = "together"
"""Stands for all families, calibrated as a whole."""


@dataclass(frozen=True, slots=True)
class FamilyLine:
    """What one family says of a point."""

    title: str
    question: str
    p: float
    statistic: float
    says: str
    distribution: Distribution | None = None
    tick: float = 0.0
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A suspicious region of a screened slice."""

    number: int
    x: float
    y: float
    expected: str
    form: str
    p: float
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table, and what its page says."""

    finding: Finding
    name: str
    cells: tuple[tuple[str, str], ...]
    """Further input columns: name and text."""
    says: str
    facts: tuple[tuple[str, str], ...] = ()
    families: tuple[FamilyLine, ...] = ()
    point: PointPictures | None = None
    screening: ScreeningPictures | None = None
    places: tuple[Place, ...] = ()
    radius_px: float = 0.0
    size: str = ""
    """Radius of the region in mm."""
    source_file: str = ""
    whole: str = ""
    """Which of ``Page.slices`` it lies in; so the next, where its source does."""
    source_whole: str = ""

    @property
    def number(self) -> int:
        """Line of the points file; for whole folders, of the list of slices."""
        return self.finding.point.row


@dataclass(frozen=True, slots=True)
class Alarm:
    """How many p-values lie at or below a threshold, and how many would by chance."""

    threshold: float
    found: int
    expected: str


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """One series of the group page."""

    label: str
    facts: str
    rows: int
    found: int
    expected: str
    highest: float
    median: float


@dataclass(frozen=True)
class Page:
    """Everything the template puts down."""

    rows: tuple[Row, ...]
    """In the order of the points file."""
    shown: tuple[Row, ...]
    """Those with a page, the most suspicious first."""
    columns: tuple[str, ...]
    verdicts: tuple[tuple[str, int], ...]
    scored: int
    alarms: tuple[Alarm, ...]
    distributions: tuple[Distribution, ...]
    slices: tuple[tuple[str, Picture], ...]
    """Pictures of whole slices by name: points of one slice share one."""
    series: tuple[SeriesLine, ...]
    strip: Strip | None
    patients: int
    smallest_p: float
    rate_bound: float
    screened: int
    left_out: int = 0
    """Columns of the points file that results without names do not carry."""


def page(findings: Sequence[Finding], material: Material, run: Run, *, anonymous: bool) -> Page:
    """What the report says of ``findings``, one per row of the points file."""
    placed = [each.finding for one in material.suspicions.values() for each in one]
    names = LocalNames([*findings, *placed])
    told = names.hide(findings) if anonymous else list(findings)
    reader = _Reader(material, run.calibration, names if anonymous else None)
    carried = dict.fromkeys(name for finding in told for name, _ in _carried(finding.point))
    columns = tuple(carried)[:MOST_COLUMNS]
    ordered = sorted(
        (finding for finding in told if finding.verdict not in NOT_READ),
        key=rank,
        reverse=True,
    )[:MOST_SHOWN]
    rows = {finding.point.row: reader.row(finding) for finding in told}
    shown = tuple(reader.paged(rows[finding.point.row]) for finding in ordered)
    p_values = [finding.p_value for finding in told if math.isfinite(finding.p_value)]
    counts = Counter(finding.verdict for finding in told)
    series, plotted = _by_series(rows, {row.number for row in shown}, material, anonymous=anonymous)
    patients = run.calibration.patients if run.calibration else 0
    return Page(
        rows=tuple(rows.values()),
        shown=shown,
        columns=columns,
        verdicts=tuple((verdict, counts[verdict]) for verdict in Verdict if counts[verdict]),
        scored=len(p_values),
        alarms=tuple(_alarm(threshold, p_values) for threshold in (UNUSUAL, STRONGLY_UNUSUAL)),
        distributions=tuple(reader.distributions.values()),
        slices=tuple((name, picture) for picture, name in reader.slices.items()),
        series=series,
        strip=plotted,
        patients=patients,
        smallest_p=run.calibration.smallest_p if run.calibration else math.nan,
        rate_bound=true_rate_bound(patients, UNUSUAL) if patients else 1.0,
        screened=sum(finding.point.is_screening for finding in told),
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
        self, material: Material, calibration: Calibration | None, names: LocalNames | None
    ) -> None:
        self.material, self.calibration, self.names = material, calibration, names
        self.distributions: dict[str, Distribution] = {}
        self.slices: dict[Picture, str] = {}

    def row(self, finding: Finding) -> Row:
        """What the table needs."""
        point = finding.point
        told = neutralise(finding.error or finding.reason)
        return Row(finding, neutralise(point.filename), _carried(point), told)

    def paged(self, row: Row) -> Row:
        """The same with what its page needs."""
        finding, material = row.finding, self.material
        seen, pictures = material.seen.get(row.number), material.pictures.get(row.number)
        facts = (
            words.scan_facts(seen.facts, seen.shape, anonymous=self.names is not None)
            if seen
            else []
        )
        suspicions = material.suspicions.get(row.number, ())
        found = [each.finding for each in suspicions]
        hidden = self.names.hide(found) if self.names else found
        return replace(
            row,
            facts=tuple((name, neutralise(value)) for name, value in facts),
            families=tuple(self._families(finding)),
            point=pictures if isinstance(pictures, PointPictures) else None,
            screening=pictures if isinstance(pictures, ScreeningPictures) else None,
            places=tuple(
                _place(number, each, told)
                for number, (each, told) in enumerate(zip(suspicions, hidden, strict=True), start=1)
            ),
            radius_px=material.radii_px.get(row.number, 0.0),
            size=_size(
                finding, pictures.region if isinstance(pictures, PointPictures) else None, seen
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
        values = {
            each.family: each.statistic
            for each in finding.evidence
            if each.family in finding.p_by_family
        }
        lines = []
        if tables.combined is not None:
            together = combined_statistic(values, tables.tables)
            asked = (
                "How rare is all evidence taken together? Calibrated on "
                f"{words.SETTING_WORDS[finding.setting]}."
            )
            line = self._line(
                (TOGETHER, "All together", asked, finding.p_value), together, "", finding.setting
            )
            # A combined statistic is a power of ten.
            lines.append(replace(line, statistic=math.log10(together)))
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
        told = family_named(family)
        says = neutralise(found.obstacle or found.reason)
        p = finding.p_by_family.get(family, math.nan)
        if not math.isfinite(p):
            return FamilyLine(told.title, told.question, p, found.statistic, says)
        return self._line(
            (family, told.title, told.question, p), found.statistic, says, finding.setting
        )

    def _line(
        self, told: tuple[str, str, str, float], value: float, says: str, setting: str
    ) -> FamilyLine:
        family, title, question, p = told
        drawn = self._distribution(setting, family)
        tick, beyond = drawn.place(value) if drawn else (0.0, False)
        return FamilyLine(title, question, p, value, says, drawn, tick, beyond)

    def _distribution(self, setting: str, family: str) -> Distribution | None:
        key = f"genuine-{setting}-{family}"
        if key not in self.distributions and self.calibration is not None:
            tables = self.calibration.of(setting)
            table = tables.combined if family == TOGETHER else tables.tables.get(family)
            if table is not None:
                self.distributions[key] = charts.distribution(key, table)
        return self.distributions.get(key)


def _place(number: int, suspicion: Suspicion, told: Finding) -> Place:
    point = told.point
    expected = count_in_words(suspicion.expected_false_alarms)
    return Place(
        number, point.x, point.y, expected, told.form, told.p_value, neutralise(told.reason)
    )


def _alarm(threshold: float, p_values: Sequence[float]) -> Alarm:
    return Alarm(
        threshold, sum(p <= threshold for p in p_values), f"{threshold * len(p_values):.2g}"
    )


def _by_series(
    rows: Mapping[int, Row], linked: set[int], material: Material, *, anonymous: bool
) -> tuple[tuple[SeriesLine, ...], Strip | None]:
    """The group page: where many slices were looked at, or whole ones."""
    slices = {(row.name, row.finding.point.frame) for row in rows.values()}
    if len(slices) <= MANY and not any(row.finding.point.is_screening for row in rows.values()):
        return (), None
    members: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows.values():
        seen = material.seen.get(row.number)
        if seen is not None and math.isfinite(row.finding.p_value):
            facts = seen.facts
            folder = "" if anonymous else str(PurePath(row.name.replace("\\", "/")).parent)
            members[
                folder,
                facts.patient_hash,
                facts.kernel,
                facts.sequence,
                facts.thickness_mm,
                seen.shape,
            ].append(row)
    lines, plotted = [], []
    ordered = sorted(
        members.items(), key=lambda item: max(row.finding.score for row in item[1]), reverse=True
    )
    for number, (key, held) in enumerate(ordered, start=1):
        label = f"series {number}" if anonymous or key[0] in ("", ".") else f"{number}  {key[0]}"
        scores = [row.finding.score for row in held]
        alarm = _alarm(UNUSUAL, [row.finding.p_value for row in held])
        kept = material.seen[held[0].number]
        told = dict(words.scan_facts(kept.facts, kept.shape, anonymous=anonymous))
        facts_line = ", ".join(
            f"{name.lower()} {neutralise(told[name])}"
            for name in ("Kernel", "Sequence", "Slice thickness", "Scanner")
            if name in told
        )
        lines.append(
            SeriesLine(
                label,
                facts_line,
                len(held),
                alarm.found,
                alarm.expected,
                max(scores),
                statistics.median(scores),
            )
        )
        plotted.append((label, [_dot(row, linked) for row in held]))
    return tuple(lines), charts.strip(plotted) if plotted else None


def _dot(row: Row, linked: set[int]) -> tuple[int, float, str, str, bool]:
    finding = row.finding
    return (
        finding.point.row,
        finding.score,
        finding.verdict,
        f"{row.name}, p = {words.p_words(finding.p_value)}",
        row.number in linked,
    )


def _size(finding: Finding, region: Region | None, seen: Seen | None) -> str:
    """The radius of a region in mm, both ways where pixels are not square."""
    if finding.radius_mm is None:
        return ""
    if region is None or seen is None:
        return f"{finding.radius_mm:.1f} mm"
    return radius_in_words(region.radius_px, finding.radius_mm, seen.facts.spacing_mm).removeprefix(
        "radius "
    )
