"""The head: shape, sight, and that it learns what the pool teaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from dfd.bundle.datalists import HEAD_BATCH, HEAD_CROPS_PER_EPOCH, MOST_HEAD_CROPS, head_crops
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training.loss import HeadLoss, MaskedLikelihood, Pooled, head_loss_terms
from dfd.bundle.training.residual_dataset import ResidualDataset
from dfd.prediction.residual_head import TamperHead
from dfd.prediction.residual_maps import MAPS


@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (2, 2)])
def test_answers_stand_on_a_grid_of_half_the_size(shape: tuple[int, int]) -> None:
    answer = TamperHead()(torch.randn(2, len(MAPS), *shape))
    assert answer.shape == (2, 2, -(-shape[0] // 2), -(-shape[1] // 2))


def test_it_sees_thirty_pixels_around_and_no_farther() -> None:
    torch.manual_seed(0)
    head, maps = TamperHead(), torch.randn(1, len(MAPS), 160, 160)
    far, near = maps.clone(), maps.clone()
    far[0, :, 80, 140] += 5.0
    near[0, :, 80, 100] += 5.0
    with torch.no_grad():
        before = head(maps)[0, :, 40, 40]
        assert torch.equal(head(far)[0, :, 40, 40], before)
        assert not torch.equal(head(near)[0, :, 40, 40], before)


def test_the_predictor_does_not_train_its_head() -> None:
    network = MaskedPredictor(channels=(4, 6, 8, 8), filters=3)
    network(torch.rand(1, 2, 32, 32)).sum().backward()
    assert all(
        parameter.grad is None and not parameter.requires_grad
        for parameter in network.head.parameters()
    )
    assert all(parameter.requires_grad for parameter in network.backbone.parameters())


def test_the_loss_counts_clear_cells_only() -> None:
    log_odds = torch.zeros(1, 2, 2, 2)
    label = torch.zeros(1, 3, 4, 4)
    label[:, 2] = 1.0
    label[0, 0, 0, 0] = 1.0  # a quarter of the first cell: neither side
    label[0, 2, 2:, 2:] = 0.0  # the last cell does not count
    loss, count = head_loss_terms(log_odds, label)
    assert count == 2 * 4 - 2 - 1
    assert loss == pytest.approx(5 * np.log(2.0))
    assert HeadLoss()(log_odds, label) == pytest.approx(np.log(2.0))


def test_missed_edits_weigh_more_than_false_alarms() -> None:
    label = torch.zeros(1, 3, 4, 4)
    label[:, 2] = 1.0
    missed = label.clone()
    missed[:, 0] = 1.0
    sure_it_is_genuine = torch.full((1, 2, 2, 2), -3.0)
    assert HeadLoss()(sure_it_is_genuine, missed) > 2.9 * HeadLoss()(-sure_it_is_genuine, label)


def test_metrics_pool_over_batches() -> None:
    metric, batches = (
        Pooled(),
        [(torch.randn(3, 2, 4, 4), (torch.rand(3, 3, 8, 8) > 0.3).float()) for _ in range(2)],
    )
    for batch in batches:
        metric.update(batch)
    log_odds, labels = (torch.cat(each) for each in zip(*batches, strict=True))
    loss, count = head_loss_terms(log_odds, labels)
    assert metric.compute() == pytest.approx(float(loss / count), rel=1e-5)
    assert isinstance(MaskedLikelihood(), Pooled)


@pytest.mark.parametrize(
    ("slices", "epochs", "wanted"),
    [(150, 100, 4800), (150, 1, HEAD_CROPS_PER_EPOCH), (1, 100, 32), (1000, 1000, MOST_HEAD_CROPS)],
)
def test_a_short_run_makes_few_crops(slices: int, epochs: int, wanted: int) -> None:
    assert head_crops([{}] * slices, epochs) == wanted
    assert wanted % HEAD_BATCH == 0


def slices(count: int = 3, side: int = 80) -> list[dict[str, object]]:
    rng = np.random.default_rng(4)
    made = []
    for number in range(count):
        pixels = (10.0 + 1.5 * gaussian_filter(rng.normal(size=(side, side)), 0.6)).astype(
            np.float32
        )
        made.append(
            {
                "pixels": pixels,
                "measured": np.ones((side, side), bool),
                "scale": 10.0,
                "series": number // 2,
            }
        )
    return made


def pool(network: MaskedPredictor, crops: int = 20, side: int = 80) -> ResidualDataset:
    given = slices(side=side)
    return ResidualDataset(
        given, [1.0] * len(given), network, "ct_lung", {"crops": crops, "size": 64, "seed": 7}
    )


@pytest.fixture
def network() -> MaskedPredictor:
    torch.manual_seed(1)
    return MaskedPredictor(channels=(4, 6, 8, 8), filters=3, num_res_units=1)


def test_the_pool_holds_maps_and_labels(network: MaskedPredictor) -> None:
    made = pool(network)
    assert len(made) == 20
    assert not made.maps  # made when first asked for: the predictor is trained by then
    one = made[3]
    assert one["image"].shape == (len(MAPS), 64, 64)
    assert one["label"].shape == (3, 64, 64)
    assert torch.isfinite(one["image"]).all()
    assert set(one["label"].unique().tolist()) <= {0.0, 1.0}
    assert len(made.maps) == len(made.labels) == 20
    assert network.training
    edited = [bool(made[number]["label"][:2].any()) for number in range(20)]
    assert 8 < sum(edited) < 20


def test_the_seed_decides_what_the_pool_holds(network: MaskedPredictor) -> None:
    first, second = pool(network, 4)[2], pool(network, 4)[2]
    assert torch.equal(first["image"], second["image"])
    assert torch.equal(first["label"], second["label"])


def test_slices_smaller_than_a_crop_are_filled_up_and_not_counted(network: MaskedPredictor) -> None:
    made = pool(network, 2, side=50)
    assert made[0]["image"].shape == (len(MAPS), 64, 64)
    counted = torch.stack([made[number]["label"][2] for number in range(2)])
    assert counted.mean() < (50 / 64) ** 2 + 0.01
