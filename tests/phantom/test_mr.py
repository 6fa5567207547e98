"""MR: what was not measured is empty, noise is as asked, the same seed gives the same slice."""

import numpy as np
import pytest

from dfd.phantom import MrScan, draw_anatomy, mr_slice
from dfd.phantom.mr import STORED_PER_UNIT, acquire, coil_images

SCAN = MrScan(size=128)


@pytest.fixture(scope="module")
def anatomy():
    return draw_anatomy(np.random.default_rng(6))


@pytest.fixture(scope="module")
def kspace(anatomy):
    return acquire(np.random.default_rng(1), anatomy, -40.0, SCAN)


def test_full_scan_measures_160_by_192_of_256():
    assert MrScan().matrix == (160, 192)
    assert MrScan().spacing_mm == pytest.approx(1.4)


def test_band_that_was_not_measured_is_empty(kspace):
    rows, columns = SCAN.matrix
    measured = np.zeros((128, 128), dtype=bool)
    measured[64 - rows // 2 : 64 + rows // 2, 64 - columns // 2 : 64 + columns // 2] = True
    assert (kspace[:, ~measured] == 0.0).all()
    assert (np.abs(kspace[:, measured]) > 0.0).all()
    spectrum = np.fft.fftshift(np.abs(np.fft.fft2(coil_images(kspace))) ** 2, axes=(1, 2))
    assert spectrum[:, ~measured].mean() < 1e-6 * spectrum[:, measured].mean()


def test_noise_in_a_coil_image_is_as_asked(anatomy):
    quiet, loud = (
        coil_images(
            acquire(np.random.default_rng(1), anatomy, -40.0, MrScan(size=128, noise=level))
        )
        for level in (0.0, 0.05)
    )
    assert quiet.dtype == np.complex64
    # Coil phases are drawn between the noise of coils; only the first coil is the same in both.
    difference = (loud - quiet)[0]
    assert difference.real.std() == pytest.approx(0.05, rel=0.1)
    assert difference.imag.std() == pytest.approx(0.05, rel=0.1)


def test_zero_filling_makes_neighbours_alike(anatomy):
    noise = mr_slice(np.random.default_rng(1), anatomy, -40.0, SCAN)[:18, :]
    noise = noise - noise.mean()
    assert (noise[1:] * noise[:-1]).mean() / noise.var() > 0.15


def test_slice_is_whole_numbers_with_dark_lung_and_bright_fat(anatomy):
    image = mr_slice(np.random.default_rng(1), anatomy, -40.0)
    assert image.shape == (256, 256)
    assert np.array_equal(image, np.rint(image))
    assert image.min() >= 0.0
    assert image.max() <= 4095.0
    assert np.quantile(image, 0.99) > 0.5 * STORED_PER_UNIT
    assert np.median(image[110:150, 60:80]) < 0.35 * np.quantile(image, 0.9)


def test_anatomy_lies_where_the_header_says(anatomy):
    """The skin is as far from the middle of the matrix on both sides.

    And where the model has it, to a fraction of a pixel.
    """
    image = mr_slice(np.random.default_rng(1), anatomy, -40.0, MrScan(noise=0.0))
    section = anatomy.section(-40.0)
    skin = [part.include[0] for part in section.parts if part.tissue == "skin"]
    half_width = max(
        section.discs.centres[index, 0] + np.sqrt(section.discs.shapes[index, 0, 0])
        for index in skin
    )
    row = image[127:129].mean(axis=0)

    def edge(profile):
        level = 0.25 * profile.max()
        first = int(np.argmax(profile > level))
        return first - (profile[first] - level) / (profile[first] - profile[first - 1])

    left, right = (edge(row) - 127.5) * 1.4, (127.5 - edge(row[::-1])) * 1.4
    assert (left + right) / 2.0 == pytest.approx(0.0, abs=0.25)
    assert (right - left) / 2.0 == pytest.approx(half_width, abs=1.0)


def test_same_seed_same_slice(anatomy):
    first, again, other = (
        mr_slice(np.random.default_rng(seed), anatomy, -40.0, SCAN) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
