"""CT: line integrals against geometry, HU against truth, noise against what scanners show."""

import numpy as np
import pytest

from dfd.phantom import CtScan, ct_slice, draw_anatomy, scan_ct
from dfd.phantom.assembly import Assembly
from dfd.phantom.ct import WATER_PER_MM, count_photons, project, reconstruct, view_angles
from dfd.phantom.geometry import Section, cut, paint

HEIGHT = -60.0


@pytest.fixture(scope="module")
def anatomy():
    return draw_anatomy(np.random.default_rng(6))


@pytest.fixture(scope="module")
def noise(anatomy):
    """Noise alone, HU, of both kernels at full size: with photons less without."""
    found = {}
    section = anatomy.section(HEIGHT)
    for kernel in ("soft", "sharp"):
        scan = CtScan(kernel=kernel)
        exact = project(section, anatomy.hu, scan)
        counted = count_photons(np.random.default_rng(1), exact, scan)
        found[kernel] = 1000.0 * reconstruct(counted - exact, scan) / WATER_PER_MM
    return found


def heart(image):
    """A piece of soft tissue in the middle of the chest."""
    rows, columns = image.shape
    return image[int(0.4 * rows) : int(0.5 * rows), int(0.5 * columns) : int(0.6 * columns)]


def correlation(noise, rows, columns):
    shifted = noise[rows:, columns:]
    base = noise[: noise.shape[0] - rows, : noise.shape[1] - columns]
    return float((base * shifted).mean() / noise.var())


def test_rays_through_a_disk_see_its_chords():
    assembly = Assembly()
    outer = assembly.solid((30.0, -20.0, 0.0), (50.0, 50.0, 50.0))
    hole = assembly.solid((40.0, -20.0, 0.0), (15.0, 15.0, 15.0))
    assembly.fill([outer], ("water", "air"), [hole])
    scan = CtScan(size=256)
    found = project(
        Section(cut(assembly.solids(), 0.0), tuple(assembly.parts)),
        {"water": 0.0, "air": -1000.0},
        scan,
    )
    angle = view_angles(scan)[:, None]
    offset = (np.arange(scan.detectors) - (scan.detectors - 1) / 2.0) * scan.pitch_mm

    def chord(x, y, radius):
        return 2.0 * np.sqrt(
            np.maximum(radius**2 - (offset - x * np.cos(angle) - y * np.sin(angle)) ** 2, 0.0)
        )

    expected = WATER_PER_MM * (chord(30.0, -20.0, 50.0) - chord(40.0, -20.0, 15.0))
    assert found.mean() == pytest.approx(expected.mean(), rel=1e-4)
    # The aperture of an element blurs the edges of a shadow, nothing else.
    assert np.quantile(np.abs(found - expected), 0.99) < 0.02


def test_reconstruction_gives_back_the_ct_numbers(anatomy):
    scan = CtScan(size=256)
    image = 1000.0 * (
        reconstruct(project(anatomy.section(HEIGHT), anatomy.hu, scan), scan) / WATER_PER_MM - 1.0
    )
    axis = (np.arange(256) - 127.5) * scan.spacing_mm
    truth = paint(anatomy.section(HEIGHT), dict(anatomy.hu), axis, axis) - 1000.0
    assert np.median(image - truth) == pytest.approx(0.0, abs=2.0)
    assert np.median(np.abs(image - truth)[80:176, 80:176]) < 8.0


def test_slices_are_whole_hu_in_range(anatomy):
    image = ct_slice(np.random.default_rng(2), anatomy, HEIGHT, "sharp", 1.0e5)
    assert image.shape == (512, 512)
    assert image.dtype == np.float32
    assert np.array_equal(image, np.rint(image))
    assert image.min() >= -1024.0
    assert image.max() <= 3071.0


@pytest.mark.parametrize(("kernel", "low", "high"), [("soft", 8.0, 20.0), ("sharp", 30.0, 50.0)])
def test_noise_of_soft_tissue_is_that_of_a_chest_protocol(noise, kernel, low, high):
    assert low < heart(noise[kernel]).std() < high


def test_noise_is_coloured_by_the_kernel(noise):
    soft, sharp = heart(noise["soft"]), heart(noise["sharp"])
    for patch in (soft, sharp):
        # Neighbours in white noise would correlate by less than 4 / sqrt(pixels) = 0.08.
        assert (
            max(
                abs(correlation(patch, 0, 1)),
                abs(correlation(patch, 1, 0)),
                abs(correlation(patch, 1, 1)),
            )
            > 0.08
        )
    assert correlation(soft, 0, 1) > correlation(sharp, 0, 1) + 0.2
    assert correlation(soft, 1, 0) > correlation(sharp, 1, 0) + 0.2


def test_noise_lacks_low_frequencies_as_the_ramp_demands(noise):
    power = (
        np.abs(np.fft.fft2(heart(noise["soft"]) * np.outer(np.hanning(52), np.hanning(51)))) ** 2
    )
    radius = np.hypot(np.fft.fftfreq(52)[:, None], np.fft.fftfreq(51)[None, :])
    lowest, middle, highest = (
        power[(radius >= low) & (radius < high)].mean()
        for low, high in ((0.03, 0.07), (0.12, 0.22), (0.42, 0.5))
    )
    assert middle > 1.5 * lowest
    assert middle > 10.0 * highest


def test_noise_falls_with_the_root_of_the_photons(anatomy):
    scans = [CtScan(size=128, photons=photons) for photons in (50_000.0, 200_000.0)]
    exact = project(anatomy.section(HEIGHT), anatomy.hu, scans[0])
    noise = [
        reconstruct(count_photons(np.random.default_rng(4), exact, scan) - exact, scan)[
            40:88, 40:88
        ]
        for scan in scans
    ]
    assert noise[0].std() / noise[1].std() == pytest.approx(2.0, rel=0.1)


def test_slices_have_independent_noise(anatomy):
    scan, source = CtScan(size=128, kernel="sharp"), np.random.default_rng(9)
    one, two, three = (heart(scan_ct(source, anatomy, HEIGHT, scan)) for _ in range(3))
    assert abs(np.corrcoef((one - two).ravel(), three.ravel())[0, 1]) < 0.3
    assert not np.array_equal(one, two)
