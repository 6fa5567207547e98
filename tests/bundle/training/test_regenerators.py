"""Networks that draw crops anew: trained once, kept, and used by alterations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from dfd.bundle.networks.regenerator import KINDS, Kind, Regenerator
from dfd.bundle.training import regenerators
from dfd.bundle.training.regenerators import Regenerators, crops_from


def genuine(side: int = 80) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = 200.0 * gaussian_filter(rng.normal(size=(side, side)), 6.0)
    return (image + gaussian_filter(rng.normal(size=(side, side)), 0.6)).astype(np.float32)


DRAW = crops_from([genuine()], np.ones(1), 64)


def made(folder: Path, steps: int = 2) -> Regenerators:
    return Regenerators(str(folder), steps, seed=5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_as_large_as_what_it_replaces(kind: Kind) -> None:
    with torch.no_grad():
        assert Regenerator(kind)(torch.randn(2, 3, 40, 24)).shape == (2, 1, 40, 24)


def test_each_network_paints_another_picture(tmp_path: Path) -> None:
    painters = made(tmp_path).painters(DRAW)
    assert len(painters) == len(KINDS)
    image, share = genuine(), np.zeros((80, 80), np.float32)
    share[30:50, 30:50] = 1.0
    pictures = [paint(image, share) for paint in painters]
    assert all(picture.shape == image.shape for picture in pictures)
    assert all(np.isfinite(picture).all() for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(KINDS)
    assert all(
        np.array_equal(paint(image, share), one)
        for paint, one in zip(painters, pictures, strict=True)
    )


def test_what_is_kept_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.get_rng_state()
    first = made(tmp_path).painters(DRAW)
    assert torch.equal(torch.get_rng_state(), state)

    def forbidden(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Regenerators, "_train", forbidden)
    again, kept = made(tmp_path).painters(DRAW), made(tmp_path).kept_painters()
    image, share = genuine(), np.ones((80, 80), np.float32)
    for one, two, three in zip(first, again, kept, strict=True):
        assert np.array_equal(one(image, share), two(image, share))
        assert np.array_equal(one(image, share), three(image, share))


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    whole = made(tmp_path / "whole").painters(DRAW)
    kept = torch.load(tmp_path / "whole" / regenerators.FILE, weights_only=True)
    (tmp_path / "part").mkdir()
    torch.save(kept[:2], tmp_path / "part" / regenerators.FILE)
    resumed = made(tmp_path / "part").painters(DRAW)
    image, share = genuine(), np.ones((80, 80), np.float32)
    for one, two in zip(whole, resumed, strict=True):
        assert np.array_equal(one(image, share), two(image, share))


def test_they_end_when_their_hours_are_over(tmp_path: Path) -> None:
    limited = Regenerators(str(tmp_path), 10**9, seed=5, max_hours=1e-5)
    assert len(limited.painters(DRAW)) == len(KINDS)


def test_without_steps_there_are_none(tmp_path: Path) -> None:
    assert made(tmp_path, steps=0).painters(DRAW) == ()
    assert made(tmp_path).kept_painters() == ()


def test_training_comes_nearer_to_what_is_genuine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regenerators, "KINDS", KINDS[:1])
    image, share = genuine(), np.zeros((80, 80), np.float32)
    errors = [
        np.abs(made(tmp_path / str(steps), steps).painters(DRAW)[0](image, share) - image).mean()
        for steps in (1, 60)
    ]
    assert errors[1] < 0.8 * errors[0]
