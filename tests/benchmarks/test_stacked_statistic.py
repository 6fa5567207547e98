"""Statistics that learn from patients whom no part of the network has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.data import partition
from benchmarks.models import cross_validation, on_one_gpu, stacked_statistic
from benchmarks.models.cross_validation import FOLDS
from dfd.bundle.training import statistic
from dfd.bundle.training.statistic_samples import Samples
from dfd.models import model_file
from dfd.models.model import Model
from dfd.prediction.learned_statistic import COPIES, PREFIX, WEIGHED, LearnedStatistic
from tests.bundle.training.test_finalize import small_network


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network of every fold, that of the shipped one too, and an empty folder of the next."""
    monkeypatch.setattr(stacked_statistic, "RUNS", tmp_path)
    monkeypatch.setattr(stacked_statistic, "NEXT", tmp_path / "next")
    for fold in FOLDS:
        weights = small_network(int(fold[-1])).state_dict()
        model = Model(Path(), weights, "ct_lung_inpainting", None, {"history": [fold]})
        model = replace(model, calibration={"weights_sha256": model.sha256})
        (tmp_path / f"{fold}.ckpt").write_bytes(model_file.packed(model))
    monkeypatch.setattr(
        cross_validation, "model_of", lambda modality, fold: tmp_path / f"{fold}.ckpt"
    )
    return tmp_path


def test_a_fold_learns_from_the_patients_of_the_others(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[set[str]] = []

    def samples_of(modality: str, fold: str, slices: int) -> Samples:
        assert (modality, slices) == ("ct_lung", 20)
        return Samples(torch.zeros(2, WEIGHED + COPIES), torch.zeros(2), (fold,) * 2, ("",) * 2)

    def train(samples: Samples, seed: int) -> LearnedStatistic:
        learned.append(set(samples.patients))
        return LearnedStatistic()

    monkeypatch.setattr(stacked_statistic, "samples_of", samples_of)
    monkeypatch.setattr(statistic, "train", train)
    stacked_statistic.train("ct_lung", 60)
    assert learned == [set(FOLDS) - {fold} for fold in FOLDS]


def test_the_statistic_is_put_beside_the_weights_of_its_own_fold(folders: Path) -> None:
    for fold in FOLDS:
        trained = LearnedStatistic()
        target = stacked_statistic.put("ct_lung", fold, trained)
        model = model_file.load(target)
        assert target == folders / "next" / f"ct_{fold}.ckpt"
        assert model.calibration is None  # it would be of other weights
        assert model.training["history"] == [fold]
        own = small_network(int(fold[-1])).state_dict()
        assert all(torch.equal(model.weights[name], value) for name, value in own.items())
        learned = {f"{PREFIX}{name}" for name in trained.state_dict()}
        assert model.weights.keys() == own.keys() | learned


def test_a_statistic_that_was_there_gives_way(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = LearnedStatistic(), LearnedStatistic()
    target = stacked_statistic.put("ct_lung", "fold0", first)
    monkeypatch.setattr(cross_validation, "model_of", lambda modality, fold: target)
    stacked_statistic.put("ct_lung", "fold0", second)
    kept = model_file.load(target).weights[f"{PREFIX}layers.0.weight"]
    assert torch.equal(kept, second.state_dict()["layers.0.weight"])


def test_the_next_networks_are_shipped(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = {fold: LearnedStatistic() for fold in FOLDS}
    for fold, each in trained.items():
        stacked_statistic.put("ct_lung", fold, each)
    bundle = folders / "bundle"
    (bundle / "models").mkdir(parents=True)
    (bundle / "models" / "calibration.json").write_text('{"weights_sha256": "of others"}')
    (folders / "folds").mkdir()
    monkeypatch.setattr(stacked_statistic, "bundle_dir", lambda name: bundle)
    monkeypatch.setattr(partition, "COMMITTED_NETWORKS", folders)
    stacked_statistic.ship("ct_lung")
    places = {fold: folders / "folds" / f"ct_{fold}.ckpt" for fold in ("fold0", "fold2")}
    for fold, place in {**places, "fold1": bundle}.items():
        model = model_file.load(place)
        assert model.calibration is None
        kept = model.weights[f"{PREFIX}layers.0.weight"]
        assert torch.equal(kept, trained[fold].state_dict()["layers.0.weight"])
    assert list((folders / "next").iterdir()) == []


@pytest.mark.parametrize("modality", partition.FOLDERS)
def test_one_gpu_trains_every_fold_once(modality: str) -> None:
    found = on_one_gpu.commands(modality)
    assert sorted(found) == sorted(FOLDS)
    for fold, words in found.items():
        assert words[-2:] == ["--modality", modality]
        shipped = fold in partition.VALIDATION_FOLDS
        assert words[0].endswith("release" if shipped else "cross_validation")
        assert shipped or words[1:3] == ["--fold", fold]
