"""Two reconstructions of one acquisition agree, whatever their kernels.

An edit of one of them is seen, and too little says nothing.
"""

from __future__ import annotations

import numpy as np
import pytest

from dfd.context.reconstruction_agreement import FAR, LEAST_REPORTED_HU, NEAR, Comparison, Content
from dfd.intensity import assessed_pixels
from dfd.modalities import MODALITIES
from dfd.phantom.anatomy import Anatomy
from dfd.phantom.ct import scan_ct
from dfd.phantom.dicom import CT_THICKNESS_MM, ct_scan, plan_series
from dfd.prediction.masks import disk
from dfd.records import FloatImage, Region

CT = MODALITIES["ct_lung"]
SIZE, RADIUS = 256, 7.0
PLACES = [(90.0, 130.0), (128.0, 90.0), (170.0, 140.0), (110.0, 160.0)]


@pytest.fixture(scope="module")
def kernels() -> tuple[FloatImage, FloatImage]:
    """One phantom slice in two kernels, the same photons in both."""
    made = []
    for kernel in ("soft", "sharp"):
        plan = plan_series(6, "c", 1, CT_THICKNESS_MM)
        assert isinstance(plan.anatomy, Anatomy)
        made.append(
            scan_ct(next(iter(plan.noise)), plan.anatomy, plan.heights_mm[0], ct_scan(kernel, SIZE))
        )
    return made[0], made[1]


@pytest.mark.parametrize(("x", "y"), PLACES)
def test_two_kernels_of_one_scan_are_never_told_apart(
    kernels: tuple[FloatImage, FloatImage], x: float, y: float
) -> None:
    assert Comparison(*kernels, CT).of(Region(x, y, RADIUS)).content is not Content.OTHER


def test_of_many_places_none_is_told_as_other_and_some_are_not_told_at_all(
    kernels: tuple[FloatImage, FloatImage],
) -> None:
    """What lies between usual and beyond all others is neither.

    With a lower bar some of these would be false remarks.
    """
    comparison = Comparison(*kernels, CT)
    places = np.argwhere(assessed_pixels(kernels[0], CT))[::29]
    told = [comparison.of(Region(float(x), float(y), RADIUS)) for y, x in places]
    assert not any(each.content is Content.OTHER for each in told)
    assert (
        sum(NEAR < each.deviations < 2 * FAR and each.differs > LEAST_REPORTED_HU for each in told)
        > 5
    )


@pytest.mark.parametrize("edited", [0, 1])
@pytest.mark.parametrize(("x", "y"), PLACES)
def test_an_edit_of_one_is_seen_in_both(
    kernels: tuple[FloatImage, FloatImage], edited: int, x: float, y: float
) -> None:
    pair = [image.copy() for image in kernels]
    pair[edited][disk(SIZE, SIZE, (x, y), RADIUS)] += 250.0
    for one, other in (pair, pair[::-1]):
        found = Comparison(one, other, CT).of(Region(x + 2, y - 1, RADIUS))
        assert found.content is Content.OTHER
        assert found.differs > 5 * found.usual


def test_an_offset_of_all_pixels_is_no_difference(kernels: tuple[FloatImage, FloatImage]) -> None:
    region = Region(90.0, 130.0, RADIUS)
    plain, moved = (
        Comparison(kernels[0], kernels[1] + offset, CT).of(region)
        for offset in (np.float32(0.0), np.float32(8.0))
    )
    assert moved.differs == pytest.approx(plain.differs, abs=0.5)


def test_where_little_is_measured_nothing_is_said(kernels: tuple[FloatImage, FloatImage]) -> None:
    soft, sharp = kernels
    hidden = sharp.copy()
    hidden[disk(SIZE, SIZE, (90.0, 130.0), RADIUS)] = np.nan
    assert Comparison(soft, hidden, CT).of(Region(90.0, 130.0, RADIUS)).content is Content.UNDECIDED
    nothing = np.full_like(soft, np.nan)
    assert (
        Comparison(soft, nothing, CT).of(Region(90.0, 130.0, RADIUS)).content is Content.UNDECIDED
    )
    assert (
        Comparison(soft[:40, :40], sharp[:40, :40], CT).of(Region(20.0, 20.0, RADIUS)).content
        is Content.UNDECIDED
    )
