"""Pseudo-forgeries: edits stand where the label says, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from dfd import alterations
from dfd.alterations import (
    ADDED,
    REPLACED,
    Material,
    alter,
    copies,
    encoding,
    genuine,
    grid,
    regenerated,
)
from dfd.alterations.copies import copied
from dfd.alterations.material import detail, grain, unit
from dfd.alterations.shapes import draw_share

SIZE = 64
EVERY = pytest.mark.parametrize(
    "alteration", [*dict.fromkeys(ADDED), *dict.fromkeys(REPLACED)], ids=lambda each: each.__name__
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


@pytest.mark.parametrize("alteration", dict.fromkeys(ADDED), ids=lambda each: each.__name__)
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
    monkeypatch.setattr(alterations, "BODIES_SHARE", 0.0)
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


@pytest.mark.parametrize("share", ["PROCESSED_SHARE", "BODIES_SHARE"])
def test_processing_a_whole_crop_and_bodies_in_it_are_no_edit(monkeypatch, share):
    for name in ("PROCESSED_SHARE", "BODIES_SHARE"):
        monkeypatch.setattr(alterations, name, float(name == share))
    monkeypatch.setattr(alterations, "GENUINE_SHARE", 1.0)
    for seed in range(12):
        altered = alter(material(), np.random.default_rng(seed))
        assert not altered.label.any()
        assert altered.counted.all()
        assert not np.allclose(altered.pixels, material().pixels)


def test_bodies_leave_the_grain_as_it_is():
    """A lesion of the scanner's own has the scanner's own noise."""
    given = material(step=0.0001)
    for seed in range(12):
        changed = genuine.with_bodies(given, np.random.default_rng(seed))
        added = changed.pixels - given.pixels
        assert np.abs(added).max() > 1.0
        assert detail(detail(added, 0.8), 0.8).std() < 0.12 * np.abs(added).max()
        np.testing.assert_array_equal(changed.donor, given.donor)


def test_processing_changes_all_images_alike():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        given = material()
        changed = genuine.processed(given, rng)
        ratios = [
            detail(getattr(changed, name), 0.8).std() / detail(getattr(given, name), 0.8).std()
            for name in ("pixels", "donor", "above")
        ]
        assert max(ratios) / min(ratios) < 1.2


def test_networks_that_draw_anew_are_used():
    def flat(pixels: np.ndarray, share: np.ndarray) -> np.ndarray:
        return np.full_like(pixels, 3.0)

    given = replace(material(), regenerate=(flat,))
    put = regenerated.drawn(given, share_in_the_middle(), np.random.default_rng(0))
    assert (put == 3.0).all()


def copied_by(matrix: np.ndarray, image: np.ndarray, size: int, seed: int = 1) -> np.ndarray:
    return copied(image, ((40, 30), (60, 60)), size, matrix, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_depends_on_what_is_drawn_alone(seed):
    image = np.random.default_rng(seed).normal(size=(90, 80)).astype(np.float32)
    matrix = copies.drawn_transform(np.random.default_rng(seed))
    put = copied_by(matrix, image, 17, seed)
    assert put.shape == (17, 17)
    assert put.dtype == np.float32
    np.testing.assert_array_equal(put, copied_by(matrix, image, 17, seed))


def test_a_copy_as_it_is_repeats_every_value(monkeypatch):
    monkeypatch.setattr(copies, "LEVELLED_SHARE", 0.0)
    image = np.random.default_rng(0).normal(size=(90, 80)).astype(np.float32)
    put = copied_by(np.eye(2), image, 16)
    np.testing.assert_array_equal(put, image[32:48, 22:38])


def test_copies_are_turned_only_where_they_may_be():
    rng = np.random.default_rng(0)
    kept = [copies.drawn_transform(rng, turned=False) for _ in range(40)]
    assert {tuple(np.abs(each).ravel()) for each in kept} == {(1.0, 0.0, 0.0, 1.0)}
    assert {np.linalg.det(each) for each in kept} == {1.0, -1.0}
    drawn = [copies.drawn_transform(rng) for _ in range(40)]
    sizes = [1.0 / np.sqrt(abs(np.linalg.det(each))) for each in drawn]
    assert min(sizes) < 0.9 < 1.1 < max(sizes)


def test_blocks_of_cosines_are_coarser_with_larger_steps():
    given = material().pixels[:61, :50]
    fine, coarse = (encoding.in_blocks(given, step) for step in (1e-4, 3.0))
    np.testing.assert_allclose(fine, given, atol=1e-3)
    assert np.abs(coarse - given).mean() > 0.2


def test_edits_lie_anywhere_in_the_crop():
    """Were they drawn to the middle, the border of a crop would tell where they are."""
    shares = [draw_share(SIZE, np.random.default_rng(seed)) for seed in range(400)]
    often = np.mean(shares, axis=0)
    ring = often[:16].mean(), often[24:40, 24:40].mean()
    assert ring[0] > 0.45 * ring[1]
    assert all(share.min() >= 0 and share.max() <= 1 for share in shares)


def test_a_flat_field_has_unit_size_without_dividing_by_zero():
    assert np.isfinite(unit(np.zeros((4, 4)))).all()


@pytest.mark.parametrize("order", [1, 3])
def test_values_on_a_grid_are_those_of_scipy(order):
    image = material().pixels[:50]
    rows, columns = np.linspace(-6.0, 57.0, 41), np.linspace(2.3, 70.0, 83)
    found = grid.on_grid(image, rows, columns, order)
    places = np.meshgrid(rows, columns, indexing="ij")
    wanted = map_coordinates(image, places, order=order, mode="nearest")
    assert found.shape == (41, 83)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_window_of_a_turned_crop_is_a_part_of_it():
    image, window = material().pixels, (slice(8, 40), slice(20, 64))
    whole = grid.turned(image, np.random.default_rng(2))
    part = grid.turned(image, np.random.default_rng(2), window=window)
    np.testing.assert_allclose(part, whole[window], atol=1e-4)


def test_flat_crops_are_processed_without_dividing_by_zero():
    """A donor that lies beside the body has no noise."""
    flat = np.zeros((SIZE, SIZE), np.float32)
    for seed in range(40):
        changed = genuine.processed(Material(flat, flat, flat, 0.05), np.random.default_rng(seed))
        np.testing.assert_array_equal(changed.pixels, flat)
