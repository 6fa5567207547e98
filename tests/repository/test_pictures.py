"""Pictures of the strangest places: which there are, what they show, and that the report does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dfd.outputs.outlines import OUTLINE
from dfd.repository.models import PlannedModel
from dfd.repository.parts import Part, picture_name
from dfd.repository.pictures import SIZE, write_pictures
from dfd.repository.series_task import SeriesTask
from tests.dicom_maker import make_pixels, make_slice
from tests.repository.conftest import Evidence, screen

MODEL = "ab" * 32
SERIES = "c" * 16
SLICES = 5


@pytest.fixture
def task(tmp_path: Path) -> SeriesTask:
    """Five slices of which the fourth is bright and the others are dark."""
    root = tmp_path / "scans"
    for number in range(SLICES):
        pixels = make_pixels((64, 64)) + np.uint16(1000 if number == 3 else 0)
        pixels -= np.uint16(0 if number == 3 else 900)
        make_slice(
            root / f"{number}.dcm", pixels, ImagePositionPatient=[0, 0, number], InstanceNumber=1
        )
    files = tuple(f"{number}.dcm" for number in range(SLICES))
    model = PlannedModel("m", "ct_lung", MODEL)
    return SeriesTask(SERIES, "d", str(root), files, str(tmp_path), model, "cpu")


def region(rank: int, **changed: object) -> dict[str, Any]:
    place = {"rank": rank, "x": 30.0, "y": 34.0, "radius_px": 6.0, "radius_mm": 4.0}
    return {**place, "first_slice": 3, "last_slice": 5, **changed}


def part(p_value: float | None, *regions: Mapping[str, Any]) -> Part:
    return Part(SERIES, "d", MODEL, "scored", p_value=p_value, regions=tuple(regions))


def shown(task: SeriesTask) -> dict[str, bytes]:
    folder = Path(task.output) / "pictures"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def pixels_of(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content)) as image:
        assert not image.info
        return np.asarray(image)


def test_an_unusual_series_has_three_and_any_other_one(task: SeriesTask) -> None:
    regions = [region(rank) for rank in range(1, 6)]
    write_pictures(task, part(0.04, *regions))
    assert list(shown(task)) == [picture_name(SERIES, MODEL, rank) for rank in (1, 2, 3)]
    # What an earlier answer showed is gone; another series is left alone.
    other = Path(task.output) / "pictures" / picture_name("e" * 16, MODEL, 1)
    other.write_bytes(b"")
    write_pictures(task, part(0.06, *regions))
    assert list(shown(task)) == [picture_name(SERIES, MODEL, 1), other.name]
    write_pictures(task, part(None))
    assert list(shown(task)) == [other.name]


def test_it_shows_the_outlined_place_on_its_slice(task: SeriesTask) -> None:
    # The middle of slices 3 to 5 is the fourth, which is bright.
    write_pictures(task, part(0.01, region(1), region(2, strongest_slice=3)))
    bright, dark = (pixels_of(content) for content in shown(task).values())
    assert bright.shape == dark.shape == (SIZE, SIZE, 3)
    assert bright[:9].min() == 255
    assert dark[:9].max() < 128
    # 4 radii to each side: the circle of one radius takes a quarter of the side.
    columns = np.nonzero((dark == OUTLINE).all(axis=2))[1]
    across = (columns.max() - columns.min()) / SIZE
    assert across == pytest.approx(1 / 4, abs=0.02)
    assert (columns.max() + columns.min()) / 2 == pytest.approx(SIZE / 2, abs=2)


def test_the_same_place_gives_the_same_bytes(task: SeriesTask) -> None:
    found = []
    for _ in range(2):
        write_pictures(task, part(0.01, region(1), region(2, x=1.0, y=63.0)))
        found.append(shown(task))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "changed", [{"first_slice": None}, {"first_slice": 9, "last_slice": 9}, {"gone": True}]
)
def test_a_place_that_cannot_be_shown_costs_no_answer(
    task: SeriesTask, changed: dict[str, object]
) -> None:
    if changed.pop("gone", False):
        for name in task.files:
            (Path(task.root) / name).unlink()
    write_pictures(task, part(0.01, region(1, **changed)))
    assert shown(task) == {}


class Located(Evidence):
    """Answers with a place that lies on slices."""

    def screen_series(self, task: SeriesTask) -> Part:
        found = super().screen_series(task)
        regions = tuple(
            {**each, **region(1, first_slice=1, last_slice=2)} for each in found.regions
        )
        return replace(found, p_value=1e-4, regions=regions)


@pytest.mark.parametrize("anonymous", [True, False])
def test_the_report_shows_them(
    repository: Path, tmp_path: Path, anonymous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = Located()
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    table = screen(repository, tmp_path / "out", anonymous=anonymous)
    scored = [row for row in table if row["status"] == "scored"]
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == len(scored) == 3
    (details,) = (tmp_path / "out" / "report").glob("details-*.js")
    for row in scored:
        name = picture_name(row["series"], row["model"], 1)
        address = f"report/{row['series']}-1.png" if anonymous else f"pictures/{name}"
        assert f'"{address}"' in details.read_text()
        assert (tmp_path / "out" / address).is_file()
