"""One series through the real network and evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dfd.phantom import write_ct_series
from dfd.repository.models import models_of
from dfd.repository.screen_series import screen_series
from dfd.repository.series_task import SeriesTask
from tests.integration.processes import CT_BUNDLE

SIZE = 96


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> SeriesTask:
    """Three slices of a phantom."""
    if not (CT_BUNDLE / "models" / "model.pt").exists():
        pytest.skip("no shipped weights here")
    folder = tmp_path_factory.mktemp("series")
    files = write_ct_series(folder, seed=3, slices=3, size=SIZE)
    (model,) = models_of("ct_lung_inpainting")
    names = tuple(path.name for path in files)
    return SeriesTask("a" * 16, "b" * 16, str(folder), names, str(folder), model, "cpu")


def test_a_series_is_the_bonferroni_of_its_slices(task: SeriesTask) -> None:
    part = screen_series(task)
    assert (part.series, part.content, part.model) == ("a" * 16, "b" * 16, task.model.sha256)
    assert (part.status, part.slices) == ("scored", 3)
    alone = [screen_series(replace(task, files=(name,))).p_value for name in task.files]
    assert part.p_value == min(1.0, 3 * min(alone))
    assert part.verdict == "no anomaly found"
    assert part.fingerprints == ()
    again = screen_series(replace(task, files=task.files[::-1]))
    assert replace(again, seconds=part.seconds) == part


def test_a_region_lies_where_its_slice_says(task: SeriesTask) -> None:
    from pydicom import dcmread

    regions = screen_series(task).regions
    assert regions
    for region in regions:
        header = dcmread(Path(task.root) / task.files[region["first_slice"] - 1])
        corner, spacing = header.ImagePositionPatient, header.PixelSpacing
        assert region["x_mm"] == pytest.approx(corner[0] + region["x"] * spacing[1])
        assert region["y_mm"] == pytest.approx(corner[1] + region["y"] * spacing[0])
        assert 1 <= region["first_slice"] <= region["last_slice"] <= 3
        assert len(region["sop_uids"]) == region["last_slice"] - region["first_slice"] + 1


def test_slices_that_cannot_be_read_are_said(task: SeriesTask) -> None:
    part = screen_series(replace(task, files=("gone.dcm", *task.files)))
    assert (part.status, part.slices) == ("scored", 3)
    assert "; 1 could not be read, the first: " in part.reason
    assert "gone.dcm does not exist" in part.reason
    gone = screen_series(replace(task, files=("gone.dcm",)))
    assert gone.status == "failed"
    assert gone.reason.startswith("none of its slices could be read: ")


def test_a_series_that_means_nothing_is_not_assessable(task: SeriesTask, tmp_path: Path) -> None:
    from pydicom import dcmread

    for name in task.files:
        header = dcmread(Path(task.root) / name)
        header.LossyImageCompression = "01"
        header.save_as(tmp_path / name)
    part = screen_series(replace(task, root=str(tmp_path)))
    assert part.status == "not assessable"
    assert part.reason.startswith("The slice was compressed with loss")
    assert part.p_value is None
