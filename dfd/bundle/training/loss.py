"""The training losses of predictor and head, and the metrics that validate by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced, sync_all_reduce
from torch import nn
from torch.nn import functional

EDITED_WEIGHTS = (6.0, 3.0)
"""What an edited cell weighs against a genuine one, by form: edits are small, and noise is added
more seldom."""


def masked_nll(
    prediction: torch.Tensor, label: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sums over hidden, measured pixels.

    Gaussian negative log-likelihood (nats, without the constant), energy of z, number of pixels.

    ``prediction`` is ``[B, 2, H, W]`` (mean, log-spread), ``label`` is ``[B, 2, H, W]`` (true
    value, 1 where the pixel counts).
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


def head_loss_terms(
    log_odds: torch.Tensor, label: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over counted cells: weighted cross-entropy of both forms (nats), number of cells.

    ``log_odds`` is ``[B, 2, H / 2, W / 2]``, ``label`` is ``[B, 3, H, W]`` (added noise, replaced
    content, 1 where a pixel counts). A cell of two by two pixels counts where all of it does and
    lies wholly within or without the edit.
    """
    cells = functional.avg_pool2d(label.float(), 2)
    edited, counted = cells[:, :2], cells[:, 2:]
    clear = ((edited < 0.1) | (edited > 0.9)).float() * (counted > 0.9).float()
    weights = torch.tensor(EDITED_WEIGHTS, device=log_odds.device).view(1, 2, 1, 1)
    loss = functional.binary_cross_entropy_with_logits(
        log_odds.float(), (edited > 0.5).float(), pos_weight=weights, reduction="none"
    )
    return (loss * clear).sum(), clear.sum()


class HeadLoss(nn.Module):
    """Mean weighted cross-entropy per counted cell and form."""

    def forward(self, log_odds: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        loss, count = head_loss_terms(log_odds, label)
        return loss / count.clamp_min(1.0)


class Pooled(Metric):
    """Ignite metric: a sum of ``terms`` over a count of them.

    Pooled over all batches and processes; lower is better.
    """

    def __init__(
        self,
        terms: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]] = head_loss_terms,
        output_transform: Any = lambda output: output,
        device: str | torch.device = "cpu",
    ) -> None:
        self.terms = terms
        super().__init__(output_transform=output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        self._sum = torch.zeros((), dtype=torch.float64, device=self._device)
        self._count = torch.zeros((), dtype=torch.float64, device=self._device)

    @reinit__is_reduced
    def update(self, output: Sequence[Any]) -> None:
        for prediction, label in zip(output[0], output[1], strict=True):
            total, *_, count = self.terms(prediction[None], label[None])
            self._sum += total.double().to(self._device)
            self._count += count.double().to(self._device)

    @sync_all_reduce("_sum", "_count")
    def compute(self) -> float:
        return float((self._sum / self._count.clamp_min(1.0)).item())


class MaskedLikelihood(Pooled):
    """``masked_nll`` pooled: nats per hidden pixel in units of the noise scale."""

    def __init__(
        self, output_transform: Any = lambda output: output, device: str | torch.device = "cpu"
    ) -> None:
        super().__init__(masked_nll, output_transform, device)
