"""Edits see a window of a crop: what comes of it is what came of the whole crop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dfd import alterations
from dfd.alterations import ADDED, REPLACED, Material, alter, edit, replacement, smoothing, warps
from dfd.alterations.encoding import posterised
from dfd.alterations.material import Alteration, kernel, normal, smooth
from dfd.alterations.shapes import REACH, SOFTEST_PX, share_at
from dfd.alterations.windows import CELL_PX, around, near, places_in

SIZE = 160
EVERY = list(dict.fromkeys((*ADDED, *REPLACED)))
LOCAL = (
    *(smoothing.blurred, smoothing.denoised, smoothing.guided, smoothing.diffused),
    *(smoothing.sharpened, warps.grown, warps.warped, posterised),
)
"""What they give depends on no noise that is drawn for the window alone."""


def material(step: float = 0.0) -> Material:
    rng = np.random.default_rng(1)
    images = (6.0 * smooth((SIZE, SIZE), 5.0, rng) + normal((SIZE, SIZE), rng) for _ in range(3))
    return Material(*images, step)


def share_of(middle: tuple[float, float], radius: float, seed: int = 3) -> np.ndarray:
    return share_at(SIZE, middle, radius, np.random.default_rng(seed))


def edited_by(
    alteration: Alteration, share: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> np.ndarray:
    monkeypatch.setattr(alterations, "REPLACED", (alteration,))
    monkeypatch.setattr(alterations, "HALO_SHARE", 0.0)
    return edit(material(), share, 1, np.random.default_rng(5))[0]


def test_a_window_holds_the_edit_and_a_margin_in_whole_cells() -> None:
    share = np.zeros((64, 72), np.float32)
    share[30:35, 3:10] = 0.001
    rows, columns = around(share, 9)
    assert (rows, columns) == (slice(16, 48), slice(0, 24))
    assert all(each.start % CELL_PX == each.stop % CELL_PX == 0 for each in (rows, columns))
    assert around(share, 200) == around(np.zeros_like(share), 4) == (slice(0, 64), slice(0, 72))


@pytest.mark.parametrize("middle", [(0.0, 0.0), (20.3, 39.9), (5.5, 31.2)])
def test_what_is_near_a_place_is_all_in_its_window(middle: tuple[float, float]) -> None:
    window = near(middle, 7.4, (24, 40))
    rows, columns = np.indices((24, 40))
    close = np.maximum(np.abs(rows - middle[0]), np.abs(columns - middle[1])) <= 7.4
    assert close[window].sum() == close.sum()
    for found, whole in zip(places_in(window), (rows, columns), strict=True):
        np.testing.assert_array_equal(np.broadcast_to(found, close[window].shape), whole[window])


def test_a_cut_knows_its_crop() -> None:
    given = material()
    window = around(share_of((50.0, 70.0), 8.0), 10)
    part = given.cut(window)
    assert given.crop is given
    assert part.crop is given
    np.testing.assert_array_equal(part.crop.donor[part.window], part.donor)
    np.testing.assert_array_equal(given.pixels[given.window], given.pixels)


@pytest.mark.parametrize("alteration", LOCAL, ids=lambda each: each.__name__)
@pytest.mark.parametrize("middle", [(80.0, 71.0), (3.0, 150.0)])
def test_a_window_gives_what_the_whole_crop_gives(
    alteration: Alteration, middle: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, share = material(), share_of(middle, 12.0)
    pixels = edited_by(alteration, share, monkeypatch)
    rng = np.random.default_rng(5)
    rng.integers(1)
    whole = given.pixels + share * (alteration(given, share, rng) - given.pixels)
    np.testing.assert_allclose(pixels, whole, atol=2e-4)


@pytest.mark.parametrize("alteration", EVERY, ids=lambda each: each.__name__)
@pytest.mark.parametrize("middle", [(80.0, 71.0), (1.0, 159.5)])
def test_where_the_share_is_0_every_value_stays(
    alteration: Alteration, middle: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    share = share_of(middle, 9.0)
    pixels = edited_by(alteration, share, monkeypatch)
    np.testing.assert_array_equal(pixels[share == 0], material().pixels[share == 0])
    assert not np.array_equal(pixels, material().pixels)


def test_surroundings_that_are_resampled_along_belong_to_the_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alterations, "HALO_SHARE", 1.0)
    given, share = material(), share_of((60.0, 40.0), 10.0)
    pixels, wider, _ = edit(given, share, 1, np.random.default_rng(0))
    assert (wider >= share).all()
    assert (wider > 0.5).sum() > 1.5 * (share > 0.5).sum()
    np.testing.assert_array_equal(pixels[wider == 0], given.pixels[wider == 0])
    ring = (wider > 0.5) & (share == 0)
    assert np.abs(pixels - given.pixels)[ring].mean() > 0.01


def test_networks_see_the_edit_and_what_is_around_it_alone() -> None:
    shown = []

    def paint(pixels: np.ndarray, share: np.ndarray) -> np.ndarray:
        shown.append((pixels.shape, np.count_nonzero(share)))
        return np.zeros_like(pixels)

    given, share = material(), share_of((80.0, 80.0), 6.0)
    picture = replacement.painted(paint, given.pixels, share)
    (shape, seen) = shown[0]
    assert seen == np.count_nonzero(share)
    assert all(side % CELL_PX == 0 and 2 * replacement.SIGHT_PX < side < 80 for side in shape)
    assert (picture[share > 0] == 0).all()
    np.testing.assert_array_equal(picture[:40], given.pixels[:40])


def test_a_crop_without_a_painter_may_be_altered_anywhere() -> None:
    for seed in range(40):
        altered = alter(replace(material(), step=0.05), np.random.default_rng(seed))
        assert np.isfinite(altered.pixels).all()


@pytest.mark.parametrize("width", [0.4, 1.0, 4.0])
def test_smooth_noise_has_the_same_size_in_windows_of_any_size(width: float) -> None:
    rng = np.random.default_rng(0)
    fields = [smooth((60, 60), width, rng) for _ in range(40)]
    assert np.std([each[10:-10, 10:-10] for each in fields]) == pytest.approx(1.0, abs=0.05)
    assert kernel(width).sum() == pytest.approx(1.0)


def test_lobes_do_not_reach_beyond_where_they_are_sought() -> None:
    for seed in range(60):
        share = share_of((80.0, 80.0), 6.0, seed)
        rows, columns = np.nonzero(share)
        far = max(np.abs(rows - 80).max(), np.abs(columns - 80).max())
        assert far < REACH * 6.0 + SOFTEST_PX
