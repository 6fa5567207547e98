"""Points become disks: inside the slice, in millimetres where there are any."""

from __future__ import annotations

import numpy as np
import pytest

from dfd.errors import PointsError
from dfd.modalities import MODALITIES
from dfd.records import Point, ScanFacts, Slice, SliceRef
from dfd.regions import SMALLEST_PX, radius_in_words, region_of, shape_note

CT = MODALITIES["ct_lung"]


def scan(spacing: tuple[float, float] | None, shape: tuple[int, int] = (40, 60)) -> Slice:
    from pathlib import Path

    pixels = np.zeros(shape, dtype=np.float32)
    return Slice(
        SliceRef(Path("a.dcm")), ScanFacts(spacing_mm=spacing), pixels, np.ones(shape, dtype=bool)
    )


def test_the_usual_radius_is_the_modalitys_in_mm() -> None:
    region = region_of(Point(2, "a", 30.5, 12.0), scan((0.5, 0.5)), CT)
    assert (region.x, region.y, region.radius_mm) == (30.5, 12.0, CT.radius_mm)
    assert region.radius_px == pytest.approx(20.0)


def test_a_radius_of_its_own_wins() -> None:
    region = region_of(Point(2, "a", 5, 5, radius_mm=8.0), scan((0.8, 0.8)), CT)
    assert region.radius_px == pytest.approx(10.0)
    assert region.radius_mm == 8.0


def test_oblong_pixels_are_split_by_the_geometric_mean() -> None:
    region = region_of(Point(2, "a", 5, 5, radius_mm=12.0), scan((0.5, 2.0)), CT)
    assert region.radius_px == pytest.approx(12.0)


def test_a_small_radius_is_widened_to_what_can_be_measured() -> None:
    assert (
        region_of(Point(2, "a", 5, 5, radius_mm=1.0), scan((0.7, 0.7)), CT).radius_px == SMALLEST_PX
    )


def test_without_spacing_pixels_count() -> None:
    region = region_of(Point(2, "a", 5, 5), scan(None), CT)
    assert region.radius_px == CT.radius_px
    assert region.radius_mm is None


def test_millimetres_without_spacing_are_refused() -> None:
    with pytest.raises(
        PointsError, match=r"row 7: 'a' has no pixel spacing.*leave the radius empty"
    ):
        region_of(Point(7, "a", 5, 5, radius_mm=4.0), scan(None), CT)


@pytest.mark.parametrize(
    ("x", "y", "name", "last"),
    [
        (-1, 5, "X", 59),
        (60, 5, "X", 59),
        (5, -0.6, "Y", 39),
        (5, 39.6, "Y", 39),
        (float("nan"), 5, "X", 59),
    ],
)
def test_points_outside_are_refused_with_the_range(
    x: float, y: float, name: str, last: int
) -> None:
    with pytest.raises(
        PointsError,
        match=rf"row 3: {name} = \S+ lies outside 'a', whose {name} runs from 0 to {last}",
    ):
        region_of(Point(3, "a", x, y), scan((1.0, 1.0)), CT)


@pytest.mark.parametrize(("x", "y"), [(-0.5, -0.5), (59.5, 39.5), (0, 0), (59, 39)])
def test_the_border_pixels_are_inside(x: float, y: float) -> None:
    assert region_of(Point(3, "a", x, y), scan((1.0, 1.0)), CT).x == x


@pytest.mark.parametrize(
    ("radius_mm", "spacing", "words"),
    [
        (10.0, (0.7, 0.7), "radius 10.0 mm"),
        (10.0, (0.5, 0.9), "radius 13.4 mm across, 7.5 mm down"),
        (None, (0.7, 0.7), "radius 14.9 px"),
        (10.0, None, "radius 14.9 px"),
    ],
)
def test_a_radius_is_told_each_way_where_pixels_are_oblong(
    radius_mm: float | None, spacing: tuple[float, float] | None, words: str
) -> None:
    assert radius_in_words(14.907, radius_mm, spacing) == words


def test_a_region_that_is_no_disk_in_mm_has_a_note() -> None:
    assert shape_note(None) == shape_note((0.7, 0.7)) == ()
    assert shape_note((0.5, 0.9)) == (
        (
            "the region is a disk of pixels, which are 0.9 mm wide and 0.5 mm high, so its radius "
            "in mm is a mean"
        ),
    )
