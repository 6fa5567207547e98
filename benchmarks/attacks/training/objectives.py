"""The objective of each attack's network: what one step of training does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks import adversarial, diffusion, networks
from benchmarks.attacks.training.loop import DEVICE

RATE, BETAS = 1e-3, (0.5, 0.999)
"""Adam as Isola et al. 2017 use it, faster because the time is short."""
L1_WEIGHT = 20.0
"""Against the critic's loss; 100 in Isola et al., where noise is no part of the likeness."""
DIFFUSION_RATE, CODING_RATE = 2e-3, 2e-3
DIVERGENCE_WEIGHT = 1e-5
"""So little that codes stay sharp; it only keeps them from growing without bound."""
CLASSIFIER_BATCH = 32
"""Crops in a step of the classifier."""
SHARE_WITHOUT_CRITIC = 0.15
"""Share of the time in which a painter learns without its critic."""

Images = NDArray[np.float32]
Draw = Callable[[np.random.Generator], tuple[Images, Images, Images]]
"""Target, hole and wanted shape, each ``[B, ...]``."""


class InpaintingObjective:
    """A conditional painter and its critic.

    L1 in the hole (Isola et al. 2017) and a least-squares adversary (Mao et al. 2017).
    """

    output_network = "painter"

    def __init__(self, dimensions: int, draw: Draw, l1_weight: float = L1_WEIGHT) -> None:
        self.draw, self.l1_weight = draw, l1_weight
        parts: Mapping[str, torch.nn.Module] = {
            "painter": networks.painter(dimensions),
            "critic": networks.Critic(dimensions),
        }
        self.networks: Mapping[str, torch.nn.Module] = {
            name: network.to(DEVICE) for name, network in parts.items()
        }
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(network.parameters(), lr=RATE, betas=BETAS)
            for name, network in self.networks.items()
        }
        self.shrink = {2: torch.nn.functional.avg_pool2d, 3: torch.nn.functional.avg_pool3d}[
            dimensions
        ]

    def step(self, share: float, rng: np.random.Generator) -> dict[str, float]:
        """One step of both."""
        target, hole, shape = (_tensor(image) for image in self.draw(rng))
        noise = _on_device(rng.normal(size=tuple(target.shape)))
        painted = self.networks["painter"](
            torch.cat([target * (1 - hole), hole, noise, shape], dim=1)
        )
        painted = hole * painted + (1 - hole) * target
        weight = self.shrink(hole, 4)
        likeness = (painted - target).abs().sum() / hole.sum()
        loss, losses = self.l1_weight * likeness, {"l1": _number(likeness)}
        critic = self.networks["critic"]
        if share > SHARE_WITHOUT_CRITIC:
            fooled = (weight * (critic(painted, hole) - 1) ** 2).sum() / weight.sum()
            loss, losses["fooled"] = loss + fooled, _number(fooled)
        self._descend("painter", loss)
        critic_loss = weight * (
            (critic(target, hole) - 1) ** 2 + critic(painted.detach(), hole) ** 2
        )
        critic_loss = critic_loss.sum() / weight.sum()
        self._descend("critic", critic_loss)
        return {**losses, "told": _number(critic_loss)}

    def _descend(self, name: str, loss: torch.Tensor) -> None:
        for network in self.networks.values():
            network.zero_grad()
        _descend(self.networks[name], self.optimizers[name], loss)


class _OneNetwork:
    """An objective of one network."""

    output_network = "network"

    def __init__(self, network: torch.nn.Module, rate: float) -> None:
        self.network = network.to(DEVICE)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        self.networks: Mapping[str, torch.nn.Module] = {"network": network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"network": self.optimizer}


class DiffusionObjective(_OneNetwork):
    """The velocity of a diffusion in the hole, mean squared error (Salimans and Ho 2022)."""

    def __init__(self, draw: Draw) -> None:
        super().__init__(networks.denoiser(), DIFFUSION_RATE)
        self.draw = draw

    def step(self, share: float, rng: np.random.Generator) -> dict[str, float]:
        """One step."""
        target, hole, _ = (_tensor(image) for image in self.draw(rng))
        target = target - ((1 - hole) * target).sum(dim=(1, 2, 3), keepdim=True) / (1 - hole).sum(
            dim=(1, 2, 3), keepdim=True
        )
        noise = _on_device(rng.normal(size=tuple(target.shape)))
        time = _on_device(rng.uniform(0.0, 1.0, (len(target), 1, 1, 1))) ** diffusion.POWER
        of_image, of_noise = diffusion.levels(time)
        speed = diffusion.velocity(
            self.network, of_image * target + of_noise * noise, target * (1 - hole), hole, time
        )
        loss = (hole * (speed - (of_image * noise - of_noise * target)) ** 2).sum() / hole.sum()
        self.network.zero_grad()
        _descend(self.network, self.optimizer, loss)
        return {"error": _number(loss)}


class AutoencoderObjective(_OneNetwork):
    """A variational autoencoder.

    L1 and a little Kullback-Leibler divergence (Kingma and Welling 2014, appendix B).
    """

    def __init__(self, draw: Draw) -> None:
        super().__init__(networks.autoencoder(), CODING_RATE)
        self.draw = draw

    def step(self, share: float, rng: np.random.Generator) -> dict[str, float]:
        """One step."""
        image = _tensor(self.draw(rng)[0])
        again, mean, deviation = self.network(image)
        likeness = (again - image).abs().mean()
        divergence = 0.5 * (mean**2 + deviation**2 - 2.0 * torch.log(deviation) - 1.0).mean()
        self.network.zero_grad()
        _descend(self.network, self.optimizer, likeness + DIVERGENCE_WEIGHT * divergence)
        return {"l1": _number(likeness), "divergence": _number(divergence)}


class ClassifierObjective(_OneNetwork):
    """Blob at the centre or not: binary cross-entropy."""

    def __init__(self, images: Images, labels: NDArray[np.bool_]) -> None:
        super().__init__(networks.classifier(), RATE)
        self.images, self.labels = images, labels

    def step(self, share: float, rng: np.random.Generator) -> dict[str, float]:
        """One step."""
        indices = rng.integers(0, len(self.images), CLASSIFIER_BATCH)
        labels = _on_device(self.labels[indices])
        odds = self.network(_tensor(self.images[indices]).clamp(*adversarial.SEEN))[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, labels)
        self.network.zero_grad()
        _descend(self.network, self.optimizer, loss)
        return {
            "entropy": _number(loss),
            "right": _number(((odds > 0) == (labels > 0)).float().mean()),
        }


def _tensor(images: Images) -> torch.Tensor:
    """``[B, ...]`` -> ``[B, 1, ...]``."""
    return torch.from_numpy(np.array(images[:, None])).to(DEVICE)


def _on_device(values: NDArray[Any]) -> torch.Tensor:
    """The same numbers as float32 where the networks are."""
    return torch.from_numpy(values.astype(np.float32)).to(DEVICE)


def _number(value: torch.Tensor) -> float:
    return float(value.detach())


def _descend(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor
) -> None:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
