"""A random chest: every tissue where it belongs, smooth from slice to slice."""

import numpy as np
import pytest

from dfd.phantom import draw_anatomy
from dfd.phantom.geometry import in_part, paint

AXIS = np.arange(-178.0, 179.0, 1.4)


def hu_image(anatomy, height):
    return paint(anatomy.section(height), dict(anatomy.hu), AXIS, AXIS) + anatomy.hu["air"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("height", [25.0, -20.0, -60.0, -95.0])
def test_each_part_lies_in_the_tissue_it_replaces(seed, height):
    """Tissues never add up to a CT number that no tissue has; only the mottle of the lung may."""
    anatomy = draw_anatomy(np.random.default_rng(seed))
    image = hu_image(anatomy, height)
    lung = image < -700.0
    allowed = np.array(list(anatomy.hu.values()))
    off = np.abs(image[..., None] - allowed).min(axis=2) > 1e-6
    # Vessels and nodules lie on mottled lung and differ from their number by a few shades of it.
    off &= (
        ~lung
        & (np.abs(image - anatomy.hu["vessel"]) > 120.0)
        & (np.abs(image - anatomy.hu["nodule"]) > 120.0)
    )
    assert off.mean() < 0.0003


def test_chest_has_two_lungs_a_spine_and_air_round_it():
    anatomy = draw_anatomy(np.random.default_rng(3))
    image = hu_image(anatomy, -45.0)
    lung = (image > -950.0) & (image < -700.0)
    body = image > -700.0
    half = AXIS.size // 2
    assert 0.1 < lung[:, :half].mean() < 0.4
    assert 0.1 < lung[:, half:].mean() < 0.4
    assert body.mean() > 0.25
    assert (image[:20, :20] == -1000.0).all()
    assert (image[:, half - 3 : half + 3] > 400.0).any()


def test_neighbouring_slices_share_the_anatomy():
    anatomy = draw_anatomy(np.random.default_rng(5))
    here, next_one, far = (hu_image(anatomy, height) for height in (-50.0, -52.5, -90.0))
    near_change, far_change = np.abs(here - next_one).mean(), np.abs(here - far).mean()
    assert 0.0 < near_change < 0.5 * far_change


def test_vessels_stay_in_their_lung():
    anatomy = draw_anatomy(np.random.default_rng(8))
    section = anatomy.section(-50.0)
    lungs = np.zeros((AXIS.size, AXIS.size), dtype=bool)
    vessels = np.zeros_like(lungs)
    for part in section.parts:
        if part.tissue in {"lung", "vessel"}:
            (lungs if part.tissue == "lung" else vessels)[
                in_part(section, part, AXIS[None, :], AXIS[:, None])
            ] = True
    assert vessels.sum() > 200
    assert not (vessels & ~lungs).any()


def test_people_differ_and_the_seed_decides():
    images = [hu_image(draw_anatomy(np.random.default_rng(seed)), -40.0) for seed in (1, 1, 2)]
    assert np.array_equal(images[0], images[1])
    assert np.abs(images[0] - images[2]).mean() > 20.0
