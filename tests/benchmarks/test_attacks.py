"""Every attack of the registry obeys the law of pasting back.

And those that learned refuse the patients they learned from.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.attacks import (
    SIMPLE_EDITS,
    Canvas,
    adversarial,
    autoencoder,
    checkpoints,
    classical,
    ct_gan,
    diffusion,
    gan,
    networks,
    renoise,
)
from benchmarks.attacks.canvas import residual_scale
from benchmarks.attacks.crops import Window
from benchmarks.attacks.registry import ADVERSARIAL, AI_EDIT, ATTACKS, COPY_MOVE
from benchmarks.attacks.training import train
from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk

SIDE, SLICES, INDEX = 128, 5, 2
NETWORKS = {
    **dict.fromkeys(ct_gan.NETWORKS.values(), lambda: networks.painter(3)),
    diffusion.NETWORK: networks.denoiser,
    autoencoder.NETWORK: networks.autoencoder,
    gan.NETWORK: lambda: networks.painter(2),
    adversarial.NETWORK: networks.classifier,
}


@pytest.fixture
def canvas(rng):
    """Two lungs in a round body, slices of 5 mm, noise of deviation 30.

    Padding in a corner, and a pixel lost within the mask.
    """
    body = disk(SIDE, SIDE, (64, 64), 58)
    lungs = disk(SIDE, SIDE, (42, 64), 24) | disk(SIDE, SIDE, (90, 64), 22)
    mean = np.where(lungs, -850.0, np.where(body, 40.0, -1000.0))
    noise = gaussian_filter(rng.normal(size=(SLICES, SIDE, SIDE)), (0, 0.7, 0.7))
    stack = np.rint(mean + 30 * noise / noise.std() * body).astype(np.float32)
    stack[:, :10, :10] = np.nan
    stack[INDEX, 66, 40] = np.nan
    smooth = gaussian_filter(mean, 1.0).astype(np.float32)
    return Canvas(
        stack[INDEX],
        smooth,
        smooth,
        stack=stack,
        index=INDEX,
        spacing_mm=(5.0, 1.0, 1.0),
        patient="other",
    )


@pytest.fixture
def mask():
    return disk(SIDE, SIDE, (44.0, 66.0), 11.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Networks that learned nothing, from one patient, for both modalities."""
    torch.manual_seed(2)
    place = tmp_path_factory.mktemp("networks")
    for name, build in NETWORKS.items():
        for modality in train.RECIPES[name].modalities:
            checkpoints.save(
                checkpoints.Checkpoint(name, modality, ("learned",), build().state_dict()), place
            )
    return place


@pytest.fixture(autouse=True)
def _networks(folder, monkeypatch):
    monkeypatch.setattr(checkpoints, "network_file", lambda kind, name: folder / name)


def edited(attack, canvas, mask, seed=3):
    rng = np.random.default_rng(seed)
    if attack.edit is not None:
        return attack.edit(canvas, mask, rng)
    return attack.edit_at(canvas, (44.0, 66.0), rng)


@pytest.mark.parametrize("name", ATTACKS)
def test_outside_nothing_changes_and_inside_stand_whole_numbers_of_the_range(canvas, mask, name):
    attack = ATTACKS[name]
    before, stack = canvas.pixels.copy(), canvas.stack.copy()
    after = edited(attack, canvas, mask)
    assert after.dtype == np.float32
    changed = (after != before) & np.isfinite(before)
    assert changed.any()
    allowed = mask if attack.edit is not None else disk(SIDE, SIDE, (44.0, 66.0), 32 * 1.3 / 2 + 1)
    assert not (changed & ~allowed).any()
    np.testing.assert_array_equal(np.isnan(after), np.isnan(before))
    np.testing.assert_array_equal(after[changed], np.rint(after[changed]))
    assert np.nanmin(before) <= np.nanmin(after) <= np.nanmax(after) <= np.nanmax(before)
    np.testing.assert_array_equal(canvas.pixels, before)  # the canvas itself is never painted on
    np.testing.assert_array_equal(canvas.stack, stack)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_seed_gives_the_same(canvas, mask, name):
    np.testing.assert_array_equal(*(edited(ATTACKS[name], canvas, mask) for _ in range(2)))


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.network])
def test_who_learned_refuses_his_own_patients(canvas, mask, name):
    with pytest.raises(UsageError, match="was trained on the patient whose slice is to be edited"):
        edited(ATTACKS[name], dataclasses.replace(canvas, patient="learned"), mask)
    with pytest.raises(UsageError, match="does not name its own"):
        edited(ATTACKS[name], dataclasses.replace(canvas, patient=""), mask)


def test_an_absent_network_is_named_with_its_command(canvas, mask, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "network_file", lambda kind, name: tmp_path / name)
    with pytest.raises(
        UsageError, match=r"benchmarks\.attacks\.training\.train --train gan --modality ct_lung"
    ):
        gan.filled(canvas, mask, np.random.default_rng(1))
    torch.save({"format": "something else"}, checkpoints.place("gan", "ct_lung"))
    with pytest.raises(UsageError, match="older or another program"):
        gan.filled(canvas, mask, np.random.default_rng(1))
    checkpoints.save(
        checkpoints.Checkpoint("gan", "ct_lung", (), networks.classifier().state_dict())
    )
    with pytest.raises(UsageError, match="older or another program"):
        gan.filled(canvas, mask, np.random.default_rng(1))


@pytest.mark.parametrize(
    "name", [name for name, attack in ATTACKS.items() if "mri_chest" in attack.modalities]
)
def test_magnetic_resonance_is_edited_too(canvas, mask, name):
    bright = Canvas(
        *(array + 1100 for array in (canvas.pixels, canvas.mean, canvas.hole)),
        patient="other",
        modality="mri_chest",
    )
    after = edited(ATTACKS[name], bright, mask)
    assert np.isfinite(after[mask]).sum() == np.isfinite(bright.pixels[mask]).sum()
    np.testing.assert_array_equal(after[~mask], bright.pixels[~mask])


def test_the_table_says_what_each_needs():
    assert {attack.form for attack in ATTACKS.values()} == {ADVERSARIAL, COPY_MOVE, AI_EDIT}
    for attack in ATTACKS.values():
        assert (attack.edit is None) == (attack.edit_at is not None) == (attack.sites is not None)
        assert attack.needs_stack or attack.edit is not None
        assert not attack.network or set(attack.modalities) <= set(
            train.RECIPES[attack.network].modalities
        )
        assert set(attack.modalities) <= set(MODALITIES)
    held = {attack.network for attack in ATTACKS.values() if attack.held_out}
    assert held == {*ct_gan.NETWORKS.values(), diffusion.NETWORK}
    assert set(SIMPLE_EDITS) - set(ATTACKS) == {"null edit (must be 0.5)"}


@pytest.mark.parametrize("edit", [adversarial.fgsm, adversarial.pgd, adversarial.smooth])
def test_attacks_have_the_strength_they_are_named_after(canvas, mask, edit):
    added = (edit(canvas, mask, np.random.default_rng(1), strength=0.6) - canvas.pixels)[
        mask & np.isfinite(canvas.pixels)
    ]
    assert np.sqrt(np.mean(added**2)) == pytest.approx(0.6 * residual_scale(canvas, mask), rel=0.05)


def test_an_attack_moves_the_verdict_more_than_noise_does(canvas, mask):
    network = networks.classifier()
    network.load_state_dict(checkpoints.load(adversarial.NETWORK, canvas))

    def odds(pixels):
        image = adversarial.looked_at(dataclasses.replace(canvas, pixels=pixels), mask)[1]
        return float(network(torch.from_numpy(image)[None, None].clamp(*adversarial.SEEN)).detach())

    before, rng = odds(canvas.pixels), np.random.default_rng(1)
    noise = ATTACKS["white noise 1.0 x residual"].edit(canvas, mask, rng)
    moved = odds(adversarial.pgd(canvas, mask, rng, strength=1.0)) - before
    assert abs(moved) > 2 * abs(odds(noise) - before)
    assert np.sign(moved) == -np.sign(before)


def test_a_membrane_is_flat_between_flat_edges_and_a_plane_between_slopes():
    image = np.add.outer(np.arange(20.0), 2 * np.arange(20.0)).astype(np.float32)
    hole = disk(20, 20, (10, 9), 5)
    np.testing.assert_allclose(
        classical.membrane(np.where(hole, 0, image).astype(np.float32), hole), image, atol=1e-3
    )


def test_quilting_puts_patches_of_elsewhere_together(canvas, mask):
    after = classical.quilted(canvas, mask, np.random.default_rng(1))
    inside = mask & np.isfinite(canvas.pixels)
    assert np.isin(after[inside], canvas.pixels).all()
    assert after[inside].std() == pytest.approx(canvas.pixels[inside].std(), rel=0.3)


def test_matched_noise_has_the_level_and_correlation_of_the_surroundings(canvas, mask):
    grain = renoise.matched(
        canvas, mask, np.full_like(canvas.pixels, -850.0), np.random.default_rng(1)
    )
    grain = grain[40:90, 20:70]
    assert grain.std() == pytest.approx(30.0, rel=0.25)
    assert np.corrcoef(grain[:, 1:].ravel(), grain[:, :-1].ravel())[0, 1] == pytest.approx(
        np.exp(-1 / (4 * 0.7**2)), abs=0.12
    )


def test_a_window_reaches_beyond_the_slice():
    image = np.arange(100.0, dtype=np.float32).reshape(10, 10)
    mask = np.zeros((10, 10), dtype=bool)
    mask[0, 0] = True
    window = Window.around(mask)
    assert window.side == 64
    np.testing.assert_array_equal(window.put(np.zeros_like(image), window.cut(image)), image)
    assert window.mask(mask).sum() == 1
    assert window.mask(np.ones((10, 10), dtype=bool)).sum() == 100
