"""Altered crops as the head sees them.

Made from genuine slices, with the residual maps that the trained predictor leaves of them: others
in each epoch, the next ones while the head learns from those before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch.utils.data import Dataset

from dfd.alterations import Altered, Material, alter
from dfd.alterations.material import Paint
from dfd.bundle.datalists import HEAD_BATCH
from dfd.bundle.inference.inferer import AutocastInferer
from dfd.bundle.keys import Keys
from dfd.bundle.training.crops import filled_up, place, turn
from dfd.bundle.training.read_ahead import read_ahead
from dfd.bundle.training.regenerators import HIDDEN_FROM, Regenerators, crops_from
from dfd.intensity import body_mask
from dfd.modalities import MODALITIES
from dfd.prediction.residual_maps import blind_spot_prediction, residual_maps
from dfd.progress import Progress
from dfd.records import BoolImage, FloatImage

logger = logging.getLogger(__name__)

REGENERATED_PX = 64
"""Side of the crops that networks learn to draw anew."""


@dataclass(frozen=True)
class Draws:
    """How crops are drawn."""

    crops: int
    """How many are made for one epoch."""
    size: int
    """Of a side, in pixels."""
    seed: int
    repeats: int = 1
    """How often an epoch shows each: they cost more to make than to learn from."""
    fresh: bool = False
    """Other crops in each epoch."""
    regenerators: Regenerators | None = None
    """Networks that draw crops anew, trained on these slices before the first crop is made."""


class Pool(NamedTuple):
    """The crops of one epoch, as float16 and bool."""

    maps: list[torch.Tensor]
    labels: list[torch.Tensor]


class ResidualDataset(Dataset[Mapping[str, torch.Tensor]]):
    """``image`` ``[5, S, S]`` (residual maps) and ``label`` ``[3, S, S]``.

    Of the label: added noise, replaced content, 1 where a pixel counts. The first crops are made
    when one is asked for: the predictor is trained by then. In memory, at 128 pixels a side about
    200 kB each. Attach the dataset to the trainer, so that each epoch has crops of its own.

    Args:
        slices: as of ``NormaliseNoised``, those of a series one after the other.
        weights: how often each is drawn, in proportion.
        network: the predictor.
        modality: name in ``MODALITIES``.
        draws: fields of ``Draws``.
    """

    def __init__(
        self,
        slices: Sequence[Mapping[str, Any]],
        weights: Sequence[float],
        network: torch.nn.Module,
        modality: str,
        draws: Mapping[str, Any],
    ) -> None:
        self.slices, self.network, self.modality = slices, network, MODALITIES[modality]
        self.chances = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        self.draws = Draws(**draws)
        self.epoch = 0
        self._pools: dict[int, Future[Pool]] = {}
        self._second = ThreadPoolExecutor(1, "crops")

    def __len__(self) -> int:
        return self.draws.crops * self.draws.repeats

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        maps, labels = self.pool
        place = index % self.draws.crops
        return {Keys.IMAGE: maps[place].float(), Keys.LABEL: labels[place].float()}

    @property
    def pool(self) -> Pool:
        """The crops of this epoch."""
        return self._making(self.epoch).result()

    def attach(self, engine: Engine) -> None:
        """Lets each epoch of a trainer have its own crops."""
        if self.draws.fresh:
            engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)

    def _begin_epoch(self, engine: Engine) -> None:
        self.epoch = int(engine.state.epoch)
        self.pool  # noqa: B018 - waits
        if self.epoch < int(engine.state.max_epochs):
            self._making(self.epoch + 1)
        for past in [each for each in self._pools if each < self.epoch]:
            del self._pools[past]

    def _making(self, epoch: int) -> Future[Pool]:
        """The crops of an epoch, made by a second thread."""
        if epoch not in self._pools:
            self._pools[epoch] = self._second.submit(self.make, epoch)
        return self._pools[epoch]

    @cached_property
    def _predictor(self) -> torch.nn.Module:
        """The predictor as it is when the first crop is made."""
        return deepcopy(self.network).eval()

    @cached_property
    def _painters(self) -> tuple[Paint, ...]:
        if self.draws.regenerators is None:
            return ()
        images = [filled_up(each[Keys.PIXELS], REGENERATED_PX) for each in self.slices]
        return self.draws.regenerators.painters(crops_from(images, self.chances, REGENERATED_PX))

    def make(self, epoch: int) -> Pool:
        """The crops of an epoch; it and the seed decide everything.

        While the predictor looks at one batch, another thread alters the next.
        """
        rng = np.random.default_rng([self.draws.seed, epoch])
        crops, maps, labels = self.draws.crops, [], []
        self._painters  # noqa: B018 - trained before anything is drawn
        logger.info("altering %d genuine crops for the head to learn from", crops)
        sizes = [HEAD_BATCH] * (crops // HEAD_BATCH) + [crops % HEAD_BATCH]
        with Progress("altering genuine crops", crops) as progress:
            for drawn in read_ahead(self._batch(size, rng) for size in sizes if size):
                maps += list(
                    self._maps_of(np.stack([altered.pixels for altered, _ in drawn])).half()
                )
                labels += [
                    torch.from_numpy(
                        np.concatenate([altered.label, (altered.counted & body)[None]])
                    )
                    for altered, body in drawn
                ]
                progress.update(len(drawn))
        return Pool(maps, labels)

    def _batch(self, size: int, rng: np.random.Generator) -> list[tuple[Altered, BoolImage]]:
        """Altered crops, and where in each the body is."""
        return [self._altered(rng) for _ in range(size)]

    def _maps_of(self, pixels: FloatImage) -> torch.Tensor:
        device = next(self._predictor.parameters()).device
        stacked, inferer = torch.from_numpy(pixels)[:, None].to(device), AutocastInferer()
        with torch.inference_mode():
            mean, log_spread = blind_spot_prediction(
                stacked, lambda shown: inferer(shown, self._predictor)
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
        body = filled_up(self._body(chosen), self.draws.size)
        window = place(body, self.draws.size, rng)
        pixels, above = (
            filled_up(each[Keys.PIXELS], self.draws.size)[window] for each in (chosen, beside)
        )
        donor = filled_up(lender[Keys.PIXELS], self.draws.size)[
            place(filled_up(self._body(lender), self.draws.size), self.draws.size, rng)
        ]
        pixels, above, donor, inside = turn(
            (pixels, above, donor, body[window]), int(rng.integers(8))
        )
        return alter(
            Material(
                *(pixels, donor, above, 1.0 / float(chosen[Keys.SCALE])),
                *(self._paint, self._painters),
            ),
            rng,
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
        device = next(self._predictor.parameters()).device
        shown = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)).to(device)[
            None, None
        ]
        hidden = torch.from_numpy(share > HIDDEN_FROM).to(device)[None, None]
        with torch.inference_mode():
            painted = AutocastInferer()(
                torch.cat([shown.masked_fill(hidden, 0.0), hidden.float()], dim=1), self._predictor
            )
        return np.where(share > HIDDEN_FROM, painted[0, 0].float().cpu().numpy(), pixels).astype(
            np.float32
        )
