"""Networks of attacks learn from phantom-like arrays, go on after an interruption.

And are kept with the names of their patients.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.attacks import checkpoints, cubes, networks
from benchmarks.attacks.training import datasets, loop, train
from benchmarks.attacks.training.objectives import (
    AutoencoderObjective,
    ClassifierObjective,
    DiffusionObjective,
    InpaintingObjective,
)
from benchmarks.attacks.training.train import TrainingData
from benchmarks.data import volumes
from benchmarks.data.scans import Scan, SelectedSeries
from benchmarks.data.volumes import Volume, to_volumes
from dfd.errors import UsageError
from dfd.prediction.masks import disk
from dfd.records import ScanFacts, Slice, SliceRef

SIDE = 128


def scans_of(positions, *, phase=0, patient="p1"):
    """Slices of a round body with two lungs, a dense blob in one of them."""
    rng = np.random.default_rng(7)
    body = disk(SIDE, SIDE, (64, 64), 58)
    lungs = disk(SIDE, SIDE, (40, 64), 24) | disk(SIDE, SIDE, (92, 64), 22)
    mean = np.where(lungs & ~disk(SIDE, SIDE, (38, 62), 4), -850.0, np.where(body, 40.0, -1000.0))
    facts = ScanFacts(modality="CT", unit="HU", spacing_mm=(1.0, 1.0), thickness_mm=5.0)
    made = []
    for number, position in enumerate(positions):
        ref = SliceRef(Path(f"{number}.dcm"), position_mm=position, phase=phase)
        pixels = np.rint(mean + 20 * rng.normal(size=mean.shape)).astype(np.float32)
        scan = Slice(ref, facts, pixels, np.ones(pixels.shape, dtype=bool))
        made.append(Scan(SelectedSeries(patient, "s", "scanner", "kernel", (ref,)), scan, pixels))
    return made


@pytest.fixture(scope="module")
def data():
    """Two patients of phantoms, in the place of what is read from the data folder."""
    made = TrainingData("ct_lung", ("p1", "p2"))
    made.__dict__["scans"] = [*scans_of([0.0, 5.0]), *scans_of([0.0, 5.0], patient="p2")]
    made.__dict__["volumes"] = [*to_volumes(made.scans[:2]), *to_volumes(made.scans[2:])]
    return made


@pytest.mark.parametrize("name", train.RECIPES)
def test_every_network_is_trained_and_kept_with_its_patients(data, name, tmp_path, monkeypatch):
    for constant, number in (
        ("CUBES", 6),
        ("SOFT", 4),
        ("BLOBS", 4),
        ("CUBE_BATCH", 1),
        ("CROPS", 8),
        ("CROP_BATCH", 2),
    ):
        monkeypatch.setattr(train, constant, number)
    monkeypatch.setattr(datasets, "PER_SLICE", 2)
    path = train.train(name, data, tmp_path, most_steps=2)
    assert path == checkpoints.place(name, "ct_lung", tmp_path)
    content = torch.load(path, weights_only=True)
    assert content["patients"] == ["p1", "p2"]
    assert all(torch.isfinite(value).all() for value in content["weights"].values())
    assert sorted(tmp_path.iterdir()) == [path]  # the state of the work is gone
    before = path.stat().st_mtime_ns
    assert train.train(name, data, tmp_path).stat().st_mtime_ns == before


def painting():
    image = np.random.default_rng(5).normal(size=(2, 16, 16)).astype(np.float32)
    hole = np.zeros_like(image)
    hole[:, 4:12, 4:12] = 1
    return image, hole, np.zeros_like(image)


def test_what_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.attacks.training.loop.SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(
        "benchmarks.attacks.training.loop.math.cos", lambda angle: 1.0
    )  # the rate follows the time spent, which no two runs share

    class Interrupted(InpaintingObjective):
        steps = 0

        def step(self, share, rng):
            self.steps += 1
            if self.steps == 3:
                raise KeyboardInterrupt
            return super().step(1.0, rng)

    class Whole(InpaintingObjective):
        def step(self, share, rng):
            return super().step(1.0, rng)

    def objective(kind):
        torch.manual_seed(4)
        return kind(2, lambda rng: painting())

    with pytest.raises(KeyboardInterrupt):
        loop.train(objective(Interrupted), 60.0, tmp_path / "a.state")
    assert (tmp_path / "a.state").exists()
    torch.manual_seed(9)
    resumed = loop.train(Whole(2, lambda rng: painting()), 60.0, tmp_path / "a.state", most_steps=4)
    straight = loop.train(objective(Whole), 60.0, tmp_path / "b.state", most_steps=4)
    assert all(torch.equal(resumed[name], straight[name]) for name in straight)


@pytest.mark.parametrize("kind", [DiffusionObjective, AutoencoderObjective])
def test_the_loss_falls(kind):
    torch.manual_seed(4)
    image, hole, nothing = (np.tile(array, (4, 2, 2)) for array in painting())
    objective = kind(lambda rng: (image, hole, nothing))
    for group in objective.optimizer.param_groups:
        group["lr"] = 3e-3
    losses = [next(iter(objective.step(0.5, np.random.default_rng(1)).values())) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_the_classifier_learns_what_a_blob_is(data):
    images, labels = datasets.blob_crops(data.scans, "ct_lung", 24, np.random.default_rng(1))
    assert 0 < labels.sum() < len(labels)
    middle = images[:, 30:34, 30:34].mean(axis=(1, 2))
    assert middle[labels].mean() > middle[~labels].mean()
    torch.manual_seed(4)
    objective = ClassifierObjective(images, labels)
    told = [objective.step(0.5, np.random.default_rng(step))["entropy"] for step in range(12)]
    assert told[-1] < told[0]


def test_cubes_hold_what_they_are_named_after(data):
    rng = np.random.default_rng(1)
    inner = cubes.MIDDLE
    lung = cubes.in_hu(datasets.parenchyma(data.volumes, 4, rng))[:, inner, inner, inner]
    soft = cubes.in_hu(datasets.soft_tissue(data.volumes, 4, rng))[:, inner, inner, inner]
    found = cubes.in_hu(datasets.blobs(data.volumes, 4, rng))
    assert lung.mean() == pytest.approx(-850, abs=15)
    assert soft.mean() == pytest.approx(40, abs=30)
    assert found[:, 16, 14:18, 14:18].mean() > -300
    assert found[:, 16, 14:18, 4:7].mean() < -700


def test_a_stack_ends_at_a_gap_and_holds_one_phase():
    series = [*scans_of([0.0, 5.0, 10.0, 30.0, 35.0]), *scans_of([0.0, 5.0], phase=1)]
    made = list(to_volumes([series[index] for index in (3, 0, 5, 1, 6, 4, 2)]))
    assert [len(volume.refs) for volume in made] == [3, 2, 2]
    assert all(volume.spacing_mm == (5.0, 1.0, 1.0) for volume in made)
    np.testing.assert_array_equal(made[0].pixels[2], series[2].pixels)
    volume, index = volumes.find_stack(made, series[4].slice.ref)
    assert (volume is made[1], index) == (True, 1)
    assert volumes.find_stack(made[:1], series[4].slice.ref) is None


def test_slices_without_positions_make_no_stack():
    assert list(to_volumes(scans_of([None, None]))) == []
    assert [volume.spacing_mm[0] for volume in to_volumes(scans_of([3.0]))] == [5.0]


def test_volumes_are_read_series_by_series(monkeypatch):
    made = scans_of([0.0, 5.0])
    monkeypatch.setattr(
        volumes.scans, "select_series", lambda modality, folds, per_series: [made[0].source]
    )
    monkeypatch.setattr(volumes.scans, "load", lambda series, modality: made)
    (volume,) = volumes.volumes("ct_lung", ("fold0",))
    assert isinstance(volume, Volume)
    assert volume.patient == "p1"


def test_a_network_that_is_none_is_refused():
    assert "gan" in train.networks_to_train([], "mri_chest")
    assert "ct_gan_removal" not in train.networks_to_train([], "mri_chest")
    with pytest.raises(
        UsageError, match="'ct_gan_removal' is no network of an attack for mri_chest"
    ):
        train.networks_to_train(["ct_gan_removal"], "mri_chest")


def test_networks_take_any_size_that_halves():
    image = torch.zeros(1, 4, 80, 80)
    with torch.inference_mode():
        assert networks.painter(2)(image).shape == (1, 1, 80, 80)
        assert networks.autoencoder().reconstruct(image[:, :1]).shape == (1, 1, 80, 80)
        assert networks.classifier()(image[:, :1]).shape == (1, 1)
