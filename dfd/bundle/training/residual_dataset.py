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

from dfd.bundle.inference.inferer import AutocastInferer
from dfd.bundle.keys import Keys
from dfd.bundle.training.altered_crops import AlteredCrops, Genuine, Maker, Painters
from dfd.bundle.training.crops import filled_up
from dfd.bundle.training.read_ahead import read_ahead
from dfd.bundle.training.regenerators import Regenerators, crops_from
from dfd.modalities import MODALITIES
from dfd.prediction.residual_maps import blind_spot_prediction, residual_maps
from dfd.progress import Progress

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
    workers: int = 0
    """Processes that alter crops beside this one."""


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
        chances = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        self.genuine, self.network = Genuine(slices, chances, MODALITIES[modality]), network
        self.draws = Draws(**draws)
        self.epoch = 0
        self._pools: dict[int, Future[Pool]] = {}
        self._second = ThreadPoolExecutor(1, "crops")

    def __len__(self) -> int:
        return self.draws.crops * self.draws.repeats

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        maps, labels = self.pool
        repeat, place = divmod(index, self.draws.crops)
        symmetry = (place + 3 * repeat) % 8 if repeat else 0
        return {
            Keys.IMAGE: turned(maps[place], symmetry).float(),
            Keys.LABEL: turned(labels[place], symmetry).float(),
        }

    @property
    def pool(self) -> Pool:
        """The crops of this epoch."""
        return self._making(self.epoch).result()

    def attach(self, engine: Engine) -> None:
        """Lets each epoch of a trainer have its own crops."""
        if self.draws.fresh:
            engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
            engine.add_event_handler(Events.COMPLETED, self._end)

    def _begin_epoch(self, engine: Engine) -> None:
        self.epoch = int(engine.state.epoch)
        self.pool  # noqa: B018 - waits
        if self.epoch < int(engine.state.max_epochs):
            self._making(self.epoch + 1)
        for past in [each for each in self._pools if each < self.epoch]:
            del self._pools[past]

    def _end(self, _: Engine | None = None) -> None:
        """Ends the processes that alter crops; another begins where one is needed again."""
        self._maker.close()
        del self._maker

    def _making(self, epoch: int) -> Future[Pool]:
        """The crops of an epoch, made by a second thread."""
        if epoch not in self._pools:
            self._maker  # noqa: B018 - its processes begin in this thread
            self._pools[epoch] = self._second.submit(self.make, epoch)
        return self._pools[epoch]

    @cached_property
    def _predictor(self) -> torch.nn.Module:
        """The predictor as it is when the first crop is made."""
        return deepcopy(self.network).eval()

    @cached_property
    def _maker(self) -> Maker:
        dataset = AlteredCrops(self.genuine, self._painters(), self.draws.size, self.draws.seed)
        return Maker(dataset, self.draws.crops, self.draws.workers)

    def _painters(self) -> Painters:
        """Those that draw anew; the networks are trained before anything is drawn."""
        predictor = deepcopy(self._predictor).cpu()
        if self.draws.regenerators is None:
            return Painters(predictor)
        images = [filled_up(each[Keys.PIXELS], REGENERATED_PX) for each in self.genuine.slices]
        drawn = crops_from(images, self.genuine.chances, REGENERATED_PX)
        return Painters(predictor, self.draws.regenerators.painters(drawn))

    def make(self, epoch: int) -> Pool:
        """The crops of an epoch; it and the seed decide everything.

        While the predictor looks at one batch, others alter the next.
        """
        crops, maps, labels = self.draws.crops, [], []
        maker = self._maker
        logger.info("altering %d genuine crops for the head to learn from", crops)
        with Progress("altering genuine crops", crops) as progress:
            for batch in read_ahead(maker.batches(epoch)):
                maps += list(self._maps_of(batch[Keys.PIXELS]).half())
                labels += list(batch[Keys.LABEL])
                progress.update(len(batch[Keys.LABEL]))
        if not self.draws.fresh:
            self._end()
        return Pool(maps, labels)

    def _maps_of(self, pixels: torch.Tensor) -> torch.Tensor:
        """Residual maps ``[B, 5, S, S]`` of crops ``[B, S, S]``."""
        device = next(self._predictor.parameters()).device
        stacked, inferer = pixels[:, None].to(device), AutocastInferer()
        with torch.inference_mode():
            mean, log_spread = blind_spot_prediction(
                stacked, lambda shown: inferer(shown, self._predictor)
            )
            return residual_maps(stacked, mean, log_spread).cpu()


def turned(image: torch.Tensor, symmetry: int) -> torch.Tensor:
    """``image`` ``[..., S, S]`` under one of the eight symmetries of the pixel grid."""
    if symmetry & 4:
        image = image.transpose(-2, -1)
    return torch.rot90(image, symmetry & 3, (-2, -1))
