"""Pseudo-forgeries: edits stand where the label says, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dfd import alterations
from dfd.alterations import ADDED, REPLACED, Material, alter, grid
from dfd.alterations.material import detail, grain, unit
from dfd.alterations.shapes import draw_share

SIZE = 64
EVERY = pytest.mark.parametrize(
    "alteration", [*ADDED, *dict.fromkeys(REPLACED)], ids=lambda each: each.__name__
)


def material(seed: int = 0, step: float = 0.05) -> Material:
    rng = np.random.default_rng(seed)
    pixels, donor, above = (
        np.rint((gaussian_filter(rng.normal(size=(SIZE, SIZE)), 0.6) * 2.0 + 5.0) / step).astype(
            np.float32
        )
        * np.float32(step)
        for _ in range(3)
    )
    return Material(
        pixels,
        donor,
        above,
        step,
        paint=lambda given, share: np.where(share > 0.02, 5.0, given).astype(np.float32),
    )


def share_in_the_middle() -> np.ndarray:
    rows, columns = np.indices((SIZE, SIZE))
    return np.clip(14.0 - np.hypot(rows - 32, columns - 32), 0.0, 1.0).astype(np.float32)


@EVERY
def test_an_alteration_changes_the_grain_and_leaves_its_material_alone(alteration):
    given, kept, share = material(), material(), share_in_the_middle()
    changed = alteration(given, share, np.random.default_rng(3))
    assert changed.shape == (SIZE, SIZE)
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.abs(changed - given.pixels)[share > 0.5].mean() > 0.01
    for name in ("pixels", "donor", "above"):
        np.testing.assert_array_equal(getattr(given, name), getattr(kept, name))


@EVERY
def test_the_seed_decides(alteration):
    first, second = (
        alteration(material(), share_in_the_middle(), np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("alteration", ADDED, ids=lambda each: each.__name__)
def test_added_noise_has_a_strength_in_shares_of_the_grain(alteration):
    given, share = material(), share_in_the_middle()
    strengths = [
        (alteration(given, share, np.random.default_rng(seed)) - given.pixels).std()
        / grain(given.pixels, share)
        for seed in range(20)
    ]
    assert 0.25 < min(strengths) < max(strengths) < 2.6


def test_a_round_trip_smooths_and_keeps_what_is_coarse():
    given = material().pixels
    back = grid.round_trip(given, np.random.default_rng(1))
    assert detail(back, 0.8).std() < detail(given, 0.8).std()
    assert (
        np.abs(gaussian_filter(back, 4.0) - gaussian_filter(given, 4.0))[12:-12, 12:-12].mean()
        < 0.1
    )


def test_between_slices_lies_between_them():
    given = material()
    mixed = [
        grid.between_slices(given, share_in_the_middle(), np.random.default_rng(seed))
        for seed in range(12)
    ]
    assert min(each.std() for each in mixed) < 0.85 * given.pixels.std()


def test_outside_the_edit_not_one_value_changes(monkeypatch):
    monkeypatch.setattr(alterations, "PROCESSED_SHARE", 0.0)
    for seed in range(60):
        given, rng = material(seed), np.random.default_rng(seed)
        altered = alter(given, rng)
        untouched = altered.counted & ~altered.label.any(axis=0)
        difference = np.abs(altered.pixels - given.pixels)[untouched]
        # Up to 2 % of the edit reaches beyond what counts as edited.
        assert difference.size == 0 or np.quantile(difference, 0.5) < 1e-5
        assert (altered.kind == "") == (
            not altered.label.any()
            and altered.counted.all()
            and np.allclose(altered.pixels, given.pixels, atol=1e-5)
        )


def test_labels_name_one_form_and_leave_the_soft_edge_out():
    kinds, seen = {each.__name__ for each in (*ADDED, *REPLACED)}, set()
    for seed in range(120):
        altered = alter(material(seed), np.random.default_rng(seed))
        seen.add(altered.kind)
        assert altered.label.any(axis=(1, 2)).sum() <= 1
        assert altered.counted[altered.label.any(axis=0)].all()
        if altered.label[0].any():
            assert altered.kind in {each.__name__ for each in ADDED}
    assert seen <= kinds | {""}
    assert len(seen) > 9


def test_values_stay_whole_grey_levels():
    for seed in range(10):
        steps = alter(material(seed), np.random.default_rng(seed)).pixels / 0.05
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-2)


def test_processing_a_whole_crop_is_no_edit(monkeypatch):
    monkeypatch.setattr(alterations, "PROCESSED_SHARE", 1.0)
    monkeypatch.setattr(alterations, "GENUINE_SHARE", 1.0)
    altered = alter(material(), np.random.default_rng(2))
    assert not altered.label.any()
    assert altered.counted.all()
    assert not np.allclose(altered.pixels, material().pixels)


def test_edits_lie_anywhere_in_the_crop():
    """Were they drawn to the middle, the border of a crop would tell where they are."""
    shares = [draw_share(SIZE, np.random.default_rng(seed)) for seed in range(400)]
    often = np.mean(shares, axis=0)
    ring = often[:16].mean(), often[24:40, 24:40].mean()
    assert ring[0] > 0.45 * ring[1]
    assert all(share.min() >= 0 and share.max() <= 1 for share in shares)


def test_a_flat_field_has_unit_size_without_dividing_by_zero():
    assert np.isfinite(unit(np.zeros((4, 4)))).all()
