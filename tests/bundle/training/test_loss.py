"""Masked likelihood against PyTorch's own and against plain sums."""

from __future__ import annotations

import math

import pytest
import torch

from dfd.bundle.batches import prediction_and_label
from dfd.bundle.training.loss import MaskedLikelihood, MaskedLikelihoodLoss, masked_nll


def example(batch: int = 3, size: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    prediction = torch.randn(batch, 2, size, size)
    label = torch.stack(
        [torch.randn(batch, size, size) * 2, (torch.rand(batch, size, size) < 0.3).float()], dim=1
    )
    return prediction, label


def test_the_loss_is_the_gaussian_likelihood_of_the_counted_pixels() -> None:
    prediction, label = example()
    counted = label[:, 1] == 1
    peer = torch.nn.GaussianNLLLoss(reduction="mean")
    wanted = peer(
        prediction[:, 0][counted], label[:, 0][counted], torch.exp(2 * prediction[:, 1][counted])
    )
    torch.testing.assert_close(MaskedLikelihoodLoss()(prediction, label), wanted)


def test_pixels_that_do_not_count_do_not_matter() -> None:
    prediction, label = example()
    other, wrong = prediction.clone(), label.clone()
    blind = label[:, 1:] == 0
    other[blind.expand_as(other)] = 50.0
    wrong[:, :1][blind] = -1e4
    loss = MaskedLikelihoodLoss()
    assert loss(prediction, label) == loss(other, wrong)


def test_the_best_spread_is_the_true_one() -> None:
    target = torch.randn(1, 1, 100, 100) * 3
    label = torch.cat([target, torch.ones_like(target)], dim=1)
    losses = {}
    for spread in (1.5, 3.0, 6.0):
        prediction = torch.cat(
            [torch.zeros_like(target), torch.full_like(target, math.log(spread))], dim=1
        )
        losses[spread] = float(MaskedLikelihoodLoss()(prediction, label))
    assert min(losses, key=losses.get) == 3.0


def test_sums_hold_the_energy_and_the_count() -> None:
    prediction, label = example()
    _, energy, count = masked_nll(prediction, label)
    z = (label[:, 0] - prediction[:, 0]) / torch.exp(prediction[:, 1])
    torch.testing.assert_close(energy, (z**2 * label[:, 1]).sum())
    assert count == label[:, 1].sum()


def test_a_crop_without_measured_pixel_costs_nothing() -> None:
    prediction, label = example()
    prediction.requires_grad_(True)
    label[:, 1] = 0
    loss = MaskedLikelihoodLoss()(prediction, label)
    loss.backward()
    assert loss == 0
    assert (prediction.grad == 0).all()


def test_half_precision_is_summed_in_full() -> None:
    prediction, label = example()
    half = masked_nll(prediction.bfloat16(), label)
    assert half[0].dtype == torch.float32
    torch.testing.assert_close(half[0], masked_nll(prediction.bfloat16().float(), label)[0])


def test_the_metric_pools_pixels_not_batches() -> None:
    first, second = example(batch=4), example(batch=1)
    second[1][:, 1] = 1.0
    metric = MaskedLikelihood(output_transform=prediction_and_label)
    for prediction, label in (first, second):
        metric.update((prediction, label))
    sums = [masked_nll(*each) for each in (first, second)]
    wanted = (sums[0][0] + sums[1][0]) / (sums[0][2] + sums[1][2])
    assert metric.compute() == pytest.approx(float(wanted), rel=1e-5)
    metric.reset()
    assert metric.compute() == 0.0
