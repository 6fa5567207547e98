"""Each rival finds what it should find, says NaN where it cannot tell.

And learns so that it can be stopped and go on.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks import baselines
from benchmarks.attacks.training.train import TrainingData
from benchmarks.baselines import (
    BASELINES,
    SliceView,
    back_in_time,
    co_occurrence,
    cost,
    feature_memory,
    objectives,
    state,
    train,
)
from benchmarks.baselines.base import region_mask
from benchmarks.baselines.noise_predictor import NoisePredictor, remaining_shares
from benchmarks.baselines.objectives import DenoisingObjective
from benchmarks.baselines.train import Effort
from benchmarks.data import partition
from benchmarks.data.scans import Scan, SelectedSeries
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.prediction.predict import predict_slice
from dfd.records import ScanFacts, Slice, SliceRef

SIDE, RADIUS = 160, 10.0
CENTRE = (80, 90)
MODALITY_NAMES = list(MODALITIES)


def pixels_of(modality, seed=7):
    """A round body of even tissue with noise, nothing measured around it."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), 0.6) * 40
    level, outside = (400.0, 0.0) if modality.relative else (40.0, -1000.0)
    return np.where(disk(SIDE, SIDE, (80, 80), 70), np.rint(level + noise), outside).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return MaskedPredictor(channels=(4, 4, 4, 4), filters=2).eval()


def view_of(pixels, network, name="ct_lung"):
    modality = MODALITIES[name]
    return SliceView(
        pixels, predict_slice(pixels, network, modality), network, modality, partition.SEED
    )


def scans_of(name, number=3):
    made = []
    for seed in range(number):
        ref = SliceRef(Path(f"{seed}.dcm"))
        pixels = pixels_of(MODALITIES[name], seed)
        facts = ScanFacts(modality=MODALITIES[name].dicom_modality, spacing_mm=(1.7, 1.7))
        made.append(
            Scan(
                SelectedSeries(f"p{seed}", "s", "scanner", "kernel", (ref,)),
                Slice(ref, facts, pixels, np.isfinite(pixels)),
                pixels,
                name,
            )
        )
    return made


def material_of(name):
    made = TrainingData(name, ("p0", "p1", "p2"))
    made.__dict__["scans"] = scans_of(name)
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in the place of runs/baselines."""
    monkeypatch.setattr(state, "network_file", lambda kind, name: tmp_path / name)
    return tmp_path


def learn(name, network, rng):
    """Files of the right form for all baselines of a modality."""
    modality = MODALITIES[name]
    memory = feature_memory.fit([scan.pixels for scan in scans_of(name)], network, modality, rng)
    for kind in train.names_of(name):
        state.save(
            kind,
            name,
            ["p0"],
            memory if kind == feature_memory.STATE else NoisePredictor().state_dict(),
        )


def numbers(name, view, places, radius=RADIUS):
    baseline = BASELINES[name]
    prepared = baseline.prepare(view)
    return np.array([baseline.measure(prepared, place, radius) for place in places])


GENUINE = [(40, 60), (120, 60), (60, 120), (110, 110), (80, 45)]


def within(edited, genuine):
    return np.where(disk(SIDE, SIDE, CENTRE, RADIUS), edited, genuine).astype(np.float32)


EDITS = {
    "plain inpainting error": lambda pixels: pixels + 150,
    "local noise variance": lambda pixels: (
        pixels + np.random.default_rng(3).normal(size=pixels.shape) * 40
    ),
    "Splicebuster-like": lambda pixels: gaussian_filter(pixels, 1.0),
    "PatchCore-like": lambda pixels: pixels + 300 * (np.indices(pixels.shape).sum(axis=0) // 3 % 2),
}


@pytest.mark.parametrize("name", EDITS)
def test_each_finds_what_it_should_find(name, network, folder, rng):
    learn("ct_lung", network, rng)
    pixels = pixels_of(MODALITIES["ct_lung"])
    ordinary = numbers(name, view_of(pixels, network), [*GENUINE, CENTRE])
    found = numbers(name, view_of(within(EDITS[name](pixels), pixels), network), [CENTRE])
    assert found[0] > ordinary.max()


def test_too_little_noise_counts_like_too_much(network):
    pixels = pixels_of(MODALITIES["ct_lung"])
    smooth = view_of(within(gaussian_filter(pixels, 1.0), pixels), network)
    assert (
        numbers("local noise variance", smooth, [CENTRE])[0]
        > numbers("local noise variance", view_of(pixels, network), GENUINE).max()
    )


def test_a_reverse_step_takes_away_what_is_no_genuine_patch():
    """A network that takes the grain for noise: the residual of a grainier region is larger."""

    def grain(patch, steps):
        assert patch.shape == (1, 1, 96, 96)
        return patch - torch.nn.functional.avg_pool2d(patch, 3, 1, 1)

    image = 0.01 * np.random.default_rng(5).normal(size=(SIDE, SIDE)).astype(np.float32)
    image = within(3 * image, image)
    prepared = back_in_time.Prepared(image, np.ones(image.shape, dtype=bool), grain, 96)
    assert back_in_time.measure(prepared, CENTRE, RADIUS) > 5 * max(
        back_in_time.measure(prepared, place, RADIUS) for place in GENUINE
    )
    for corner in ((0, 159), (159, 159), (3, 80)):
        assert np.isnan(back_in_time.measure(prepared, corner, RADIUS)) == (corner != (3, 80))


def test_a_reverse_step_that_knows_the_noise_gives_the_image_back():
    clean = torch.from_numpy(
        np.linspace(-0.5, 0.5, 96 * 96, dtype=np.float32).reshape(1, 1, 96, 96)
    )
    noise = torch.randn(clean.shape)
    kept = remaining_shares()[back_in_time.STEP]
    again = back_in_time.reversed_once(
        kept.sqrt() * clean + (1 - kept).sqrt() * noise, lambda patch, steps: noise
    )
    torch.testing.assert_close(again, clean, rtol=0, atol=1e-5)


def test_the_published_window_cuts_parenchyma_away_and_the_other_does_not():
    lung = np.full((96, 96), -850.0, dtype=np.float32)
    lung[::2] = -800.0
    windows = [back_in_time.VARIANTS["ct_lung", name] for name in ("btd", "btd_unclipped")]
    assert [
        float(np.ptp(back_in_time.shown(lung, MODALITIES["ct_lung"], window)[0])) > 0
        for window in windows
    ] == [False, True]


@pytest.mark.parametrize("modality", MODALITY_NAMES)
def test_every_baseline_measures_a_region_and_says_nothing_of_air(modality, network, folder, rng):
    learn(modality, network, rng)
    pixels = pixels_of(MODALITIES[modality])
    before = pixels.copy()
    view = view_of(pixels, network, modality)
    assert baselines.ready(MODALITIES[modality]) == baselines.offered(MODALITIES[modality])
    for name in baselines.offered(MODALITIES[modality]):
        found = numbers(name, view, [CENTRE, CENTRE, (1, 1)])
        assert np.isfinite(found[:2]).all(), name
        assert found[0] == found[1], name
        assert np.isnan(found[2]) == (name != "random"), name
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("modality", MODALITY_NAMES)
def test_a_slice_without_a_body_gives_no_numbers(modality, network, folder, rng):
    learn(modality, network, rng)
    view = view_of(np.full((SIDE, SIDE), np.nan, dtype=np.float32), network, modality)
    for name in baselines.offered(MODALITIES[modality]):
        assert np.isnan(numbers(name, view, [CENTRE])[0]) == (name != "random"), name


def test_the_table_is_complete():
    assert len(BASELINES) == 7
    assert all(baseline.source for baseline in BASELINES.values())
    learned = {(modality, name) for modality in MODALITIES for name in train.names_of(modality)}
    assert learned == set(back_in_time.VARIANTS) | {
        (modality, feature_memory.STATE) for modality in MODALITIES
    }
    assert "BTD-like without clip" not in baselines.offered(MODALITIES["mri_chest"])


def test_what_has_not_learned_is_not_ready_and_says_how_to_teach_it(network, folder):
    modality = MODALITIES["ct_lung"]
    assert not {name for name in baselines.ready(modality) if BASELINES[name].state}
    view = view_of(pixels_of(modality), network)
    for name, baseline in BASELINES.items():
        if baseline.state:
            with pytest.raises(
                UsageError,
                match=(
                    "is not there; make it with `python -m .*train --modality ct_lung --name "
                    f"{baseline.state}`"
                ),
            ):
                numbers(name, view, [])


def test_a_state_of_another_program_is_refused(network, folder, rng):
    view = view_of(pixels_of(MODALITIES["ct_lung"]), network)
    state.save("btd", "ct_lung", [], {"weight": torch.zeros(1)})
    with pytest.raises(UsageError, match=r"btd.pt is of an older or another program"):
        BASELINES["BTD-like"].prepare(view)
    torch.save({"format": "something else"}, state.place("btd", "ct_lung"))
    with pytest.raises(UsageError, match=r"btd.pt is of an older or another program"):
        BASELINES["BTD-like"].prepare(view)
    learn("ct_lung", network, rng)
    torch.manual_seed(2)
    other = dataclasses.replace(
        view, network=MaskedPredictor(channels=(4, 4, 4, 4), filters=2).eval()
    )
    with pytest.raises(UsageError, match="was made with another network"):
        BASELINES["PatchCore-like"].prepare(other)


def test_a_random_number_is_of_seed_slice_and_place(network):
    view = view_of(pixels_of(MODALITIES["ct_lung"]), network)
    drawn = numbers("random", view, GENUINE)
    assert len(set(drawn)) == len(GENUINE)
    np.testing.assert_array_equal(drawn, numbers("random", view, GENUINE))
    for other in (
        dataclasses.replace(view, seed=1),
        dataclasses.replace(view, pixels=view.pixels + 1),
    ):
        assert not (drawn == numbers("random", other, GENUINE)).any()


def test_values_that_are_only_clipped_do_not_hide_a_region(network):
    """Noisy lung reaches the floor in a tenth of its pixels, which are not measurements.

    What is not finite spoils its neighbours as well.
    """
    pixels = pixels_of(MODALITIES["ct_lung"])
    speckled = np.random.default_rng(3).random(pixels.shape) < 0.1
    view = view_of(np.where(speckled, -1000.0, pixels).astype(np.float32), network)
    gone = view_of(np.where(speckled, np.nan, pixels).astype(np.float32), network)
    for name in ("local noise variance", "Splicebuster-like"):
        assert np.isfinite(numbers(name, view, GENUINE)).all(), name
        assert np.isnan(numbers(name, gone, GENUINE)).all(), name


def test_codes_are_folded_and_turn_with_the_slice(rng):
    assert co_occurrence.CLASSES == 25
    image = torch.from_numpy(rng.normal(size=(40, 40)))
    everywhere = torch.ones(40, 40, dtype=torch.bool)
    upright, turned = (co_occurrence.codes(each, everywhere) for each in (image, image.T))
    torch.testing.assert_close(turned, upright[[1, 0, 3, 2]].transpose(1, 2), rtol=0, atol=0)


def test_a_coreset_is_spread_out(rng):
    crowd = rng.normal(size=(200, 4)) * 0.01
    apart = np.eye(4) * 5
    chosen = feature_memory.coreset(
        torch.from_numpy(np.concatenate([crowd, apart]).astype(np.float32)), 6, rng
    )
    assert set(range(200, 204)) <= set(chosen.tolist())


def test_features_stand_where_their_pixels_are(network):
    image = np.zeros((64, 72), dtype=np.float32)
    marked = image.copy()
    marked[20:24, 40:44] = 50.0
    changed = (
        (feature_memory.features(marked, network) - feature_memory.features(image, network))
        .abs()
        .sum(dim=0)
    )
    assert changed.shape == (16, 18)
    row, column = np.unravel_index(int(changed.argmax()), changed.shape)
    assert (abs(row - 5), abs(column - 10)) <= (1, 1)


@pytest.mark.parametrize(
    ("centre", "is_there"),
    [((20, 20), True), ((0, 20), False), ((4, 20), True), ((-30, 20), False)],
)
def test_a_region_beyond_the_border_is_none(centre, is_there):
    assert (region_mask(np.ones((41, 41), dtype=bool), centre, 8.0) is not None) is is_there


@pytest.mark.parametrize(("modality", "name"), list(back_in_time.VARIANTS))
def test_a_diffusion_is_trained_and_kept_with_its_patients(modality, name, folder, monkeypatch):
    monkeypatch.setattr(objectives, "BATCH", 1)
    path = train.train(name, material_of(modality), Effort(most_steps=1))
    assert sorted(folder.iterdir()) == [path]  # the state of the work is gone
    assert state.learned_from(name, modality) == ("p0", "p1", "p2")
    NoisePredictor().load_state_dict(state.load(name, modality))
    written = path.stat().st_mtime_ns
    assert train.train(name, material_of(modality), Effort()).stat().st_mtime_ns == written


def test_a_training_that_was_stopped_goes_on(folder, monkeypatch):
    monkeypatch.setattr(objectives, "BATCH", 1)
    monkeypatch.setattr("benchmarks.attacks.training.loop.SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(
        "benchmarks.attacks.training.loop.math.cos", lambda angle: 1.0
    )  # the rate follows the time spent, which no two runs share
    data, step = material_of("ct_lung"), DenoisingObjective.step
    taken = []

    def interrupted(self, share, rng):
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(share)
        return step(self, share, rng)

    monkeypatch.setattr(DenoisingObjective, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.train("btd", data, Effort())
    monkeypatch.setattr(DenoisingObjective, "step", step)
    resumed = torch.load(train.train("btd", data, Effort(most_steps=3)), weights_only=True)
    straight = torch.load(
        train.train("btd", data, Effort(most_steps=3, folder=folder / "straight")),
        weights_only=True,
    )
    assert all(
        torch.equal(resumed["content"][name], value) for name, value in straight["content"].items()
    )


def test_a_diffusion_learns(monkeypatch):
    monkeypatch.setattr(objectives, "BATCH", 2)
    torch.manual_seed(4)
    objective = DenoisingObjective(material_of("ct_lung"), "btd_unclipped")
    losses = [objective.step(0.0, np.random.default_rng(step))["error"] for step in range(6)]
    assert losses[-1] < losses[0]


def test_a_memory_is_made_of_the_model_that_is_measured(network, folder, monkeypatch):
    monkeypatch.setattr(
        train.registry, "load", lambda model, modality: train.registry.Loaded(None, network)
    )
    train.train("patchcore", material_of("mri_chest"), Effort(slices=2))
    learned = state.load("patchcore", "mri_chest")
    assert learned["network"] == feature_memory.digest(network)
    assert learned["memory"].shape == (2 * feature_memory.PER_SLICE, 4 * feature_memory.LEVELS)


def test_a_name_that_learns_nothing_is_refused():
    assert train.names_to_train([], "mri_chest") == ["btd", "patchcore"]
    with pytest.raises(
        UsageError,
        match="'btd_unclipped' is learned by no baseline for mri_chest; choose from btd, patchcore",
    ):
        train.names_to_train(["btd_unclipped"], "mri_chest")


def test_what_a_baseline_costs_is_told(network):
    view = view_of(pixels_of(MODALITIES["ct_lung"]), network)
    assert all(seconds >= 0 for seconds in cost.seconds_of("Splicebuster-like", view, RADIUS))
