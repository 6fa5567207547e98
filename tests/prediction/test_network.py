"""The core's network is the bundles' one, weight by weight and bit by bit."""

from __future__ import annotations

import json

import pytest
import torch

from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.model_paths import bundle_dir, bundle_names
from dfd.models import model_file
from dfd.prediction.network import shipped_network
from dfd.scoring.configuration import INFERENCE

SMALL = {"channels": (4, 6, 8), "filters": 3, "filter_size": 5, "num_res_units": 1}


def pair(**changed: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The core's network and MONAI's, from one seed."""
    made = []
    for kind in (shipped_network, MaskedPredictor):
        torch.manual_seed(3)
        made.append(kind(**changed).eval())  # type: ignore[arg-type]
    return made[0], made[1]


def slices(*shape: int) -> torch.Tensor:
    """Noise of which a fifth is hidden, ``[2, 2, H, W]``."""
    draw = torch.Generator().manual_seed(1)
    hidden = (torch.rand(2, 1, *shape, generator=draw) < 0.2).float()
    return torch.cat([9.0 * torch.randn(2, 1, *shape, generator=draw) * (1.0 - hidden), hidden], 1)


@pytest.mark.parametrize("changed", [{}, SMALL], ids=["shipped", "small"])
def test_one_seed_gives_one_state_dict(changed: dict[str, object]) -> None:
    own, monai = (network.state_dict() for network in pair(**changed))
    assert list(own) == list(monai)
    assert all(torch.equal(own[name], monai[name]) for name in own)


@pytest.mark.parametrize("shape", [(64, 64), (41, 90)])
@pytest.mark.parametrize("bundle", bundle_names())
def test_shipped_weights_give_the_same_bits(bundle: str, shape: tuple[int, int]) -> None:
    own, monai = pair()
    model = model_file.load(bundle_dir(bundle))
    for network in (own, monai):
        model_file.put_into(network, model, bundle)
    with torch.inference_mode():
        assert torch.equal(own(slices(*shape)), monai(slices(*shape)))


def test_another_size_gives_the_same_bits() -> None:
    own, monai = pair(**SMALL)
    with torch.inference_mode():
        assert torch.equal(own(slices(33, 47)), monai(slices(33, 47)))


@pytest.mark.parametrize("bundle", bundle_names())
def test_the_core_builds_what_the_configuration_names(bundle: str) -> None:
    text = (bundle_dir(bundle) / INFERENCE).read_text(encoding="utf-8")
    named = {
        name: value
        for name, value in json.loads(text)["network_def"].items()
        if not name.startswith("_")
    }
    own, asked = shipped_network().state_dict(), shipped_network(**named).state_dict()
    assert {name: value.shape for name, value in own.items()} == {
        name: value.shape for name, value in asked.items()
    }
