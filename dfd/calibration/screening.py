"""A slice without a point.

Every place of it is looked at, and the largest of many values is judged as the largest.

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

from dfd.calibration.cohort import SCREENING, Calibration, Setting, combined_p, fit, rarities
from dfd.calibration.decision import (
    NO_CALIBRATION,
    UNUSUAL,
    Circumstances,
    judge,
    remarks_on,
    verdict_of,
)
from dfd.calibration.tables import FloatArray, fit_table, p_value, p_values
from dfd.records import SUSPICIOUS, Evidence, Finding, Point, Region, Suspicion, Verdict
from dfd.sentences import joined, marked

MOST_FALSE_ALARMS = 1.0
"""Regions are told where at most so many as strange as they are expected by chance in a genuine
slice."""
FALSE_DISCOVERIES = 0.1
"""Share of slices named without cause that a list of them may hold (Benjamini-Hochberg)."""
MERGED_RADII = 2.0
"""Places nearer than this to a stranger one share pixels with it and are no region of their own."""
STEEPEST = 1.0
"""Largest Pareto exponent that the few maxima of a calibration may be extended by: one over a share
lies beyond r in 1 / r of all places, and a rarity in no fewer."""
NOT_CALIBRATED = "the calibration was not made for screening; run `dfd calibrate`"
NO_PLACE = "no place of the slice holds enough measured pixels to say anything"

Row = Mapping[str, float]
"""Statistic of each family at one place; NaN where it could not be measured."""


@dataclass(frozen=True)
class Places:
    """What was measured all over one slice."""

    regions: Sequence[Region]
    evidence: Sequence[Sequence[Evidence]]
    """One piece per family for each region."""

    @property
    def rows(self) -> list[Row]:
        """Statistics of each place by family."""
        return [{each.family: each.statistic for each in found} for found in self.evidence]


def fit_screening(by_patient: Sequence[Sequence[Sequence[Row]]]) -> Setting | None:
    """Tables from the places of some genuine slices of each patient.

    None where no place could be measured.
    """
    places = [[row for rows in slices for row in rows] for slices in by_patient]
    if not any(math.isfinite(value) for rows in places for row in rows for value in row.values()):
        return None
    tables, combined = fit(places)
    largest = fit_table(
        [[largest_of(rarities(rows, tables)) for rows in slices] for slices in by_patient]
    )
    return Setting(tables, combined, replace(largest, tail_index=min(largest.tail_index, STEEPEST)))


def largest_of(values: FloatArray) -> float:
    """NaN where there is none."""
    usable = values[np.isfinite(values)]
    return float(usable.max()) if usable.size else math.nan


def p_of_places(places: Places, calibration: Calibration) -> FloatArray:
    """``[n]`` p-value of each place for itself, NaN where nothing was measured.

    By the tables of a lone point where there are none for screening.
    """
    tables = calibration.of(SCREENING)
    rows = places.rows
    values = rarities(rows, tables.tables)
    result = np.full(len(rows), np.nan)
    known = np.isfinite(values)
    if tables.combined is not None:
        result[known] = p_values(values[known], tables.combined)[0]
    else:
        result[known] = [combined_p(rows[int(place)], tables)[0] for place in np.flatnonzero(known)]
    return result


def judge_slice(
    point: Point, places: Places, calibration: Calibration | None, around: Circumstances
) -> tuple[Finding, tuple[Suspicion, ...]]:
    """The answer for the slice as a whole.

    And the regions in it that stand out, from the fewest expected false alarms on.
    """
    refused = partial(Finding, point, Verdict.NOT_ASSESSABLE, radius_mm=around.radius_mm)
    if calibration is None:
        return refused(reason=NO_CALIBRATION), ()
    setting = calibration.settings.get(SCREENING)
    if setting is None or setting.maximum is None:
        return refused(reason=NOT_CALIBRATED), ()
    values = rarities(places.rows, setting.tables)
    order = [
        int(place) for place in np.argsort(-values, kind="stable") if np.isfinite(values[place])
    ]
    if not order:
        return refused(reason=NO_PLACE), ()
    expected = len(order) * p_of_places(places, calibration)
    chosen = _apart(
        [place for place in order if expected[place] <= MOST_FALSE_ALARMS], places.regions
    )
    remarks = remarks_on(calibration, around)
    # What is strange in the scan is said once, of the slice.
    told = {
        place: judge(
            _at(point, places.regions[place]),
            places.evidence[place],
            calibration,
            Circumstances(setting=SCREENING),
        )
        for place in dict.fromkeys((order[0], *chosen))
    }
    regions = {
        place: Suspicion(
            replace(
                found, radius_mm=around.radius_mm, extrapolated=found.extrapolated or bool(remarks)
            ),
            float(expected[place]),
        )
        for place, found in told.items()
    }
    p, beyond = p_value(float(values[order[0]]), setting.maximum)
    finding = _of_slice(point, (p, beyond), regions[order[0]], (len(chosen), len(order)))
    finding = replace(
        finding,
        radius_mm=around.radius_mm,
        reason=joined("; ", [finding.reason, *remarks]),
        extrapolated=beyond or bool(remarks),
    )
    return finding, tuple(regions[place] for place in chosen)


def _of_slice(
    point: Point, judged: tuple[float, bool], strongest: Suspicion, counts: tuple[int, int]
) -> Finding:
    """The slice by its strangest place.

    ``judged`` are its p-value and whether that is extrapolated, ``counts`` the suspicious and all
    places.
    """
    p, beyond = judged
    verdict = verdict_of(p)
    alarm = verdict in SUSPICIOUS
    found = strongest.finding
    return Finding(
        point,
        verdict,
        score=-math.log10(p) + 0.0,
        p_value=p,
        form=found.form if alarm else "",
        reason=_sentence(strongest, *counts),
        source_x=found.source_x if alarm else None,
        source_y=found.source_y if alarm else None,
        source_file=found.source_file if alarm else "",
        tissue=found.tissue,
        extrapolated=beyond,
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
    held = np.flatnonzero(np.sort(p_of_slices) <= FALSE_DISCOVERIES * ranks / count)
    remain = int(held[-1]) + 1 if held.size else 0
    return sum(p <= UNUSUAL for p in p_of_slices), UNUSUAL * count, remain


def _at(point: Point, region: Region) -> Point:
    return replace(point, x=region.x, y=region.y, radius_mm=region.radius_mm)


def _apart(places: Sequence[int], regions: Sequence[Region]) -> list[int]:
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
    found = strongest.finding
    where = f"lies at x {found.point.x:g}, y {found.point.y:g}"
    chance = (
        f"{count_in_words(strongest.expected_false_alarms)} such regions are expected by chance "
        "in a genuine slice"
    )
    if not suspicious:
        return f"no region stands out: the strangest of {looked_at} {where}, and {chance}"
    whole = (
        "the only suspicious region"
        if suspicious == 1
        else f"the strongest of {suspicious} suspicious regions"
    )
    return f"{whole} {where}: {marked(found.reason)}; {chance}"
