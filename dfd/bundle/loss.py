"""Masked likelihood: the training loss and the validation metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce
from torch import nn


def masked_nll(prediction: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sums over hidden, measured pixels: Gaussian negative log-likelihood (nats, without the constant), energy of z, number of pixels.

    ``prediction`` is ``[B, 2, H, W]`` (mean, log-spread), ``label`` is ``[B, 2, H, W]`` (true value, 1 where the pixel counts).
    """
    prediction, label = prediction.float(), label.float()
    target, counted = label[:, :1], label[:, 1:]
    log_spread = prediction[:, 1:]
    energy = ((target - prediction[:, :1]) * torch.exp(-log_spread)) ** 2
    return ((0.5 * energy + log_spread) * counted).sum(), (energy * counted).sum(), counted.sum()


class MaskedLikelihoodLoss(nn.Module):
    """Mean negative log-likelihood per hidden, measured pixel (Nix and Weigend 1994, eq. 3)."""

    def forward(self, prediction: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        nll, _, count = masked_nll(prediction, label)
        return nll / count.clamp_min(1.0)


class MaskedLikelihood(Metric):
    """Ignite metric, pooled over pixels of all batches and processes: lower is better, nats per pixel in units of the noise scale."""

    def __init__(self, output_transform: Any = lambda output: output, device: str | torch.device = "cpu") -> None:
        super().__init__(output_transform=output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        self._nll = torch.zeros((), dtype=torch.float64, device=self._device)
        self._count = torch.zeros((), dtype=torch.float64, device=self._device)

    @reinit__is_reduced
    def update(self, output: Sequence[Any]) -> None:
        for prediction, label in zip(output[0], output[1], strict=True):
            nll, _, count = masked_nll(prediction[None], label[None])
            self._nll += nll.double().to(self._device)
            self._count += count.double().to(self._device)

    @sync_all_reduce("_nll", "_count")
    def compute(self) -> float:
        return float((self._nll / self._count.clamp_min(1.0)).item())
