"""The learned statistic is trained on edits of genuine slices, by patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfd.bundle.datalists import collect
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training import statistic as training
from dfd.bundle.training.handlers import state_bytes
from dfd.bundle.training.regenerators import Regenerators
from dfd.bundle.training.statistic_samples import SampleMaker, Samples
from dfd.modalities import MODALITIES
from dfd.phantom import write_ct_series
from dfd.prediction.learned_statistic import COPIES, WEIGHED, log_ratio

CT = MODALITIES["ct_lung"]


def samples(count: int = 600) -> Samples:
    """Forms that differ in one number each."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, count)
    numbers = rng.normal(size=(count, WEIGHED + COPIES))
    numbers[labels == 1, 0] += 4.0
    numbers[labels == 2, 30] += 4.0
    numbers[:, WEIGHED:] = 1.0
    numbers[labels == 3, WEIGHED] = 5.0
    numbers[rng.random(count) < 0.5, WEIGHED + 1] = np.nan
    patients = tuple(f"p{number % 6}" for number in range(count))
    return Samples(torch.from_numpy(numbers), torch.from_numpy(labels), patients, ("",) * count)


def test_it_tells_forms_from_genuine_and_from_each_other() -> None:
    learned = training.train(samples(2400), seed=1)
    fresh = samples(2900)
    fresh = Samples(fresh.numbers[2400:], fresh.labels[2400:], fresh.patients[2400:], ("",) * 500)
    odds = learned(fresh.numbers)
    edited = fresh.labels > 0
    assert (log_ratio(odds[edited]) > 0).float().mean() > 0.85
    assert (log_ratio(odds[~edited]) < 0).float().mean() > 0.85
    named = odds.argmax(dim=1)[edited] == fresh.labels[edited] - 1
    assert named.float().mean() > 0.85


def test_the_seed_decides_and_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    first, second = (training.train(samples(200), seed=1) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], ...]:
    root = tmp_path_factory.mktemp("scans")
    for number in range(2):
        write_ct_series(root / f"p{number}", seed=number, slices=3, patient=f"p{number}", size=128)
    return collect(root, "ct_lung").items


@pytest.fixture(scope="module")
def network() -> MaskedPredictor:
    torch.manual_seed(1)
    return MaskedPredictor(channels=(4, 6, 8, 8), filters=3, num_res_units=1).eval()


def test_samples_name_what_was_done(
    items: tuple[dict[str, Any], ...], network: MaskedPredictor
) -> None:
    made = SampleMaker(items, network, CT).make(6, seed=3)
    count = len(made.labels)
    assert made.numbers.shape == (count, WEIGHED + COPIES)
    assert len(made.patients) == len(made.kinds) == count
    assert set(made.patients) == {"p0", "p1"}
    for label, kind in zip(made.labels.tolist(), made.kinds, strict=True):
        assert (label == 0) == (kind == "")
        assert (label == 3) == (kind == "copied")
    again = SampleMaker(items, network, CT).make(6, seed=3)
    assert torch.equal(made.numbers.nan_to_num(7.0), again.numbers.nan_to_num(7.0))


def trained(network: MaskedPredictor, folder: Path) -> Regenerators:
    """Leaves the state of a run whose predictor and head are trained."""
    (folder / "head").mkdir()
    (folder / "best.pt").write_bytes(state_bytes(network.state_dict()))
    (folder / "head" / "best.pt").write_bytes(state_bytes(network.head.state_dict()))
    return Regenerators(str(folder / "head"), 0, 0)


def test_it_ends_when_its_hours_are_over(
    items: tuple[dict[str, Any], ...],
    network: MaskedPredictor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "CHUNK", 3)
    draws = {"slices": 60, "seed": 2, "modality": "ct_lung", "max_hours": 0.0}
    training.learn(network, items, str(tmp_path), trained(network, tmp_path), draws)
    assert len(list((tmp_path / "samples").iterdir())) == 1
    assert (tmp_path / training.FILE).exists()


def test_a_run_that_was_stopped_goes_on(
    items: tuple[dict[str, Any], ...],
    network: MaskedPredictor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "CHUNK", 3)
    draws, none = {"slices": 6, "seed": 2, "modality": "ct_lung"}, trained(network, tmp_path)
    training.learn(network, items, str(tmp_path), none, draws)
    first = torch.load(tmp_path / training.FILE, weights_only=True)
    kept = sorted((tmp_path / "samples").iterdir())
    assert len(kept) == 2
    (tmp_path / training.FILE).unlink()
    kept[1].unlink()
    training.learn(network, items, str(tmp_path), none, draws)
    second = torch.load(tmp_path / training.FILE, weights_only=True)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert network.statistic is None
    training.put_into(network, str(tmp_path))
    assert network.statistic is not None
    network.statistic = None
