"""Trains the networks of ``dfd.bundle.networks.regenerator``, and paints with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import nn
from torch.nn import functional

from dfd.alterations.material import Paint
from dfd.bundle.networks.regenerator import (
    KINDS,
    Discriminator,
    Kind,
    Regenerator,
    ground_of,
    squashed,
)
from dfd.bundle.training.budget import Clock
from dfd.bundle.training.handlers import state_bytes
from dfd.outputs.files import write_atomically
from dfd.progress import Progress
from dfd.records import FloatImage

logger = logging.getLogger(__name__)

FILE = "regenerators.pt"
BATCH, RATE, BETAS = 16, 1e-3, (0.5, 0.99)
ADVERSARIAL_WEIGHT = 0.02
"""Of deceiving the discriminator, beside the difference of squashed contrasts."""
HOLE_PX = (6.0, 24.0)
"""Radii of what is hidden."""
NOISE = (0.2, 6.0)
"""Levels of noise that is taken away, in units of the noise scale."""
HIDDEN_FROM = 0.02
"""Share of an edit from which on a pixel is hidden."""
STRIDE = 8
"""Sides are filled up to multiples of this."""

Draw = Callable[[int, Generator], FloatImage]
"""(how many, generator) -> genuine crops ``[B, S, S]`` in noise units."""


@dataclass
class Regenerators:
    """The networks of one training run: trained once, and kept in its state folder.

    Args:
        folder: the state folder.
        steps: how many batches each network learns from; 0: there are none.
        seed: decides weights and crops.
        max_hours: of all of them together; None: no limit.
        device: on which they learn.
    """

    folder: str
    steps: int
    seed: int
    max_hours: float | None = None
    device: str | torch.device = "cpu"

    def painters(self, draw: Draw) -> tuple[Paint, ...]:
        """What each network draws; trains those that are not kept yet on crops of ``draw``."""
        file = Path(self.folder) / FILE
        if not self.steps:
            return ()
        kept = torch.load(file, map_location="cpu", weights_only=True) if file.exists() else []
        with torch.random.fork_rng(devices=[]):
            for number, kind in enumerate(KINDS[len(kept) :], start=len(kept)):
                torch.manual_seed(self.seed + number)
                network = Regenerator(kind)
                self._train(network.to(self.device), draw, number)
                kept.append(network.cpu().state_dict())
                Path(self.folder).mkdir(parents=True, exist_ok=True)
                write_atomically(file, state_bytes(kept))
        return _painters(kept)

    def kept_painters(self) -> tuple[Paint, ...]:
        """What the networks draw that were trained before; none where none were."""
        file = Path(self.folder) / FILE
        if not file.exists():
            return ()
        return _painters(torch.load(file, map_location="cpu", weights_only=True))

    def _train(self, network: Regenerator, draw: Draw, number: int) -> None:
        rng = np.random.default_rng([self.seed, number])
        noise = torch.Generator().manual_seed(self.seed + number)
        discriminator = Discriminator().to(self.device)
        own = torch.optim.AdamW(network.parameters(), RATE, betas=BETAS)
        other = torch.optim.AdamW(discriminator.parameters(), RATE, betas=BETAS)
        logger.info("training network %d of %d that draws crops anew", number + 1, len(KINDS))
        clock = Clock(None if self.max_hours is None else self.max_hours / len(KINDS))
        with Progress("batches", self.steps) as done:
            for _ in range(self.steps):
                if clock.over:
                    return
                contrast, shown = (
                    each.to(self.device)
                    for each in _batch(network.kind, draw(BATCH, rng), rng, noise)
                )
                drawn, genuine = squashed(network(shown)), squashed(contrast)
                loss = functional.l1_loss(drawn, genuine)
                if network.kind.adversarial:
                    loss = loss - ADVERSARIAL_WEIGHT * discriminator(drawn).mean()
                own.zero_grad()
                loss.backward()
                own.step()
                if network.kind.adversarial:
                    _learn_difference(discriminator, other, genuine, drawn.detach())
                done.update()


def _painters(kept: Sequence[Mapping[str, torch.Tensor]]) -> tuple[Paint, ...]:
    painters = []
    with torch.random.fork_rng(devices=[]):
        for kind, weights in zip(KINDS, kept, strict=False):
            network = Regenerator(kind)
            network.load_state_dict(weights)
            painters.append(_painter(network.eval()))
    return tuple(painters)


def _learn_difference(
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    genuine: torch.Tensor,
    drawn: torch.Tensor,
) -> None:
    """One step of the discriminator (hinge loss: Lim and Ye 2017, arXiv 1705.02894, section 3)."""
    loss = functional.relu(1.0 - discriminator(genuine)).mean()
    loss = loss + functional.relu(1.0 + discriminator(drawn)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _batch(
    kind: Kind, crops: FloatImage, rng: Generator, noise: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Contrast ``[B, 1, S, S]``, and what the network is shown ``[B, 3, S, S]``."""
    pixels = torch.from_numpy(np.ascontiguousarray(crops, dtype=np.float32))[:, None]
    contrast = pixels - ground_of(pixels)
    hidden = torch.zeros_like(contrast)
    if kind.hides:
        rows, columns = np.indices(crops.shape[1:])
        for image in hidden:
            row, column = rng.uniform(0.0, crops.shape[1], 2)
            near = np.hypot(rows - row, columns - column) < rng.uniform(*HOLE_PX)
            image[0] = torch.from_numpy(near)
    level = torch.zeros(len(crops), 1, 1, 1)
    if kind.steps:
        low, high = np.log(NOISE)
        level = torch.from_numpy(np.exp(rng.uniform(low, high, len(crops)))).float()
        level = level.view(-1, 1, 1, 1)
    noisy = contrast + level * torch.randn(contrast.shape, generator=noise)
    return contrast, _shown(noisy, hidden, level)


def _shown(contrast: torch.Tensor, hidden: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    visible = squashed(contrast) * (1.0 - hidden)
    return torch.cat([visible, hidden, squashed(level).expand_as(hidden)], dim=1)


def _painter(network: Regenerator) -> Paint:
    """The network as an alteration asks for it."""

    def paint(pixels: FloatImage, share: FloatImage) -> FloatImage:
        image = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None, None]
        height, width = image.shape[2:]
        filled = [0, (-width) % STRIDE, 0, (-height) % STRIDE]
        image = functional.pad(image, filled, mode="replicate")
        hidden = functional.pad(
            torch.from_numpy((share > HIDDEN_FROM).astype(np.float32))[None, None], filled
        )
        ground = ground_of(image)
        with torch.inference_mode():
            drawn = ground + _drawn(network, image - ground, hidden * float(network.kind.hides))
        return np.asarray(drawn[0, 0, :height, :width].numpy(), dtype=np.float32)

    return paint


def _drawn(network: Regenerator, contrast: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """In one step, or in several.

    Each with less noise (Song, Meng and Ermon 2021, arXiv 2010.02502, equation 12, none added).
    """
    kind, none = network.kind, torch.zeros(1, 1, 1, 1)
    if not kind.steps:
        return torch.as_tensor(network(_shown(contrast, hidden, none)))
    # The picture itself decides how much noise it is given and in how many steps that goes.
    draws = np.random.default_rng(int(contrast.abs().sum().item() * 1e3) % 2**31)
    levels = np.geomspace(draws.uniform(1.0, NOISE[1]), NOISE[0], draws.integers(1, kind.steps + 1))
    field = torch.from_numpy(draws.normal(size=contrast.shape)).float()
    state = contrast + float(levels[0]) * field
    drawn = state
    for number, level in enumerate(levels):
        drawn = network(_shown(state, hidden, none + float(level)))
        following = float(levels[number + 1]) if number + 1 < len(levels) else 0.0
        state = drawn + following / float(level) * (state - drawn)
    return drawn


def crops_from(slices: Sequence[FloatImage], chances: FloatImage, size: int) -> Draw:
    """Draws windows of ``slices`` ``[H, W]``, each in proportion to its chance."""

    def draw(count: int, rng: Generator) -> FloatImage:
        windows = []
        for _ in range(count):
            image = slices[int(rng.choice(len(slices), p=chances))]
            top, left = (int(rng.integers(0, side - size + 1)) for side in image.shape)
            windows.append(image[top : top + size, left : left + size])
        return np.stack(windows)

    return draw
