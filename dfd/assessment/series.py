"""From the slices of a series to an answer for the series: every place of every slice is measured.

Slices come one after another and are forgotten; what adjacent ones say of a place is added up
(``dfd.calibration.series_windows``). What is then listed is explained by the slice that shows it
best, which is looked at once more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import torch

from dfd.assessment.criteria import Criteria
from dfd.assessment.screening import grids_of, places_of
from dfd.calibration import (
    MOST_FALSE_ALARMS,
    SCREENING,
    SERIES_SCREENING,
    DecisionContext,
    SeriesWindows,
    WindowPeak,
    decide,
)
from dfd.calibration.decision import remarks_on
from dfd.errors import CalibrationError
from dfd.evidence import screening_grid
from dfd.evidence.slice_evidence import SliceEvidence, at_place
from dfd.population import covariates_of
from dfd.records import Finding, Point, Prediction, Region, Slice
from dfd.regions import region_of
from dfd.suitability import objections

MOST_REGIONS = 20
"""Regions listed of a series, the strangest: nobody looks at more."""
NOT_CALIBRATED = "the model was not calibrated for series; run `dfd calibrate`"


@dataclass(frozen=True)
class SeriesRegion:
    """A place of a series that stands out over some slices."""

    first: int
    last: int
    """Of its slices, numbers as they were given."""
    strongest: int
    """The slice that shows it best."""
    region: Region
    """What is averaged over, in each of them."""
    clicked: Region
    """In its middle, as large as a point asks about."""
    expected_false_alarms: float
    """How many as strange as it a genuine series of as many places shows by chance."""


@dataclass(frozen=True)
class SeriesFinding:
    """The answer for a series."""

    p_value: float
    extrapolated: bool
    """Whether ``p_value`` lies beyond what the patients support."""
    rarity: float
    """One over the fewest expected false alarms, which it stands on."""
    regions: tuple[SeriesRegion, ...]
    """The strangest first: those of which at most ``MOST_FALSE_ALARMS`` are expected, and the
    strangest of all whatever it is."""
    remarks: tuple[str, ...]
    """On what its slices are unlike."""


@dataclass
class _Looked:
    """What became of the slices so far."""

    numbers: list[int] = field(default_factory=list)
    """Of those that were measured, in order."""
    likes: list[Region] = field(default_factory=list)
    """How large the regions of each were."""
    obstacles: list[str] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)


class SeriesScan:
    """Looks at the slices of one series with one model, one after another.

    Raises:
        CalibrationError: the model was not calibrated for series.
    """

    def __init__(self, criteria: Criteria) -> None:
        calibration = criteria.calibration
        if calibration is None or SERIES_SCREENING not in calibration.settings:
            raise CalibrationError(NOT_CALIBRATED)
        self._criteria, self._calibration = criteria, calibration
        self._windows = SeriesWindows(calibration.settings[SERIES_SCREENING])
        self._looked = _Looked()
        self._grid: tuple[object, ...] = ()

    def begin_stack(self) -> None:
        """The next slice does not lie beside the one before."""
        self._windows.begin_stack()

    def add(self, number: int, scan: Slice, prediction: Prediction) -> None:
        """Look at the next slice, called ``number``, unless something speaks against it."""
        modality = self._criteria.modality
        suitability = objections(scan, modality)
        if suitability.refusal or suitability.not_assessable:
            self._looked.obstacles.append(suitability.refusal or suitability.not_assessable)
            self.begin_stack()
            return
        like = region_of(Point(number, scan.ref.path.name, 0.0, 0.0), scan, modality)
        if (scan.pixels.shape, like.radius_px) != self._grid:
            self._grid = scan.pixels.shape, like.radius_px
            self.begin_stack()
        covariates = covariates_of(prediction, scan.facts, modality)
        context = DecisionContext(like.radius_mm, covariates, suitability.remarks)
        self._looked.remarks |= dict.fromkeys(remarks_on(self._calibration, context))
        self._looked.numbers.append(number)
        self._looked.likes.append(like)
        places = places_of(prediction, modality, like, self._criteria.device)
        self._windows.add(grids_of(places, scan.pixels.shape, like))

    @property
    def assessed(self) -> int:
        """How many slices were measured."""
        return len(self._looked.numbers)

    @property
    def obstacle(self) -> str:
        """What most often spoke against a slice; empty where nothing did."""
        counted = Counter(self._looked.obstacles).most_common(1)
        return counted[0][0] if counted else ""

    def finding(self) -> SeriesFinding | None:
        """The answer; None where no place of any slice could be measured."""
        peaks = self._windows.peaks()
        if not peaks:
            return None
        listed = [each for each in peaks if self._expected(each) <= MOST_FALSE_ALARMS]
        p, beyond = self._windows.p_value()
        return SeriesFinding(
            p,
            beyond,
            self._windows.rarity(),
            tuple(self._region(each) for each in (listed or peaks[:1])[:MOST_REGIONS]),
            tuple(self._looked.remarks),
        )

    def _expected(self, peak: WindowPeak) -> float:
        return peak.share * self._windows.places

    def _region(self, peak: WindowPeak) -> SeriesRegion:
        like = self._looked.likes[peak.last]
        region = screening_grid.averaged_region(peak.row, peak.column, peak.window.reach, like)
        first, last, strongest = (
            self._looked.numbers[each] for each in (peak.first, peak.last, peak.strongest)
        )
        clicked = replace(like, x=region.x, y=region.y)
        return SeriesRegion(first, last, strongest, region, clicked, self._expected(peak))


def explained(region: Region, scan: Slice, prediction: Prediction, criteria: Criteria) -> Finding:
    """What one slice by itself says of a region that a series listed."""
    device = torch.device(criteria.device)
    evidence = SliceEvidence(prediction, criteria.modality, device=device)
    pieces = at_place(region, evidence)
    point = Point(0, scan.ref.path.name, region.x, region.y)
    context = DecisionContext(region.radius_mm, setting=SCREENING)
    return decide(point, pieces, criteria.calibration, context)
