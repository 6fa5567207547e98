"""Statistics that learn from patients whom no part of the network has seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.data import partition
from benchmarks.models import on_one_gpu, stacked_statistic
from benchmarks.models.cross_validation import FOLDS
from dfd.bundle.training import statistic
from dfd.bundle.training.state import head_dir
from dfd.bundle.training.statistic_samples import Samples
from dfd.errors import UsageError
from dfd.models import model_file
from dfd.prediction.learned_statistic import COPIES, WEIGHED, LearnedStatistic
from tests.bundle.training.test_finalize import small_network


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stacked_statistic, "RUNS", tmp_path)
    for fold in FOLDS:
        Path(head_dir(stacked_statistic.state_of("ct_lung", fold))).mkdir(parents=True)
    return tmp_path


def test_a_fold_learns_from_the_patients_of_the_others(
    runs: Path, monkeypatch: pytest.MonkeyPatch
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
    for fold in FOLDS:
        assert (Path(stacked_statistic.state_of("ct_lung", fold)) / statistic.FILE).exists()


def test_what_is_trained_is_put_into_the_files(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacked_statistic, "NEXT", tmp_path / "next")
    monkeypatch.setattr(stacked_statistic, "network_of", lambda state: small_network())
    with pytest.raises(UsageError, match="train it first"):
        stacked_statistic.put("ct_lung")
    for fold in FOLDS:
        state = Path(stacked_statistic.state_of("ct_lung", fold))
        (state / statistic.FILE).write_bytes(b"")
        (state / "history.csv").write_text("epoch,val_nll\n1,0.5\n")
    stacked_statistic.put("ct_lung")
    for fold in FOLDS:
        model = model_file.load(tmp_path / "next" / f"ct_{fold}.ckpt")
        assert model.calibration is None
        assert model.bundle == "ct_lung_inpainting"
        assert model.weights.keys() == small_network().state_dict().keys()
        assert model.training["history"] == [{"epoch": 1.0, "val_nll": 0.5}]


@pytest.mark.parametrize("modality", partition.FOLDERS)
def test_one_gpu_trains_every_fold_once(modality: str) -> None:
    found = on_one_gpu.commands(modality)
    assert sorted(found) == sorted(FOLDS)
    for fold, words in found.items():
        assert words[-2:] == ["--modality", modality]
        shipped = fold in partition.VALIDATION_FOLDS
        assert words[0].endswith("release" if shipped else "cross_validation")
        assert shipped or words[1:3] == ["--fold", fold]
