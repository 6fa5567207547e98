"""The map of -log10 p of a slice, made anew for the DICOM results: parts hold none."""

from __future__ import annotations

from functools import lru_cache

from dfd.assessment import screening
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import FloatImage, Point, SliceRef
from dfd.repository.models import PlannedModel
from dfd.repository.screen_series import Screener

ROW = 1


@lru_cache(2)
def _screener(model: PlannedModel, device: str) -> Screener:
    """One of each model: loading takes seconds."""
    return Screener(model, device)


class SliceMaps:
    """Makes maps with one model."""

    def __init__(self, model: PlannedModel, device: str) -> None:
        self.screener = _screener(model, device)

    def map_of(self, ref: SliceRef) -> FloatImage:
        """``[H, W]``: -log10 p of a region around each pixel, NaN where nothing can be said.

        Raises:
            SeriesError: the slice cannot be read.
        """
        screener = self.screener
        scan = read_slice(ref.path, ref.frame, screener.modality.unit)
        prediction = predict_slice(pixels_of(scan), screener.network, screener.modality)
        point = Point(row=ROW, filename=ref.path.name)
        return screening.screen(scan, [point], prediction, screener.criteria)[ROW].map
