"""From the dictionaries of an engine to the records that writers get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from dfd.assessment import screening
from dfd.bundle.keys import Keys
from dfd.calibration import Calibration
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import Modality
from dfd.outputs.writer import SliceInfo, SliceResult
from dfd.records import Context, FloatImage, Prediction, Region


def slice_result(
    batch: Mapping[str, Any],
    output: Mapping[str, Any],
    info: SliceInfo,
    modality: Modality,
    calibration: Calibration | None,
) -> SliceResult:
    """One slice: what was read (``batch``), what the postprocessing says (``output``)."""
    context, prediction = batch.get(Keys.CONTEXT), output.get(Keys.PREDICTION)
    measured = None
    if calibration is not None and prediction is not None:
        measured = _map_around(prediction, modality, calibration)
    return SliceResult(
        scan=batch[Keys.SCAN],
        findings=output[Keys.FINDINGS],
        regions=output[Keys.REGIONS],
        prediction=prediction,
        modality=modality,
        info=info,
        screenings=output.get(Keys.SCREENINGS, {}),
        context=context if isinstance(context, Context) else None,
        sources=output.get(Keys.SOURCES, {}),
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
