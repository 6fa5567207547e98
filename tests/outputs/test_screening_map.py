"""The map of a slice that was screened.

Fixed colours, regions where they lie, numbers beside the picture, and nobody's name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfd.errors import OutputError
from dfd.modalities import MODALITIES
from dfd.outputs import panels, screening_map
from dfd.records import Finding, Point, ScanFacts, Screening, Slice, SliceRef, Suspicion

CT = MODALITIES["ct_lung"]
SHAPE = (120, 160)


def suspicion(x: float, y: float, expected: float) -> Suspicion:
    point = Point(2, "DOE_JANE/DOE.dcm", x, y)
    return Suspicion(
        Finding(
            point, "strongly unusual", 4.0, 1e-4, form="AI edit", reason="the grain", radius_mm=10.0
        ),
        expected,
    )


@pytest.fixture
def scan() -> Slice:
    facts = ScanFacts(unit="HU", spacing_mm=(0.7, 0.7))
    return Slice(
        SliceRef(Path("DOE_JANE/DOE.dcm")),
        facts,
        np.full(SHAPE, -850, np.float32),
        np.ones(SHAPE, bool),
    )


@pytest.fixture
def screening() -> Screening:
    values = np.full(SHAPE, 0.3, np.float32)
    values[:, :20] = np.nan
    finding = Finding(
        Point(2, "DOE_JANE/DOE.dcm"),
        "unusual",
        1.5,
        0.03,
        form="AI edit",
        reason="strange",
        radius_mm=10.0,
        extrapolated=True,
    )
    return Screening(finding, values, 12.0, (suspicion(80, 60, 0.0001), suspicion(140, 20, 0.5)))


def test_both_files_are_written_and_the_numbers_read_back(
    tmp_path: Path, scan: Slice, screening: Screening
) -> None:
    path = screening_map.write(tmp_path, 7, scan, screening, modality=CT)
    assert path == tmp_path / "maps" / "0007.png"
    assert {each.name for each in path.parent.iterdir()} == {"0007.png", "0007.tif"}
    with Image.open(path.with_suffix(".tif")) as image:
        assert image.mode == "F"
        np.testing.assert_array_equal(np.asarray(image), screening.map)
    written = path.read_bytes() + path.with_suffix(".tif").read_bytes()
    assert b"DOE" not in written
    assert b"tEXt" not in written
    screening_map.write(tmp_path, 8, scan, screening, modality=CT)
    assert (tmp_path / "maps" / "0008.png").read_bytes() == path.read_bytes()


def test_regions_are_outlined_where_they_lie(scan: Slice, screening: Screening) -> None:
    without = np.asarray(screening_map.draw(scan, replace(screening, suspicions=()), CT)).astype(
        int
    )
    drawn = np.asarray(screening_map.draw(scan, screening, CT)).astype(int)
    scale = 512 / 160
    left, top = 16, 110 + round(20 * scale)
    for panel in (left, left + 528):
        changed = np.abs(drawn[: without.shape[0]] - without[: drawn.shape[0]]).sum(axis=2)[
            : 110 + 512
        ]
        x, y = panel + round(80.5 * scale), top + round(60.5 * scale)
        assert changed[y, x + round(12 * scale) - 2 : x + round(12 * scale) + 3].max() > 200
        assert changed[y - 10 : y + 10, x - 10 : x + 10].max() == 0


def test_the_same_value_has_the_same_colour_in_every_picture() -> None:
    low, middle, high, higher, unknown = screening_map.colours(
        np.array([[0.0, 2.0, 4.0, 9.0, np.nan]], np.float32)
    )[0].astype(int)
    assert tuple(low) == (13, 8, 135)
    assert tuple(high) == tuple(higher) == (240, 249, 33)
    assert tuple(middle) not in {tuple(low), tuple(high)}
    assert tuple(unknown) == panels.NOT_ASSESSED


def test_colours_can_be_told_apart_without_colour_vision() -> None:
    lightness = screening_map.lookup_table().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[::8]) > 0).all()  # neighbours may be rounded to less


def test_many_regions_are_told_in_few_lines(scan: Slice, screening: Screening) -> None:
    many = replace(
        screening, suspicions=tuple(suspicion(10.0 * number, 60, 0.1) for number in range(12))
    )
    lone = replace(screening, suspicions=())
    heights = [screening_map.draw(scan, each, CT).height for each in (lone, screening, many)]
    assert heights[0] < heights[1] < heights[2]
    assert (heights[2] - heights[0]) // 22 == screening_map.LISTED


def test_a_map_without_spacing_or_verdict_is_drawn_all_the_same(
    scan: Slice, screening: Screening
) -> None:
    plain = replace(
        screening,
        finding=Finding(
            Point(2, "a"), "not assessable", reason="the calibration was not made for screening"
        ),
        suspicions=(),
    )
    assert (
        screening_map.draw(replace(scan, facts=ScanFacts()), plain, MODALITIES["mri_chest"]).width
        == 1072
    )


def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, scan: Slice, screening: Screening
) -> None:
    (tmp_path / "maps").write_text("a file")
    with pytest.raises(OutputError, match="maps cannot be"):
        screening_map.write(tmp_path, 1, scan, screening, modality=CT)
