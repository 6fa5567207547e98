"""What the writers of the outputs get of a slice that was read and assessed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from dfd.assessment import screening
from dfd.assessment.criteria import Criteria
from dfd.calibration import Calibration
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import Modality
from dfd.outputs.writer import SliceInfo, SliceResult
from dfd.records import FloatImage, Prediction, Region
from dfd.scoring.slices import AssessedSlice, LoadedSlice


def slice_result(
    loaded: LoadedSlice, assessed: AssessedSlice, info: SliceInfo, criteria: Criteria
) -> SliceResult:
    """What writers get of a slice that was read.

    Raises:
        ValueError: it was not.
    """
    if loaded.scan is None:
        raise ValueError("a slice that could not be read has no pictures")
    calibration, prediction = criteria.calibration, assessed.prediction
    measured = None
    if calibration is not None and prediction is not None:
        measured = _map_around(prediction, criteria.modality, calibration)
    return SliceResult(
        scan=loaded.scan,
        findings=assessed.findings,
        regions=assessed.regions,
        prediction=prediction,
        modality=criteria.modality,
        info=info,
        screenings=assessed.screenings,
        context=loaded.context.adjacent,
        sources=assessed.sources,
        map_around=measured,
    )


def _map_around(
    prediction: Prediction, modality: Modality, calibration: Calibration
) -> Callable[[Region], FloatImage]:
    """Measures around regions of one slice.

    Places there are assessed as those of a screened slice, which is looked at by itself.
    """

    @lru_cache(maxsize=1)
    def evidence() -> SliceEvidence:
        return SliceEvidence(prediction, modality)

    return lambda region: screening.map_around(region, evidence(), calibration)
