"""Inferers: reduced precision for training, the lattice for scoring."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dfd.bundle.inference.inferer import AutocastInferer, LatticeInferer, as_prediction, as_tensor
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.modalities import MODALITIES
from dfd.prediction.predict import predict_slice


@pytest.fixture
def network() -> MaskedPredictor:
    return MaskedPredictor(channels=(4, 6, 8, 8), filters=3, num_res_units=1).eval()


def slices(count: int = 2) -> torch.Tensor:
    rng = np.random.default_rng(3)
    return torch.from_numpy((400.0 + rng.normal(0, 12.0, (count, 1, 48, 56))).astype(np.float32))


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_lattice_predicts_every_slice_of_a_batch(
    network: MaskedPredictor, modality: str
) -> None:
    given = slices()
    given[0, 0, :, :8] = torch.nan
    answer = LatticeInferer(modality)(given, network)
    assert answer.shape == (2, 7, 48, 56)
    assert answer.dtype == torch.float32
    for image, planes in zip(given, answer, strict=True):
        alone = predict_slice(image[0], network, MODALITIES[modality])
        assert torch.equal(planes, as_tensor(alone))
    assert (answer[0, 3, :, :8] == 0).all()


def test_a_prediction_survives_the_way_through_tensors(network: MaskedPredictor) -> None:
    before = predict_slice(slices()[0, 0], network, MODALITIES["ct_lung"])
    after = as_prediction(as_tensor(before))
    for name in ("mean", "spread", "z", "assessed"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.assessed.dtype == bool
    assert after.noise_scale == before.noise_scale
    np.testing.assert_array_equal(after.log_odds, before.log_odds)
    assert after.log_odds.shape == (2, 48, 56)


def test_a_network_without_a_head_gives_no_log_odds(network: MaskedPredictor) -> None:
    prediction = predict_slice(slices()[0, 0], lambda shown: network(shown), MODALITIES["ct_lung"])
    assert prediction.log_odds is None
    assert as_tensor(prediction).shape == (5, 48, 56)
    assert as_prediction(as_tensor(prediction)).log_odds is None


def test_reduced_precision_is_close_and_comes_back_as_float() -> None:
    linear = torch.nn.Conv2d(1, 2, 3)
    given = torch.randn(2, 1, 16, 16)
    exact, rough = (
        AutocastInferer(enabled=False)(given, linear),
        AutocastInferer(enabled=True)(given, linear),
    )
    assert torch.equal(exact, linear(given))
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.05, rtol=0.05)
    assert not torch.equal(rough, exact)


def test_reduced_precision_can_be_trained_in() -> None:
    linear = torch.nn.Conv2d(1, 2, 3)
    AutocastInferer(enabled=True)(torch.randn(2, 1, 16, 16), linear).sum().backward()
    assert linear.weight.grad.abs().sum() > 0


def test_by_default_the_processor_decides() -> None:
    assert AutocastInferer().enabled == torch.cpu._is_avx512_bf16_supported()
