"""The network: shapes, what it may see, how it scales, and that it can be exported."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable

import pytest
import torch

from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.prediction.masks import lattice
from dfd.prediction.network import (
    LOG_SPREAD_RANGE,
    POOLS,
    InpaintingNetwork,
    ground_value,
    shipped_network,
)

SHIPPED = {"channels": (32, 48, 64, 96), "filters": 12, "filter_size": 7, "num_res_units": 2}
NARROWER = {**SHIPPED, "channels": (16, 24, 32, 48), "head": "context"}


@pytest.fixture
def network() -> MaskedPredictor:
    return MaskedPredictor(channels=(4, 6, 8, 8), filters=3, num_res_units=1).eval()


def shown(height: int, width: int, phase: int = 0, batch: int = 1) -> torch.Tensor:
    hidden = torch.from_numpy(lattice(height, width, phase)).float().expand(batch, 1, -1, -1)
    pixels = (4.0 + torch.randn(batch, 1, height, width)) * (1 - hidden)
    return torch.cat([pixels, hidden], dim=1)


@pytest.mark.parametrize("size", [(17, 17), (64, 48), (9, 33), (8, 8), (1, 1), (3, 130)])
def test_the_output_has_the_size_of_the_input(
    network: MaskedPredictor, size: tuple[int, int]
) -> None:
    with torch.no_grad():
        out = network(shown(*size, batch=2))
    assert out.shape == (2, 2, *size)
    assert torch.isfinite(out).all()


def weights_of(network: torch.nn.Module) -> int:
    return sum(each.numel() for each in network.parameters() if each.requires_grad)


def test_the_shipped_network_is_the_one_of_the_weights() -> None:
    network = MaskedPredictor(**SHIPPED)
    assert network.state_dict().keys() == MaskedPredictor().state_dict().keys()
    names = list(network.state_dict())
    assert names[0] == "basis.weight"
    assert all(name.startswith(("basis.", "backbone.model.", "head.")) for name in names)
    assert network.stride == 8
    assert weights_of(network) == 433_916
    assert weights_of(MaskedPredictor(**NARROWER)) == 112_932
    for kind, weights in ((SHIPPED, 42_850), (NARROWER, 253_010)):
        head = MaskedPredictor(**kind).head
        assert sum(parameter.numel() for parameter in head.parameters()) == weights
    assert list(network.state_dict()["basis.weight"].shape) == [12, 1, 7, 7]


@pytest.mark.parametrize("kind", [MaskedPredictor, shipped_network])
def test_weights_of_another_width_bring_their_own_network(
    kind: Callable[..., InpaintingNetwork],
) -> None:
    torch.manual_seed(3)
    narrower = kind(**NARROWER).eval()
    network = kind().eval()
    network.load_state_dict(narrower.state_dict())
    image = shown(40, 56)
    with torch.no_grad():
        assert torch.equal(network(image), narrower(image))
    assert not network.backbone.training
    assert not network.head.training
    deeper = kind(channels=(4, 6, 8, 8, 10), head="dilated").eval()
    network.load_state_dict(deeper.state_dict())
    assert network.stride == deeper.stride == 16
    with torch.no_grad():
        assert torch.equal(network(image), deeper(image))


def test_a_network_can_be_sent_to_another_process() -> None:
    network = MaskedPredictor(channels=(4, 6, 8, 8), filters=3, num_res_units=1)
    again = pickle.loads(pickle.dumps(network))
    assert again.state_dict().keys() == network.state_dict().keys()


def test_what_lies_under_the_mask_changes_nothing_in_what_is_predicted_there(
    network: MaskedPredictor,
) -> None:
    """The contract is a zero under the mask.

    The ground value and the filters ignore what stands there all the same.
    """
    given = shown(32, 32)
    hidden = given[:, 1:] == 1
    other = given.clone()
    other[:, :1][hidden] = 77.0
    seen = 1 - given[:, 1:]
    assert torch.equal(ground_value(given[:, :1], seen), ground_value(other[:, :1], seen))
    with torch.no_grad():
        assert torch.equal(network(given), network(other))


def test_a_visible_pixel_does_matter(network: MaskedPredictor) -> None:
    given = shown(32, 32)
    other = given.clone()
    row, column = (given[0, 1] == 0).nonzero()[200].tolist()
    other[0, 0, row, column] += 3.0
    with torch.no_grad():
        assert not torch.equal(network(given), network(other))


def test_pixels_beyond_the_receptive_field_change_nothing() -> None:
    network = MaskedPredictor(**SHIPPED).eval()
    given = shown(184, 168)
    other = given.clone()
    other[:, 0, :, 88:] += 5.0 * (1 - given[:, 1, :, 88:])
    with torch.no_grad():
        before, after = network(given), network(other)
    assert torch.equal(before[..., :24], after[..., :24])
    assert not torch.equal(before[..., 60:80], after[..., 60:80])


def test_a_shift_by_the_stride_shifts_the_answer(network: MaskedPredictor) -> None:
    """Stride 8 and lattice 5: forty pixels bring both back to their beginning."""
    wide = shown(48, 160)
    with torch.no_grad():
        one, two = network(wide[..., :120]), network(wide[..., 40:])
    torch.testing.assert_close(one[..., 80:84], two[..., 40:44], atol=1e-4, rtol=1e-4)


def test_the_linear_branch_scales_with_its_input(network: MaskedPredictor) -> None:
    """With a backbone that answers the same whatever it sees.

    Twice the image gives twice the mean.
    """
    with torch.no_grad():
        # A constant blend of the filters, and no offset of its own.
        network.backbone.forward = lambda features: torch.cat(
            [torch.full_like(features, 0.5), torch.zeros_like(features[:, :2])], dim=1
        )
        given = shown(40, 40)
        double = given.clone()
        double[:, :1] *= 2
        one, two = network(given), network(double)
    torch.testing.assert_close(two[:, 0], 2 * one[:, 0])
    assert one[:, 0].abs().max() > 0


def test_an_even_image_is_predicted_from_its_own_level() -> None:
    seen = 1 - torch.from_numpy(lattice(40, 40, 2)).float()[None, None]
    image = torch.full((1, 1, 40, 40), 7.5) * seen
    torch.testing.assert_close(ground_value(image, seen), torch.full((1, 1, 40, 40), 7.5))


@pytest.mark.parametrize("radius", [1, 6, 20, 60])
def test_the_ground_of_a_hole_is_taken_from_around_it(radius: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij")
    seen = ((rows - 100) ** 2 + (columns - 100) ** 2 > radius**2).float()[None, None]
    image = torch.full((1, 1, 200, 200), 3.0) * seen
    torch.testing.assert_close(ground_value(image, seen), torch.full((1, 1, 200, 200), 3.0))


def test_the_ground_of_a_small_hole_is_taken_from_near_by() -> None:
    rows, columns = torch.meshgrid(torch.arange(192), torch.arange(192), indexing="ij")
    seen = ((rows - 100) ** 2 + (columns - 60) ** 2 > 6**2).float()[None, None]
    image = torch.where(columns < 90, 2.0, 50.0)[None, None] * seen
    torch.testing.assert_close(
        ground_value(image, seen)[0, 0, 94:107, 54:67], torch.full((13, 13), 2.0)
    )


def test_where_nothing_is_visible_the_ground_is_zero() -> None:
    nothing = torch.zeros(1, 1, 2 * POOLS[-1], 2 * POOLS[-1])
    assert (ground_value(nothing, nothing) == 0).all()


def test_log_spread_stays_within_its_bounds() -> None:
    assert LOG_SPREAD_RANGE == (-5.0, 6.0)
    network = MaskedPredictor(channels=(4, 6), filters=2, num_res_units=1).eval()
    given = shown(24, 24)
    for answer, bound in zip((-1e6, 1e6), LOG_SPREAD_RANGE, strict=True):
        network.backbone.forward = lambda features, answer=answer: torch.full(
            (1, 4, *features.shape[-2:]), answer
        )
        assert (network(given)[:, 1] == bound).all()


@pytest.mark.parametrize("size", [(40, 40), (17, 23)])
def test_a_scripted_network_gives_the_same(network: MaskedPredictor, size: tuple[int, int]) -> None:
    scripted = torch.jit.script(network)
    given = shown(*size)
    hole = given.clone()
    hole[:, 1, 4:14, 4:14], hole[:, 0, 4:14, 4:14] = 1.0, 0.0
    with torch.no_grad():
        torch.testing.assert_close(scripted(given), network(given))
        torch.testing.assert_close(scripted(hole), network(hole))


def test_a_traced_network_gives_the_same_on_other_sizes(network: MaskedPredictor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(network, shown(40, 40))
    with torch.no_grad():
        given = shown(64, 48, phase=1)
        torch.testing.assert_close(traced(given), network(given))


def test_training_moves_every_parameter(network: MaskedPredictor) -> None:
    network.train()
    network(shown(32, 32)).square().mean().backward()
    trained = [
        (name, parameter)
        for name, parameter in network.named_parameters()
        if not name.startswith("head.")
    ]
    still = [
        name
        for name, parameter in trained
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert still == []
