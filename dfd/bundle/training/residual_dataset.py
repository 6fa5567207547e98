"""Altered crops as the head sees them.

Made once per run from genuine slices, with the residual maps that the trained predictor leaves of
them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from dfd.alterations import Altered, Material, alter
from dfd.bundle.datalists import HEAD_BATCH
from dfd.bundle.inference.inferer import AutocastInferer
from dfd.bundle.keys import Keys
from dfd.bundle.training.crops import filled_up, place, turn
from dfd.bundle.training.read_ahead import read_ahead
from dfd.intensity import body_mask
from dfd.modalities import MODALITIES
from dfd.prediction.residual_maps import blind_spot_prediction, residual_maps
from dfd.progress import Progress
from dfd.records import BoolImage, FloatImage

logger = logging.getLogger(__name__)

PAINT_FROM = 0.02
"""Share of an edit from which on a pixel is hidden from the inpainter."""


class ResidualDataset(Dataset[Mapping[str, torch.Tensor]]):
    """``image`` ``[5, S, S]`` (residual maps) and ``label`` ``[3, S, S]`` (added noise.

    Replaced content, 1 where a pixel counts).

    Made when the first one is asked for: the predictor is trained by then. In memory as float16,
    about 200 kB each.

    Args:
        slices: as of ``NormaliseNoised``, those of a series one after the other.
        weights: how often each is drawn, in proportion.
        network: the predictor.
        modality: name in ``MODALITIES``.
        draws: ``crops`` (how many), ``size`` (pixels), ``seed``.
    """

    def __init__(
        self,
        slices: Sequence[Mapping[str, Any]],
        weights: Sequence[float],
        network: torch.nn.Module,
        modality: str,
        draws: Mapping[str, int],
    ) -> None:
        self.slices, self.network, self.modality = slices, network, MODALITIES[modality]
        self.chances = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        self.crops, self.size, self.seed = draws["crops"], draws["size"], draws["seed"]
        self.maps: list[torch.Tensor] = []
        self.labels: list[torch.Tensor] = []

    def __len__(self) -> int:
        return self.crops

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if not self.maps:
            self.make()
        return {Keys.IMAGE: self.maps[index].float(), Keys.LABEL: self.labels[index].float()}

    def make(self) -> None:
        """Fills the pool; the seed decides everything.

        While the predictor looks at one batch, a second thread alters the next.
        """
        rng = np.random.default_rng(self.seed)
        logger.info("altering %d genuine crops for the head to learn from", self.crops)
        was_training = self.network.training
        self.network.eval()
        sizes = [HEAD_BATCH] * (self.crops // HEAD_BATCH) + [self.crops % HEAD_BATCH]
        progress = Progress("altering genuine crops", self.crops)
        for drawn in read_ahead(self._batch(size, rng) for size in sizes if size):
            self.maps += list(
                self._maps_of(np.stack([altered.pixels for altered, _ in drawn])).half()
            )
            self.labels += [
                torch.from_numpy(np.concatenate([altered.label, (altered.counted & body)[None]]))
                for altered, body in drawn
            ]
            progress.update(len(drawn))
        progress.close()
        self.network.train(was_training)

    def _batch(self, size: int, rng: np.random.Generator) -> list[tuple[Altered, BoolImage]]:
        """Altered crops, and where in each the body is."""
        return [self._altered(rng) for _ in range(size)]

    def _maps_of(self, pixels: FloatImage) -> torch.Tensor:
        device = next(self.network.parameters()).device
        stacked, inferer = torch.from_numpy(pixels)[:, None].to(device), AutocastInferer()
        with torch.inference_mode():
            mean, log_spread = blind_spot_prediction(
                stacked, lambda shown: inferer(shown, self.network)
            )
            return residual_maps(stacked, mean, log_spread).cpu()

    def _altered(self, rng: np.random.Generator) -> tuple[Altered, BoolImage]:
        """An altered crop, and where in it the body is."""
        number = int(rng.choice(len(self.slices), p=self.chances))
        chosen, beside = self.slices[number], self._beside(number, rng)
        lender = (
            self.slices[int(rng.choice(len(self.slices), p=self.chances))]
            if rng.random() < 0.5
            else chosen
        )
        body = filled_up(self._body(chosen), self.size)
        window = place(body, self.size, rng)
        pixels, above = (
            filled_up(each[Keys.PIXELS], self.size)[window] for each in (chosen, beside)
        )
        donor = filled_up(lender[Keys.PIXELS], self.size)[
            place(filled_up(self._body(lender), self.size), self.size, rng)
        ]
        pixels, above, donor, inside = turn(
            (pixels, above, donor, body[window]), int(rng.integers(8))
        )
        return alter(
            Material(pixels, donor, above, 1.0 / float(chosen[Keys.SCALE]), self._paint), rng
        ), inside

    def _beside(self, number: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """The slice before or after in the same series, itself where there is none."""
        chosen = self.slices[number]
        near = [
            self.slices[other]
            for other in (number - 1, number + 1)
            if 0 <= other < len(self.slices)
        ]
        fitting = [
            each
            for each in near
            if each.get(Keys.SERIES) == chosen.get(Keys.SERIES)
            and each[Keys.PIXELS].shape == chosen[Keys.PIXELS].shape
        ]
        return fitting[int(rng.integers(len(fitting)))] if fitting else chosen

    def _body(self, one: Mapping[str, Any]) -> BoolImage:
        pixels, measured = one[Keys.PIXELS] * one[Keys.SCALE], one[Keys.MEASURED]
        inside: BoolImage = (
            measured & body_mask(pixels, measured, self.modality) if measured.any() else measured
        )
        return inside

    def _paint(self, pixels: FloatImage, share: FloatImage) -> FloatImage:
        """The predictor's own picture of what belongs into the edit."""
        device = next(self.network.parameters()).device
        shown = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)).to(device)[
            None, None
        ]
        hidden = torch.from_numpy(share > PAINT_FROM).to(device)[None, None]
        with torch.inference_mode():
            painted = AutocastInferer()(
                torch.cat([shown.masked_fill(hidden, 0.0), hidden.float()], dim=1), self.network
            )
        return np.where(share > PAINT_FROM, painted[0, 0].float().cpu().numpy(), pixels).astype(
            np.float32
        )
