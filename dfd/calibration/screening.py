"""A slice without a point.

Every place of it is looked at, and the largest of many values is compared with the largest of
genuine slices.

What one place is worth stands in the combined table of the setting ``SCREENING``; what the
strangest place of a whole slice is worth, in its table of maxima. The expected number of false
alarms (Desolneux, Moisan and Morel, Meaningful alignments, IJCV 2000, definition 2) is the number
of places times the p-value of one: expectations add up however the places depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dfd.calibration.cohort import (
    SCREENING,
    Calibration,
    Setting,
    combined_p_values,
    combined_statistics,
    fit,
)
from dfd.calibration.decision import (
    NO_CALIBRATION,
    UNUSUAL,
    DecisionContext,
    decide,
    remarks_on,
    verdict_of,
)
from dfd.calibration.tables import Columns, FloatArray, Statistics, columns_of, fit_table, p_value
from dfd.records import SUSPICIOUS, Evidence, Finding, Point, Region, Suspicion, Verdict
from dfd.sentences import joined, marked

MOST_FALSE_ALARMS = 1.0
"""A region is suspicious where at most so many as strange as it are expected by chance in a genuine
slice."""
FALSE_DISCOVERIES = 0.1
"""Share of slices named without cause that a list of them may hold (Benjamini-Hochberg)."""
MERGED_RADII = 2.0
"""Places nearer than this to a stranger one share pixels with it and are no region of their own."""
STEEPEST = 1.0
"""Largest Pareto exponent that the few maxima of a calibration may be extended by: one over a share
lies beyond r in 1 / r of all places, and a combined statistic in no fewer."""
NOT_CALIBRATED = "the calibration was not made for screening; run `dfd calibrate`"
NO_PLACE = "no place of the slice holds enough measured pixels to say anything"


@dataclass(frozen=True)
class Places:
    """What was measured all over one slice."""

    regions: Sequence[Region]
    statistics: Columns
    """``[n]`` of each family, NaN where it could not be measured."""
    evidence: Sequence[Sequence[Evidence]]
    """One piece per family for each region: the records, for those places that are named."""
    by_themselves: Columns | None = None
    """``statistics`` without the places beside each; None: they count none."""


def fit_screening(
    by_patient: Sequence[Sequence[Sequence[Statistics]]], weights: Sequence[float] | None = None
) -> Setting | None:
    """Tables from the places of some genuine slices of each patient.

    None where no place could be measured.

    Args:
        by_patient: places of the slices of each patient.
        weights: how much each patient counts; None: all alike.
    """
    places = [[row for rows in slices for row in rows] for slices in by_patient]
    if not any(math.isfinite(value) for rows in places for row in rows for value in row.values()):
        return None
    setting = fit(places, weights)
    maximum = fit_table(
        [
            [largest_of(combined_statistics(columns_of(rows), setting.tables)) for rows in slices]
            for slices in by_patient
        ],
        weights,
    )
    return replace(setting, maximum=replace(maximum, tail_index=min(maximum.tail_index, STEEPEST)))


def largest_of(values: FloatArray) -> float:
    """NaN where there is none."""
    usable = values[np.isfinite(values)]
    return float(usable.max()) if usable.size else math.nan


def p_of_places(places: Places, calibration: Calibration) -> FloatArray:
    """``[n]`` p-value of each place for itself, NaN where nothing was measured.

    By the tables of a point in a slice by itself where there are none for screening.
    """
    return combined_p_values(places.statistics, calibration.of(SCREENING))


def decide_slice(
    point: Point, places: Places, calibration: Calibration | None, context: DecisionContext
) -> tuple[Finding, tuple[Suspicion, ...]]:
    """The answer for the slice as a whole.

    And the regions in it that stand out, from the fewest expected false alarms on.
    """
    unanswered = partial(Finding, point, Verdict.NOT_ASSESSABLE, radius_mm=context.radius_mm)
    if calibration is None:
        return unanswered(reason=NO_CALIBRATION), ()
    setting = calibration.settings.get(SCREENING)
    if setting is None or setting.maximum is None:
        return unanswered(reason=NOT_CALIBRATED), ()
    values = combined_statistics(places.statistics, setting.tables)
    ranked = [int(n) for n in np.argsort(-values, kind="stable") if np.isfinite(values[n])]
    if not ranked:
        return unanswered(reason=NO_PLACE), ()
    expected = len(ranked) * p_of_places(places, calibration)
    separate = _separate(
        [place for place in ranked if expected[place] <= MOST_FALSE_ALARMS], places.regions
    )
    shown = {place: float(expected[place]) for place in dict.fromkeys((ranked[0], *separate))}
    suspicions = _suspicions(point, places, shown, calibration, context)
    p, beyond = p_value(float(values[ranked[0]]), setting.maximum)
    remarks = remarks_on(calibration, context)
    finding = _of_slice(point, p, suspicions[ranked[0]], (len(separate), len(ranked)))
    finding = replace(
        finding,
        radius_mm=context.radius_mm,
        reason=joined("; ", [finding.reason, *remarks]),
        extrapolated=beyond or bool(remarks),
    )
    return finding, tuple(suspicions[place] for place in separate)


def _suspicions(
    point: Point,
    places: Places,
    expected: Mapping[int, float],
    calibration: Calibration,
    context: DecisionContext,
) -> dict[int, Suspicion]:
    """The regions at some places; ``expected``: place -> expected number of false alarms."""
    suspicions = {}
    for place, false_alarms in expected.items():
        # What is strange in the scan is said once, of the slice.
        finding = decide(
            _at(point, places.regions[place]),
            places.evidence[place],
            calibration,
            DecisionContext(setting=SCREENING),
        )
        finding = replace(
            finding,
            radius_mm=context.radius_mm,
            extrapolated=finding.extrapolated or bool(remarks_on(calibration, context)),
        )
        suspicions[place] = Suspicion(finding, false_alarms)
    return suspicions


def _of_slice(point: Point, p: float, strongest: Suspicion, counts: tuple[int, int]) -> Finding:
    """The slice by its strangest place; ``counts``: the suspicious and all places."""
    verdict = verdict_of(p)
    alarm = verdict in SUSPICIOUS
    region = strongest.finding
    return Finding(
        point,
        verdict,
        score=-math.log10(p) + 0.0,
        p_value=p,
        form=region.form if alarm else "",
        reason=_sentence(strongest, *counts),
        source_x=region.source_x if alarm else None,
        source_y=region.source_y if alarm else None,
        source_file=region.source_file if alarm else "",
        tissue=region.tissue,
    )


def counts_of_many(p_of_slices: Sequence[float]) -> tuple[int, float, int]:
    """Of several slices.

    How many p-values are at most ``UNUSUAL``, how many would be if nothing was tampered with, how
    many remain in a list.

    The list holds at most ``FALSE_DISCOVERIES`` slices named without cause, on average, also where
    slices resemble each other. Source: Benjamini and Hochberg, Controlling the false discovery rate
    (JRSS B 1995), procedure (1).
    """
    count = len(p_of_slices)
    ranks = np.arange(1, count + 1)
    passing = np.flatnonzero(np.sort(p_of_slices) <= FALSE_DISCOVERIES * ranks / count)
    remain = int(passing[-1]) + 1 if passing.size else 0
    return sum(p <= UNUSUAL for p in p_of_slices), UNUSUAL * count, remain


def _at(point: Point, region: Region) -> Point:
    return replace(point, x=region.x, y=region.y, radius_mm=region.radius_mm)


def _separate(places: Sequence[int], regions: Sequence[Region]) -> list[int]:
    """The first of ``places``, and of the others those clear of all that were kept before."""
    kept: list[int] = []
    for place in places:
        here = regions[place]
        if all(
            math.hypot(here.x - regions[other].x, here.y - regions[other].y)
            >= MERGED_RADII * here.radius_px
            for other in kept
        ):
            kept.append(place)
    return kept


def count_in_words(expected: float) -> str:
    """A number of expected false alarms for a sentence.

    What is smaller stands on the extension of a tail, and its digits mean nothing.
    """
    return "fewer than 0.001" if expected < 0.001 else f"{expected:.2g}"


def _sentence(strongest: Suspicion, suspicious: int, looked_at: int) -> str:
    """Where the strangest place lies, why it is strange, and how many like it chance brings."""
    region = strongest.finding
    where = f"lies at x {region.point.x:g}, y {region.point.y:g}"
    chance = (
        f"{count_in_words(strongest.expected_false_alarms)} such regions are expected by chance "
        "in a genuine slice"
    )
    if not suspicious:
        return f"no region stands out: the strangest of {looked_at} {where}, and {chance}"
    whole = (
        "the only region that stands out"
        if suspicious == 1
        else f"the strongest of {suspicious} regions that stand out"
    )
    return f"{whole} {where}: {marked(region.reason)}; {chance}"
