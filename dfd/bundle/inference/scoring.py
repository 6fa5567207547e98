"""Prediction -> findings or map: the postprocessing of both bundles."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform

from dfd.assessment import screening
from dfd.assessment.criteria import Criteria
from dfd.bundle.inference.inferer import as_prediction
from dfd.bundle.inference.results import loaded_slice
from dfd.bundle.keys import Keys
from dfd.calibration import Calibration
from dfd.errors import SeriesError
from dfd.modalities import MODALITIES
from dfd.records import Prediction, Region
from dfd.scoring.assessing import SliceAssessor


def first_of_batch(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collates a batch of one slice.

    ``image`` ``[1, 1, H, W]``, everything else as it is (records are no tensors).

    An array and not a tensor, for the reason given at :func:`dfd.bundle.batches.stacked`.
    """
    (item,) = items
    return {**item, Keys.IMAGE: np.asarray(item[Keys.IMAGE])[None]}


def prepare_slice(
    batch: Mapping[str, Any],
    device: torch.device | None = None,
    non_blocking: bool = False,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Batch of one slice -> input of the inferer; there is no label."""
    return torch.as_tensor(batch[Keys.IMAGE]).to(device, non_blocking=non_blocking), None


class ScoreRegionsd(MapTransform):
    """``pred`` of ``LatticeInferer`` -> findings, or a map.

    With the key ``points`` (a list of ``Point``): adds ``findings`` (one per point, in order),
    ``regions`` (``Region`` or None), ``prediction`` and ``screenings`` (row -> ``Screening``, of
    the points that ask about the slice as a whole), and ``sources`` (name -> pixels of slices that
    were copied from). ``context``, ``context_note`` and ``reconstructions`` say what other slices
    hold, see ``dfd.assessment.points``.

    Without: replaces ``pred`` by the map of -log10 p, ``[1, H, W]`` (``[B, 1, H, W]`` for a batch),
    0 where nothing can be said; a file that could not be read raises ``SeriesError``.
    """

    def __init__(
        self,
        keys: str = "pred",
        modality: str = "ct_lung",
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        """``device``: where evidence is measured."""
        super().__init__(keys)
        self.criteria = Criteria(MODALITIES[modality], calibration, device)
        self._assessor = SliceAssessor(self.criteria)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if Keys.POINTS not in data:
            return self._mapped(data)
        readable = not data.get(Keys.ERROR)
        planes = torch.as_tensor(data[self.keys[0]]) if readable else None
        prediction = None if planes is None else self._prediction(planes[0])
        assessed = self._assessor.assess(loaded_slice(dict(data)), prediction)
        answers: dict[Hashable, Any] = {
            Keys.FINDINGS: assessed.findings,
            Keys.REGIONS: assessed.regions,
        }
        if readable:
            answers |= {
                Keys.PREDICTION: prediction,
                Keys.SCREENINGS: assessed.screenings,
                Keys.SOURCES: assessed.sources,
            }
        return {**data, **answers}

    def _mapped(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """``pred`` replaced by its map, for one slice or a batch."""
        if data.get(Keys.ERROR):  # a map of zeros would say that nothing stands out
            raise SeriesError(data[Keys.ERROR])
        planes = torch.as_tensor(data[self.keys[0]])
        batch = planes if planes.ndim == 4 else planes[None]
        maps = torch.stack(
            [torch.from_numpy(self.map_of(self._prediction(one)))[None] for one in batch]
        )
        return {**data, self.keys[0]: maps if planes.ndim == 4 else maps[0]}

    def _prediction(self, planes: torch.Tensor) -> Prediction:
        """With the learned statistic of the model, which a tensor does not carry."""
        calibration = self.criteria.calibration
        weigh = None if calibration is None else calibration.weigh
        if isinstance(weigh, torch.nn.Module):
            weigh = weigh.to(self.criteria.device)
        return as_prediction(planes, weigh)

    def map_of(self, prediction: Prediction) -> np.ndarray:
        """``[H, W]`` float32 map of -log10 p, as of a slice that is screened.

        For regions of the modality's own radius in pixels.
        """
        modality, calibration = self.criteria.modality, self.criteria.calibration
        if calibration is None:
            return np.zeros(prediction.z.shape, dtype=np.float32)
        places = screening.places_of(
            prediction, modality, Region(0.0, 0.0, modality.radius_px), self.criteria.device
        )
        return np.nan_to_num(screening.map_of(places, prediction, calibration), nan=0.0)
