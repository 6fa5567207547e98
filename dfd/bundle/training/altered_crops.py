"""Altered crops of genuine slices: what the head learns from, before the predictor looks at it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch.utils.data import DataLoader, Dataset, Sampler

from dfd.alterations import Material, alter
from dfd.alterations.material import Paint
from dfd.bundle.datalists import HEAD_BATCH
from dfd.bundle.inference.inferer import AutocastInferer
from dfd.bundle.keys import Keys
from dfd.bundle.training.crops import filled_up, place, turn
from dfd.bundle.training.regenerators import HIDDEN_FROM
from dfd.intensity import body_mask
from dfd.modalities import Modality
from dfd.records import BoolImage, FloatImage

OTHER_LENDER = 0.5
"""Share of crops whose donor comes from any slice, and not from the same."""
FORK = "fork"
"""How the processes begin: they share the slices with this one."""


@dataclass(frozen=True)
class Genuine:
    """What crops are made from.

    ``slices``: as of ``NormaliseNoised``, those of a series one after the other; ``chances``
    ``[n]``: how often each is drawn, of sum 1.
    """

    slices: Sequence[Mapping[str, Any]]
    chances: FloatImage
    modality: Modality


@dataclass(frozen=True)
class Painters:
    """What draws content anew: the predictor, on the CPU, and the networks trained for it."""

    predictor: torch.nn.Module
    regenerators: tuple[Paint, ...] = ()

    def paint(self, pixels: FloatImage, share: FloatImage) -> FloatImage:
        """The predictor's own picture ``[H, W]`` of what belongs into the edit."""
        hidden = torch.from_numpy(share > HIDDEN_FROM)[None, None]
        shown = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None, None]
        with torch.inference_mode():
            painted = AutocastInferer()(
                torch.cat([shown.masked_fill(hidden, 0.0), hidden.float()], dim=1), self.predictor
            )
        return np.where(share > HIDDEN_FROM, painted[0, 0].float().numpy(), pixels).astype(
            np.float32
        )


class AlteredCrops(Dataset[Mapping[str, Any]]):
    """``pixels`` ``[S, S]`` in noise units, and ``label`` ``[3, S, S]``.

    Of the label: added noise, replaced content, 1 where a pixel counts. An index is a pair (epoch,
    number); it and the seed decide everything.
    """

    def __init__(self, genuine: Genuine, painters: Painters, size: int, seed: int) -> None:
        self.genuine, self.painters, self.size, self.seed = genuine, painters, size, seed
        self._bodies: dict[int, BoolImage] = {}

    def __getitem__(self, index: tuple[int, int]) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, *index])
        pixels, donor, above, scale, inside = self._material(rng)
        material = Material(
            *(pixels, donor, above, 1.0 / scale),
            *(self.painters.paint, self.painters.regenerators),
        )
        altered = alter(material, rng)
        label = np.concatenate([altered.label, (altered.counted & inside)[None]])
        return {Keys.PIXELS: altered.pixels.astype(np.float32), Keys.LABEL: label}

    def _material(
        self, rng: Generator
    ) -> tuple[FloatImage, FloatImage, FloatImage, float, BoolImage]:
        """A crop, one of elsewhere, that of the slice beside, noise scale, where the body is."""
        slices = self.genuine.slices
        number = self._number(rng)
        chosen, beside = slices[number], self._beside(number, rng)
        lender = self._number(rng) if rng.random() < OTHER_LENDER else number
        body = filled_up(self._body(number), self.size)
        window = place(body, self.size, rng)
        pixels, above = (
            filled_up(each[Keys.PIXELS], self.size)[window] for each in (chosen, beside)
        )
        donor = filled_up(slices[lender][Keys.PIXELS], self.size)[
            place(filled_up(self._body(lender), self.size), self.size, rng)
        ]
        pixels, above, donor, inside = turn(
            (pixels, above, donor, body[window]), int(rng.integers(8))
        )
        return pixels, donor, above, float(chosen[Keys.SCALE]), inside

    def _number(self, rng: Generator) -> int:
        return int(rng.choice(len(self.genuine.slices), p=self.genuine.chances))

    def _beside(self, number: int, rng: Generator) -> Mapping[str, Any]:
        """The slice before or after in the same series, itself where there is none."""
        slices = self.genuine.slices
        chosen = slices[number]
        near = [slices[other] for other in (number - 1, number + 1) if 0 <= other < len(slices)]
        fitting = [
            each
            for each in near
            if each.get(Keys.SERIES) == chosen.get(Keys.SERIES)
            and each[Keys.PIXELS].shape == chosen[Keys.PIXELS].shape
        ]
        return fitting[int(rng.integers(len(fitting)))] if fitting else chosen

    def _body(self, number: int) -> BoolImage:
        """Where the body is in a slice; kept, since it takes longer than the alteration."""
        if number not in self._bodies:
            one = self.genuine.slices[number]
            pixels, measured = one[Keys.PIXELS] * one[Keys.SCALE], one[Keys.MEASURED]
            inside: BoolImage = measured
            if measured.any():
                inside = measured & body_mask(pixels, measured, self.genuine.modality)
            self._bodies[number] = inside
        return self._bodies[number]


class EpochOfCrops(Sampler[tuple[int, int]]):
    """The indices of one epoch; ``epoch`` says of which, None: of none."""

    def __init__(self, crops: int) -> None:
        self.crops = crops
        self.epoch: int | None = None

    def __len__(self) -> int:
        return 0 if self.epoch is None else self.crops

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(self.epoch or 0, number) for number in range(len(self))])


class Maker:
    """Batches of altered crops, made by this process or by others.

    The other processes begin when this is made and end with ``close``; where the platform cannot
    fork a process, there are none. Make it in the main thread: a process that another thread forks
    does not end properly.

    Args:
        dataset: what is drawn.
        crops: how many for one epoch.
        workers: how many other processes.
    """

    def __init__(self, dataset: AlteredCrops, crops: int, workers: int) -> None:
        others = workers if FORK in multiprocessing.get_all_start_methods() else 0
        self._draws = EpochOfCrops(crops)
        self._loader: DataLoader[Mapping[str, Any]] | None = DataLoader(
            dataset,
            sampler=self._draws,
            batch_size=HEAD_BATCH,
            num_workers=others,
            collate_fn=_collated,
            persistent_workers=others > 0,
            multiprocessing_context=FORK if others else None,
            generator=torch.Generator(),  # another thread draws batches from the common one
        )
        iter(self._loader)

    def batches(self, epoch: int) -> Iterator[Mapping[str, torch.Tensor]]:
        """Those of one epoch, in order."""
        self._draws.epoch = epoch
        for batch in self._loader or ():
            yield {key: torch.from_numpy(images) for key, images in batch.items()}

    def close(self) -> None:
        """Ends the other processes."""
        self._loader = None


def _collated(crops: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Stacked as arrays and not as tensors, see ``dfd.bundle.batches.stacked``."""
    return {key: np.stack([crop[key] for crop in crops]) for key in (Keys.PIXELS, Keys.LABEL)}
