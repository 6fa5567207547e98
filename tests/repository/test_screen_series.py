"""One series through the real network and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dfd.phantom import write_ct_series
from dfd.repository.models import models_of
from dfd.repository.parts import Part
from dfd.repository.screen_series import screen_series
from dfd.repository.series_task import SeriesTask
from tests.integration.processes import CT_BUNDLE
from tests.repository import edited_phantom

SIZE = 160
SLICES = 7


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> SeriesTask:
    """Slices of a phantom."""
    if not (CT_BUNDLE / "models" / "model.pt").exists():
        pytest.skip("no shipped weights here")
    folder = tmp_path_factory.mktemp("series")
    files = write_ct_series(folder, seed=3, slices=SLICES, size=SIZE)
    (model,) = models_of("ct_lung_inpainting")
    names = tuple(path.name for path in files)
    return SeriesTask("a" * 16, "b" * 16, str(folder), names, str(folder), model, "cpu")


@pytest.fixture(scope="module")
def part(task: SeriesTask) -> Part:
    """Of the series as it is."""
    return screen_series(task)


def changed(
    task: SeriesTask, folder: Path, change: object, names: Sequence[str] = ()
) -> SeriesTask:
    """The same series with ``change(header, number)`` done to every slice."""
    for number, name in enumerate(task.files):
        header = dcmread(Path(task.root) / name)
        change(header, number)  # type: ignore[operator]
        header.save_as(folder / name)
    return replace(task, root=str(folder), files=tuple(names) or task.files)


def test_a_genuine_series_is_ordinary(task: SeriesTask, part: Part) -> None:
    assert (part.series, part.content, part.model) == ("a" * 16, "b" * 16, task.model.sha256)
    assert (part.status, part.slices) == ("scored", SLICES)
    assert part.p_value is not None
    assert part.p_value > 0.05
    assert (part.verdict, part.form) == ("no anomaly found", "")
    assert part.score == pytest.approx(-np.log10(part.p_value))
    assert part.reason.startswith(
        f"no region stands out: the strangest of {SLICES} slices lies in "
    )


def test_the_order_of_the_files_does_not_matter(task: SeriesTask, part: Part) -> None:
    again = screen_series(replace(task, files=task.files[::-1]))
    assert replace(again, seconds=part.seconds) == part


@pytest.mark.slow
def test_an_edit_over_some_slices_is_listed_where_it_is(task: SeriesTask, tmp_path: Path) -> None:
    files = write_ct_series(tmp_path, seed=3, slices=5, size=edited_phantom.SIZE)
    whole = replace(task, root=str(tmp_path), files=tuple(path.name for path in files))
    before = screen_series(whole)
    edited_phantom.edit(files[1:4])
    part = screen_series(whole)
    assert before.p_value is not None
    assert part.p_value is not None
    assert part.p_value < 0.15
    assert before.p_value > 0.5
    assert part.reason.startswith(("the only region that stands out", "the strongest of "))
    first, place = part.regions[0], edited_phantom.EDIT
    assert first["form"] == "AI edit"
    assert np.hypot(first["x"] - place.x, first["y"] - place.y) <= 2 * place.radius_px
    # Files stand from the head on, slices from the feet on: in the middle are the same three.
    assert 2 <= first["strongest_slice"] <= 4
    assert first["first_slice"] <= 4
    assert first["last_slice"] >= 2
    assert first["expected_false_alarms"] <= 1.0


def test_a_region_lies_where_its_slice_says(task: SeriesTask, part: Part) -> None:
    assert part.regions
    for region in part.regions:
        header = dcmread(Path(task.root) / task.files[region["strongest_slice"] - 1])
        corner, spacing = header.ImagePositionPatient, header.PixelSpacing
        assert region["x_mm"] == pytest.approx(corner[0] + region["x"] * spacing[1])
        assert region["y_mm"] == pytest.approx(corner[1] + region["y"] * spacing[0])
        assert 1 <= region["first_slice"] <= region["last_slice"] <= SLICES
        assert len(region["sop_uids"]) == region["last_slice"] - region["first_slice"] + 1


def test_slices_that_cannot_be_read_are_said(task: SeriesTask, part: Part) -> None:
    with_one = screen_series(replace(task, files=("gone.dcm", *task.files)))
    assert (with_one.status, with_one.slices) == ("scored", SLICES)
    assert "; 1 could not be read, the first: " in with_one.reason
    assert "gone.dcm does not exist" in with_one.reason
    assert with_one.p_value == part.p_value
    gone = screen_series(replace(task, files=("gone.dcm",)))
    assert gone.status == "failed"
    assert gone.reason.startswith("none of its slices could be read: ")


def test_a_series_that_means_nothing_is_not_assessable(task: SeriesTask, tmp_path: Path) -> None:
    def lossy(header: Dataset, _: int) -> None:
        header.LossyImageCompression = "01"

    part = screen_series(changed(task, tmp_path, lossy))
    assert part.status == "not assessable"
    assert part.reason.startswith("The slice was compressed with loss")
    assert part.p_value is None


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_short_series_has_an_answer(task: SeriesTask, count: int) -> None:
    part = screen_series(replace(task, files=task.files[:count]))
    assert (part.status, part.slices) == ("scored", count)
    assert part.p_value is not None
    assert part.p_value > 0.05
    assert all(region["last_slice"] <= count for region in part.regions)


def test_a_run_does_not_reach_over_a_gap(task: SeriesTask) -> None:
    kept = tuple(name for number, name in enumerate(task.files) if number not in (2, 4))
    part = screen_series(replace(task, files=kept))
    assert part.slices == len(kept)
    for region in part.regions:
        # Of slices 1 to 5 from the feet on, the second and the third are followed by a gap.
        assert region["last_slice"] <= 2 or region["first_slice"] > 2


def test_moments_of_one_place_are_no_run(task: SeriesTask, tmp_path: Path) -> None:
    """A cine: every slice is a stack of its own."""

    def moment(header: Dataset, number: int) -> None:
        header.ImagePositionPatient = [-80.0, -80.0, 12.0]
        header.SliceLocation = "12.0"
        header.TemporalPositionIdentifier = str(number + 1)

    part = screen_series(changed(task, tmp_path, moment))
    assert (part.status, part.slices) == ("scored", SLICES)
    for region in part.regions:
        assert region["first_slice"] == region["last_slice"]


def test_a_tilted_series_is_a_run_like_any_other(
    task: SeriesTask, part: Part, tmp_path: Path
) -> None:
    """The gantry leans by 20 degrees: positions are counted along the normal."""
    lean = np.radians(20.0)

    def tilted(header: Dataset, number: int) -> None:
        header.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(lean)), float(-np.sin(lean))]

    found = screen_series(changed(task, tmp_path, tilted))
    assert (found.p_value, found.slices) == (part.p_value, SLICES)
    assert [each["first_slice"] for each in found.regions] == [
        each["first_slice"] for each in part.regions
    ]
