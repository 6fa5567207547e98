"""What the template of the report puts down, as records."""

from __future__ import annotations

from dataclasses import dataclass

from dfd.outputs.report.charts import Distribution, Strip
from dfd.outputs.report.encoding import Picture
from dfd.outputs.report.pictures import PointPictures, ScreeningPictures
from dfd.records import Finding


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
