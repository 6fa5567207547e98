"""Manipulations change their disk and nothing else."""

import numpy as np
import pytest
from scipy import ndimage

from dfd.phantom.tamper import (
    NOISE_OVER_LOCAL,
    add_noise,
    copy_move,
    disk,
    feather,
    local_noise,
    smooth_fill,
)
from dfd.records import Region

REGION, SOURCE = Region(40.0, 50.0, 12.0), Region(90.0, 80.0, 12.0)


@pytest.fixture
def image(rng):
    smooth = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 1.0)
    return np.rint(50.0 + 15.0 * smooth / smooth.std()).astype(np.float32)


def tampered(name, image):
    if name == "noise":
        return add_noise(np.random.default_rng(3), image, REGION)
    return copy_move(image, REGION, SOURCE) if name == "copy" else smooth_fill(image, REGION)


@pytest.mark.parametrize("name", ["noise", "copy", "fill"])
def test_nothing_changes_outside_and_all_is_whole(image, name):
    before = image.copy()
    result = tampered(name, image)
    mask = disk(image.shape, REGION)
    assert np.array_equal(image, before)
    assert np.array_equal(result[~mask], image[~mask])
    assert (result[mask] != image[mask]).mean() > 0.6
    assert np.array_equal(result, np.rint(result))
    assert result.dtype == np.float32


def test_added_noise_is_a_set_part_of_the_local_noise(image):
    added = (tampered("noise", image) - image)[disk(image.shape, REGION)]
    assert added.std() == pytest.approx(NOISE_OVER_LOCAL * local_noise(image, REGION), rel=0.15)
    assert local_noise(image, REGION) == pytest.approx(15.0, rel=0.3)


def test_copy_is_exact_inside_the_feathered_edge(image):
    result = tampered("copy", image)
    whole = feather(image.shape, REGION) == 1.0
    assert whole.sum() > 200
    assert np.array_equal(result[whole], np.roll(image, (-30, -50), axis=(0, 1))[whole])


def test_feather_is_two_to_three_pixels_wide():
    line = feather((128, 128), REGION)[50, 40:60]
    partial = (line > 0.0) & (line < 1.0)
    assert 2 <= partial.sum() <= 3
    assert line[12] == 0.0


def test_fill_leaves_the_noise_out(image):
    middle = disk(image.shape, Region(40.0, 50.0, 8.0))
    assert tampered("fill", image)[middle].std() < 0.4 * image[middle].std()
