"""Evidence of one region, and the answers that are given of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from dfd.records.points import Point
from dfd.records.scans import FloatImage
from dfd.sentences import settle


class Verdict(StrEnum):
    """The answer in one word or two, as written to ``scores.csv``."""

    NO_ANOMALY = "no anomaly found"
    UNUSUAL = "unusual"
    STRONGLY_UNUSUAL = "strongly unusual"
    NOT_ASSESSABLE = "not assessable"
    UNREADABLE = "unreadable"
    NOT_REACHED = "not reached"
    """Of a row whose turn had not come when the run was stopped."""


SUSPICIOUS = frozenset({Verdict.UNUSUAL, Verdict.STRONGLY_UNUSUAL})
NOT_READ = frozenset({Verdict.UNREADABLE, Verdict.NOT_REACHED})
"""Verdicts without a slice behind them."""
NOT_SCORED = NOT_READ | {Verdict.NOT_ASSESSABLE}


class Form(StrEnum):
    """A form of tampering."""

    ADVERSARIAL_NOISE = "adversarial noise"
    COPY_MOVE = "copy-move"
    AI_EDIT = "AI edit"
    UNDETERMINED = "undetermined"
    """Tampered with, it is not clear how."""


class Family(StrEnum):
    """The evidence families that are shipped, in the order of their columns."""

    NOISE = "noise"
    COPY_MOVE = "copy_move"
    SYNTHESIS = "synthesis"
    TEXTURE = "texture"
    ADJACENT_SLICES = "neighbours"
    SERIES_COPY = "series_copy"


TOGETHER, TOGETHER_ALONE = "together", "together_alone"
"""Names of what all families say together, beside theirs; the second as if the slice stood alone,
where it does not."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one family measured in one region. Numbers, no opinions."""

    family: str
    statistic: float
    """>= 0, higher = less like the genuine rest of the same slice; NaN where it could not be
    measured."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """The single numbers behind the statistic, as robust deviations from the reference (0 =
    ordinary)."""
    tissue: str = ""
    reason: str = ""
    """One plain sentence, from the largest measure."""
    obstacle: str = ""
    """Why the region is not assessable; empty where it is."""
    source_x: float | None = None
    """Where the same noise stands again, in pixels of that slice; None where the family looks for
    no such place."""
    source_y: float | None = None
    source_file: str = ""
    """The slice it stands in, as the caller named it."""
    reason_by_form: Mapping[str, str] = field(default_factory=dict)
    """``Form`` -> what is said in place of ``reason`` where the answer is that form."""

    def __post_init__(self) -> None:
        """Keep sentences that know their names."""
        settle(self, "reason", "obstacle")


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for one point, as written to ``scores.csv``."""

    point: Point
    verdict: Verdict
    score: float = float("nan")
    p_value: float = float("nan")
    form: Form | Literal[""] = ""
    """Empty where nothing is unusual."""
    reason: str = ""
    p_by_family: Mapping[str, float] = field(default_factory=dict)
    source_x: float | None = None
    source_y: float | None = None
    source_file: str = ""
    radius_mm: float | None = None
    tissue: str = ""
    extrapolated: bool = False
    error: str = ""
    evidence: tuple[Evidence, ...] = ()
    """What the p-values stand on, one piece per family that was asked; not in ``scores.csv``."""
    setting: str = ""
    """By which tables of the calibration it was decided; not in ``scores.csv``."""

    def __post_init__(self) -> None:
        """Keep sentences that know their names."""
        settle(self, "reason", "error")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A region that stands out in a slice that was screened."""

    finding: Finding
    """As for a point in its middle; ``finding.point`` is the row, with that place filled in."""
    expected_false_alarms: float
    """How many regions as strange as this one a genuine slice shows by chance, on average."""


@dataclass(frozen=True, slots=True)
class Screening:
    """The answer for a whole slice without a point."""

    finding: Finding
    """Of the slice as a whole."""
    map: FloatImage
    """``[H, W]``, -log10 of the p-value of a region around each pixel; NaN where nothing can be
    said."""
    radius_px: float
    """Of the regions that were measured."""
    suspicions: tuple[Suspicion, ...] = ()
    """From the fewest expected false alarms on."""
    grids: Mapping[str, FloatImage] = field(default_factory=dict)
    """``[R, C]`` of each family: its statistics on the grid of places, NaN where nothing was
    measured."""
