"""The head: shape, sight, and that it learns what the pool teaches."""

from __future__ import annotations

from multiprocessing import active_children

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from scipy.ndimage import gaussian_filter

from dfd.bundle.datalists import HEAD_BATCH, HEAD_CROPS_PER_EPOCH, MOST_HEAD_CROPS, head_crops
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training.loss import HeadLoss, MaskedLikelihood, Pooled, head_loss_terms
from dfd.bundle.training.residual_dataset import ResidualDataset, turned
from dfd.prediction.residual_head import ContextHead, TamperHead, fitting
from dfd.prediction.residual_maps import MAPS

HEADS = pytest.mark.parametrize("kind", [ContextHead, TamperHead])


@HEADS
@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (2, 2)])
def test_answers_stand_on_a_grid_of_half_the_size(
    kind: type[torch.nn.Module], shape: tuple[int, int]
) -> None:
    answer = kind()(torch.randn(2, len(MAPS), *shape))
    assert answer.shape == (2, 2, -(-shape[0] // 2), -(-shape[1] // 2))


@pytest.mark.parametrize(("kind", "sight"), [(ContextHead, 60), (TamperHead, 20)])
def test_it_sees_so_far_and_no_farther(kind: type[torch.nn.Module], sight: int) -> None:
    torch.manual_seed(0)
    head, maps = kind(), torch.randn(1, len(MAPS), 64, 320)
    far, near = maps.clone(), maps.clone()
    far[0, :, 32, 80 + 2 * sight] += 5.0
    near[0, :, 32, 80 + sight] += 5.0
    with torch.no_grad():
        before = head(maps)[0, :, 16, 40]
        assert torch.equal(head(far)[0, :, 16, 40], before)
        assert not torch.equal(head(near)[0, :, 16, 40], before)


def test_weights_of_earlier_models_bring_their_own_head() -> None:
    earlier = {f"head.{name}": value for name, value in TamperHead().state_dict().items()}
    head = ContextHead()
    assert isinstance(fitting(head, earlier), TamperHead)
    assert fitting(head, {f"head.{name}": value for name, value in head.state_dict().items()}) is (
        head
    )
    network = MaskedPredictor(channels=(4, 6, 8, 8), filters=3, head="context")
    assert isinstance(network.head, ContextHead)
    others = {
        name: value for name, value in network.state_dict().items() if not name.startswith("head.")
    }
    network.load_state_dict({**others, **earlier})
    assert isinstance(network.head, TamperHead)
    assert torch.equal(network.head.state_dict()["last.bias"], earlier["head.last.bias"])


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
    [(150, 100, 1200), (150, 1, HEAD_CROPS_PER_EPOCH), (1, 100, 32), (1000, 1000, MOST_HEAD_CROPS)],
)
def test_a_short_run_makes_few_crops(slices: int, epochs: int, wanted: int) -> None:
    assert head_crops([{}] * slices, epochs) == wanted
    assert wanted % HEAD_BATCH == 0


@pytest.mark.parametrize(("hours", "wanted"), [(0.0, HEAD_BATCH), (0.1, 896), (3.0, 1200)])
def test_few_hours_make_few_crops(hours: float, wanted: int) -> None:
    assert head_crops([{}] * 150, 100, hours) == wanted


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


def pool(
    network: MaskedPredictor, crops: int = 20, side: int = 80, **draws: object
) -> ResidualDataset:
    given = slices(side=side)
    drawn = {"crops": crops, "size": 64, "seed": 7, **draws}
    return ResidualDataset(given, [1.0] * len(given), network, "ct_lung", drawn)


@pytest.fixture
def network() -> MaskedPredictor:
    torch.manual_seed(1)
    return MaskedPredictor(channels=(4, 6, 8, 8), filters=3, num_res_units=1)


def test_the_pool_holds_maps_and_labels(network: MaskedPredictor) -> None:
    made = pool(network)
    assert len(made) == 20
    with torch.no_grad():  # crops are made when first asked for: the predictor is trained by then
        for parameter in network.parameters():
            parameter.mul_(0.9)
    one = made[3]
    assert one["image"].shape == (len(MAPS), 64, 64)
    assert one["label"].shape == (3, 64, 64)
    assert torch.isfinite(one["image"]).all()
    assert set(one["label"].unique().tolist()) <= {0.0, 1.0}
    assert len(made.pool.maps) == len(made.pool.labels) == 20
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


def test_each_epoch_has_crops_of_its_own(network: MaskedPredictor) -> None:
    def seen(made: ResidualDataset, first: int, last: int) -> dict[int, torch.Tensor]:
        """The first map of each epoch, of a run that begins with ``first``."""
        trainer = Engine(lambda *_: None)
        trainer.add_event_handler(
            Events.STARTED, lambda engine: setattr(engine.state, "epoch", first - 1)
        )
        made.attach(trainer)
        found: dict[int, torch.Tensor] = {}
        trainer.add_event_handler(
            Events.EPOCH_COMPLETED,
            lambda engine: found.update({engine.state.epoch: made[0]["image"]}),
        )
        trainer.run([0], max_epochs=last)
        return found

    whole = seen(pool(network, 4, fresh=True), 1, 3)
    assert sorted(whole) == [1, 2, 3]
    assert not torch.equal(whole[1], whole[2])
    resumed = seen(pool(network, 4, fresh=True), 3, 3)
    assert torch.equal(resumed[3], whole[3])
    same = seen(pool(network, 4), 1, 2)
    assert torch.equal(same[1], same[2])


def test_an_epoch_shows_each_crop_as_often_as_asked(network: MaskedPredictor) -> None:
    made = pool(network, 3, repeats=2)
    assert len(made) == 6
    again = [turned(made[1]["image"], symmetry) for symmetry in range(8)]
    assert sum(torch.equal(made[4]["image"], each) for each in again) == 1
    assert not torch.equal(made[4]["image"], made[1]["image"])


def test_the_symmetries_are_those_of_the_pixel_grid() -> None:
    image = torch.arange(9).view(1, 3, 3)
    seen = {tuple(turned(image, symmetry).flatten().tolist()) for symmetry in range(8)}
    assert len(seen) == 8
    assert torch.equal(turned(image, 0), image)
    assert torch.equal(turned(image, 4)[0], image[0].T)


def test_other_processes_make_the_same_crops(network: MaskedPredictor) -> None:
    alone, helped = pool(network, 20), pool(network, 20, workers=2)
    for number in (0, 19):
        assert torch.equal(alone[number]["image"], helped[number]["image"])
        assert torch.equal(alone[number]["label"], helped[number]["label"])
    assert not active_children()


def test_other_processes_serve_each_epoch_and_end_with_the_run(network: MaskedPredictor) -> None:
    made = pool(network, 20, fresh=True, workers=2)
    trainer = Engine(lambda *_: None)
    made.attach(trainer)
    counted: list[int] = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED, lambda _: counted.append(len(active_children()))
    )
    trainer.run([0], max_epochs=3)
    assert counted == [2, 2, 2]
    assert not active_children()
