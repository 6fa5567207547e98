"""screened_series.csv: one answer for each series whose slices were screened.

What several slices say of one place is added up (``dfd.calibration.series``); the numbers are those
of ``dfd screen``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.calibration import (
    MOST_FALSE_ALARMS,
    SERIES_SCREENING,
    SeriesWindows,
    Setting,
    WindowPeak,
    chance_in_words,
    verdict_of,
)
from dfd.context.stacks import stacks_of
from dfd.evidence import screening_grid
from dfd.outputs.anonymous import LocalNames
from dfd.outputs.files import neutralise, write_atomically
from dfd.outputs.writer import Results, Run
from dfd.reading import series_of_files
from dfd.records import Finding, FloatImage, Region, Series

FILE_NAME = "screened_series.csv"
COLUMNS = (
    *("series", "slices", "first", "last", "p_value", "score", "verdict"),
    *("x", "y", "radius_px", "radius_mm", "region_first", "region_last", "strongest"),
    *("expected_false_alarms", "regions", "reason", "extrapolated"),
)


@dataclass(frozen=True)
class _Screened:
    """A slice that was measured everywhere."""

    finding: Finding
    grids: Mapping[str, FloatImage]
    region: Region
    """Its size alone counts."""


def write(run: Run, results: Results) -> None:
    """Write screened_series.csv: once all slices are there, as a part of a series is another one.

    Raises:
        OutputError: it cannot be written.
    """
    calibration = run.calibration
    setting = None if calibration is None else calibration.settings.get(SERIES_SCREENING)
    if setting is None:
        return
    shown = list(results.findings)
    if run.settings.anonymous:
        shown = LocalNames(shown).hide(shown)
    slices = _by_place(results, shown)
    paths = sorted({path for path, _ in slices})
    answers = [_answer(one, slices, setting) for one in series_of_files(paths)[0]]
    content = _table(sorted(filter(None, answers), key=lambda each: each.p_value))
    write_atomically(run.folder / FILE_NAME, content.encode("utf-8"))


def _by_place(results: Results, shown: Sequence[Finding]) -> dict[tuple[Path, int], _Screened]:
    """Slices by file and frame; of one that is asked about twice the first answer."""
    found: dict[tuple[Path, int], _Screened] = {}
    for finding, named in zip(results.findings, shown, strict=True):
        point, grids = finding.point, results.grids.get(finding.point.row)
        if grids and point.path is not None:
            region = results.regions[point.row]
            place = point.path, (point.frame or 1) - 1
            found.setdefault(place, _Screened(named, grids, region))
    return found


@dataclass(frozen=True)
class _Answer:
    """Of a series."""

    p_value: float
    extrapolated: bool
    looked: Sequence[_Screened]
    """Its slices that were measured, in order."""
    peaks: Sequence[WindowPeak]
    places: int

    def cells(self) -> dict[str, object]:
        """``COLUMNS`` but for the first."""
        first = self.peaks[0]
        place = screening_grid.averaged_region(
            first.row, first.column, first.window.reach, self.looked[first.last].region
        )
        expected = [each.share * self.places for each in self.peaks]
        chosen = (0, -1, first.first, first.last, first.strongest)
        names = ("first", "last", "region_first", "region_last", "strongest")
        return {
            **{name: _name(self.looked[n].finding) for name, n in zip(names, chosen, strict=True)},
            "slices": len(self.looked),
            "p_value": self.p_value,
            "score": -math.log10(self.p_value) + 0.0,
            "verdict": str(verdict_of(self.p_value)),
            "x": place.x,
            "y": place.y,
            "radius_px": place.radius_px,
            "radius_mm": place.radius_mm,
            "expected_false_alarms": expected[0],
            "regions": sum(each <= MOST_FALSE_ALARMS for each in expected),
            "reason": _sentence(expected[0], first.window.slices),
            "extrapolated": self.extrapolated,
        }


def _answer(
    series: Series, slices: Mapping[tuple[Path, int], _Screened], setting: Setting
) -> _Answer | None:
    """None where no slice of the series was measured."""
    windows, looked = SeriesWindows(setting), list[_Screened]()
    for stack in stacks_of(series):
        windows.begin_stack()
        for ref in stack:
            one = slices.get((ref.path, ref.frame))
            if one is None or (looked and _grid_of(looked[-1]) != _grid_of(one)):
                windows.begin_stack()
            if one is not None:
                looked.append(one)
                windows.add(one.grids)
    peaks = windows.peaks()
    if not peaks:
        return None
    p, beyond = windows.p_value()
    extrapolated = beyond or any(each.finding.extrapolated for each in looked)
    return _Answer(p, extrapolated, looked, peaks, windows.places)


def _grid_of(one: _Screened) -> tuple[tuple[int, ...], float]:
    return next(iter(one.grids.values())).shape, one.region.radius_px


def _name(finding: Finding) -> str:
    point = finding.point
    frame = "" if point.frame is None else f" (frame {point.frame})"
    return f"{point.filename}{frame}"


def _sentence(expected: float, slices: int) -> str:
    if expected > MOST_FALSE_ALARMS:
        return f"no region stands out: {chance_in_words(expected)}"
    run = "in one slice" if slices == 1 else f"over {slices} slices"
    return f"a region stands out {run}: {chance_in_words(expected)}"


def _table(answers: Sequence[_Answer]) -> str:
    stream = io.StringIO(newline="")
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(COLUMNS)
    for number, answer in enumerate(answers, start=1):
        cells = {"series": number, **answer.cells()}
        lines.writerow([_text(cells[name]) for name in COLUMNS])
    return stream.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    # float() so that numpy's own repr never gets in.
    return repr(float(value)) if isinstance(value, float) else neutralise(str(value))
