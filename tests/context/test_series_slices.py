"""Neighbours are found where they lie without a gap, used only then, and never sought elsewhere."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from dfd.assessment.calibrate import calibrate_network, with_neighbours
from dfd.assessment.cohort import Cohort
from dfd.assessment.genuine_sample import REGIONS_PER_SLICE, genuine_regions
from dfd.assessment.points import setting_of
from dfd.bundle.datalists import collect
from dfd.bundle.inference.inferer import as_tensor
from dfd.bundle.inference.load_context import LoadContextd
from dfd.bundle.inference.scoring import ScoreRegionsd
from dfd.bundle.reader import LoadSliced
from dfd.calibration import (
    ORDINARY,
    SERIES,
    SLICE,
    Calibration,
    fit,
    from_json,
    leave_out,
    to_json,
)
from dfd.context import adjacent
from dfd.context.adjacent_slices import IDENTICAL, AdjacentSlices
from dfd.context.series_slices import FOLDERS_KEPT, SeriesSlices
from dfd.evidence import context_families
from dfd.modalities import MODALITIES
from dfd.phantom import write_ct_series
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice
from dfd.records import Context, Evidence, Point
from tests.bundle.training.test_finalize import small_network, write_patient
from tests.dicom_maker import make_pixels, make_series, make_slice

CT = MODALITIES["ct_lung"]


def loaded(
    path: Path, frame: int | None = None, loader: LoadContextd | None = None
) -> dict[Any, Any]:
    return (loader or LoadContextd())(LoadSliced()({"image": str(path), "frame": frame}))


def test_the_slices_above_and_below_are_found_whatever_the_files_are_called(tmp_path: Path) -> None:
    files = make_series(tmp_path, [4.0, 0.0, 2.0])
    found = loaded(files[2])["context"]
    np.testing.assert_array_equal(found.below, read_slice(files[1]).pixels)
    np.testing.assert_array_equal(found.above, read_slice(files[0]).pixels)
    assert found.distances_mm == (2.0, 2.0)


@pytest.mark.parametrize("place", [0, 2])
def test_at_the_end_of_a_series_a_slice_counts_as_alone(tmp_path: Path, place: int) -> None:
    assert "context" not in loaded(make_series(tmp_path, [0.0, 2.0, 4.0])[place])


@pytest.mark.parametrize(
    ("positions", "place"),
    [([0.0, 2.0, 4.0, 8.0, 10.0], 2), ([0.0, 2.0, 4.0, 5.0, 7.0], 2), ([0.0, 2.0], 0), ([0.0], 0)],
)
def test_beside_a_gap_there_is_no_neighbour(
    tmp_path: Path, positions: list[float], place: int
) -> None:
    assert "context" not in loaded(make_series(tmp_path, positions)[place])


def test_slices_far_beyond_their_thickness_are_no_neighbours(tmp_path: Path) -> None:
    assert "context" not in loaded(make_series(tmp_path / "thinned", [0.0, 9.0, 18.0])[1])
    assert "context" in loaded(make_series(tmp_path / "spaced", [0.0, 5.0, 10.0])[1])
    assert "context" in loaded(
        make_series(tmp_path / "unknown", [0.0, 9.0, 18.0], SliceThickness=None)[1]
    )


def test_neighbours_are_of_the_same_series_and_folder(tmp_path: Path) -> None:
    (lone,) = make_series(tmp_path / "p1", [2.0])
    make_series(tmp_path / "p2", [0.0, 4.0])  # one UID, but another folder
    make_slice(tmp_path / "p1" / "other1.dcm", make_pixels(seed=5), SeriesInstanceUID="1.2.9")
    make_slice(
        tmp_path / "p1" / "other2.dcm",
        make_pixels(seed=6),
        SeriesInstanceUID="1.2.9",
        ImagePositionPatient=[0, 0, 4],
    )
    assert "context" not in loaded(lone)


def test_neighbours_are_of_the_same_phase(tmp_path: Path) -> None:
    for phase in range(2):
        for number in range(3):
            tags = {
                "ImagePositionPatient": [0, 0, 2 * number],
                "TemporalPositionIdentifier": phase + 1,
            }
            make_slice(
                tmp_path / f"{phase}{number}.dcm", make_pixels(seed=10 * phase + number), **tags
            )
    np.testing.assert_array_equal(
        loaded(tmp_path / "11.dcm")["context"].above, read_slice(tmp_path / "12.dcm").pixels
    )


def test_without_positions_there_is_no_order_to_trust(tmp_path: Path) -> None:
    assert "context" not in loaded(
        make_series(
            tmp_path, [0.0, 2.0, 4.0], ImagePositionPatient=None, ImageOrientationPatient=None
        )[1]
    )


def test_frames_of_a_volume_are_neighbours(tmp_path: Path) -> None:
    volume = np.random.default_rng(3).integers(0, 250, (40, 48, 4)).astype(np.int16)
    path = tmp_path / "volume.nii"
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    found = loaded(path, 2)["context"]
    assert sorted((found.below[0, 0], found.above[0, 0])) == sorted(
        (volume[0, 0, 1], volume[0, 0, 3])
    )
    assert found.distances_mm == (2.0, 2.0)
    assert "context" not in loaded(path, 3)


@pytest.mark.parametrize("slopes", [(1.0, 1.0, 1.0), (0.002, 0.002, 0.002), (1.0, 2.0, 0.5)])
def test_neighbours_of_another_scale_are_brought_to_that_of_the_slice(
    tmp_path: Path, slopes: tuple[float, ...]
) -> None:
    files = []
    for number, slope in enumerate(slopes):
        tags = {
            "ImagePositionPatient": [0, 0, 2 * number],
            "RescaleSlope": slope,
            "RescaleIntercept": -5.0 * slope,
        }
        pixels = np.random.default_rng(number).integers(0, 250, (40, 48)).astype(np.uint16)
        files.append(make_slice(tmp_path / f"{number}.dcm", pixels, Modality="MR", **tags))
    found, middle = loaded(files[1])["context"], read_slice(files[1])
    stated = [
        pixels * middle.rescale.slope + middle.rescale.intercept
        for pixels in (found.below, found.above)
    ]
    for number, values in zip((0, 2), stated, strict=True):
        stored = np.random.default_rng(number).integers(0, 250, (40, 48))
        np.testing.assert_allclose(
            values, (stored - 5.0) * slopes[number], rtol=1e-5, atol=1e-5 * slopes[number]
        )


def test_the_other_slices_are_named_and_read_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_series(tmp_path, [0.0, 2.0, 4.0, 6.0])
    item = loaded(files[1])
    assert not item["context"].others
    assert [ref.path for ref in item["context"].series_refs] == [files[0], files[2], files[3]]
    reader = SeriesSlices()
    found = reader.into(item["context"], item["scan"]).others
    assert [one.name for one in found] == [files[0].name, files[2].name, files[3].name]
    np.testing.assert_array_equal(found[2].pixels, read_slice(files[3]).pixels)
    monkeypatch.setattr("dfd.context.series_slices.read_slice", None)
    assert reader.into(item["context"], item["scan"]).others == found


def test_threads_that_ask_at_once_read_each_slice_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_series(tmp_path, [0.0, 2.0, 4.0, 6.0])
    items = [loaded(files[1]), loaded(files[2])]
    read: list[Path] = []

    def slowly(path: Path, *given: Any) -> Any:
        read.append(path)
        time.sleep(0.05)
        return read_slice(path, *given)

    monkeypatch.setattr("dfd.context.series_slices.read_slice", slowly)
    reader = SeriesSlices()
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda item: reader.into(item["context"], item["scan"]), items))
    assert sorted(read) == sorted(files)
    assert [len(each.others) for each in both] == [3, 3]


def test_other_slices_of_another_shape_or_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    files = make_series(tmp_path, [0.0, 2.0, 4.0, 6.0, 8.0])
    item = loaded(files[1])
    files[3].write_bytes(files[3].read_bytes()[:-2000])
    make_slice(files[4], make_pixels(seed=9, shape=(64, 64)), ImagePositionPatient=[0, 0, 8.0])
    found = SeriesSlices().into(item["context"], item["scan"])
    assert [one.name for one in found.others] == [files[0].name, files[2].name]


def test_of_a_long_series_only_the_nearest_slices_are_searched(tmp_path: Path) -> None:
    volume = (
        np.random.default_rng(3)
        .integers(900, 1150, (40, 48, 3 * adjacent.MOST_OTHERS))
        .astype(np.int16)
    )
    path = tmp_path / "volume.nii"
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    for frame in (1, 60, 3 * adjacent.MOST_OTHERS - 2):
        around = [ref.frame for ref in loaded(path, frame)["context"].series_refs]
        assert len(around) == adjacent.MOST_OTHERS
        assert frame not in around
        assert min(around) <= frame - 1
        assert max(around) >= frame + 1
    assert (
        SeriesSlices().into(loaded(path, 1)["context"], loaded(path, 1)["scan"]).others[0].name
        == "volume.nii (frame 1)"
    )


@pytest.mark.parametrize("twin", [0, 2])
def test_an_identical_neighbour_is_no_context_and_that_is_said(tmp_path: Path, twin: int) -> None:
    files = make_series(tmp_path, [0.0, 2.0, 4.0])
    make_slice(
        files[twin],
        make_pixels(seed=1),
        ImagePositionPatient=[0, 0, 2.0 * twin],
        InstanceNumber=twin + 1,
    )
    found = loaded(files[1])
    assert "context" not in found
    assert found["context_note"] == IDENTICAL


def test_a_neighbour_that_cannot_be_read_costs_the_context_alone(tmp_path: Path) -> None:
    files = make_series(tmp_path, [0.0, 2.0, 4.0])
    files[2].write_bytes(files[2].read_bytes()[:-2000])
    found = loaded(files[1])
    assert "context" not in found
    assert "error" not in found


def test_a_bare_image_and_an_unreadable_file_pass() -> None:
    image = torch.zeros(1, 32, 32)
    assert LoadContextd()({"image": image}) == {"image": image}
    assert "context" not in loaded(Path("nowhere.dcm"))


def test_headers_of_a_few_folders_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfd.context import series_slices

    asked: list[Path] = []
    monkeypatch.setattr(
        series_slices, "read_series", lambda folder: (asked.append(folder), ([], []))[1]
    )
    folders = series_slices.SeriesFolders()
    for number in (*range(FOLDERS_KEPT + 1), FOLDERS_KEPT, 0):
        folders.containing(tmp_path / str(number) / "a.dcm")
    assert [int(folder.name) for folder in asked] == [*range(FOLDERS_KEPT + 1), 0]


@pytest.mark.parametrize(
    ("statistics", "expected"), [([1.0], SLICE), ([1.0, 2.0], SERIES), ([1.0, np.nan], SLICE)]
)
def test_a_region_is_judged_as_it_was_measured(statistics: list[float], expected: str) -> None:
    found = [
        Evidence(family, value)
        for family, value in zip(("noise", "neighbours"), statistics, strict=False)
    ]
    assert setting_of(found) == expected


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients: one with three slices in a row, one with a lone slice."""
    root = tmp_path_factory.mktemp("study")
    write_patient(root, "p1", 3)
    write_patient(root, "p2", 1)
    return root


def test_calibration_has_tables_of_slices_with_neighbours(
    study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fitted = calibrate_network(small_network(), Cohort(collect(study), ["p1", "p2"], 7), "ab")
    assert "1 of 2 patients have neighbouring slices" in caplog.text
    assert set(fitted.of(SLICE).tables) == {"noise", "copy_move", "synthesis", "texture"}
    beside = fitted.settings[SERIES]
    assert set(beside.tables) == {
        "noise",
        "copy_move",
        "synthesis",
        "texture",
        "neighbours",
        "series_copy",
    }
    assert [len(values) for values in beside.tables["neighbours"].patients] == [REGIONS_PER_SLICE]
    assert beside.combined is not None
    assert to_json(from_json(to_json(fitted))) == to_json(fitted)
    # The one row of the series is of the first of the two patients.
    assert SERIES not in leave_out({0}, fitted).settings
    assert SERIES in leave_out({1}, fitted).settings


def test_the_lone_tables_do_not_change_by_neighbours(
    study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    item = next(item for item in collect(study).items if item["image"].endswith("p1/1.dcm"))
    alone, covariates = genuine_regions(item, small_network(), "ct_lung", 3)
    beside, same = genuine_regions(item, small_network(), "ct_lung", 3, AdjacentSlices(others=True))
    assert [
        {name: value for name, value in row.items() if name not in context_families()}
        for row in beside
    ] == alone
    assert all(np.isfinite(row[name]) for row in beside for name in context_families())
    assert covariates == same
    assert with_neighbours([alone]) == {}
    assert SERIES in with_neighbours([alone, beside])
    # Ten patients are enough, however many others have single slices; nine of thirty are not.
    assert with_neighbours([beside] * 10 + [alone] * 30)[SERIES].patients == 10
    with caplog.at_level(logging.WARNING):
        assert with_neighbours([beside] * 9 + [alone] * 21) == {}
    assert "9 of 30 patients have neighbouring slices: too few" in caplog.text
    assert SERIES in with_neighbours([beside, alone])
    assert with_neighbours([beside, alone, alone]) == {}


def test_a_region_with_neighbours_is_judged_by_their_tables(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path, seed=5, slices=3, patient="a", size=128)
    item = loaded(files[1])
    assert isinstance(item["context"], Context)
    network = small_network()
    rows = [
        {
            "noise": 1.0 + 0.01 * number,
            "copy_move": 1.3,
            "synthesis": 1.0,
            "neighbours": 1.0 + 0.02 * number,
        }
        for number in range(40)
    ]
    of_slices = fit(
        [[{name: value for name, value in row.items() if name != "neighbours"} for row in rows]] * 3
    )
    fitted = Calibration(
        CT.bundle, "ab", 10.0, {}, {SLICE: of_slices, **with_neighbours([rows] * 3)}
    )
    planes = as_tensor(predict_slice(item["image"][0], network, CT))[None]
    point = [Point(2, "a", 64.0, 60.0)]
    answers = [
        ScoreRegionsd(calibration=fitted)({**item, "pred": planes, "points": point, **beside})
        for beside in ({}, {"context": None})
    ]
    with_them, alone = (answer["findings"][0] for answer in answers)
    assert set(with_them.p_by_family) == {"noise", "copy_move", "synthesis", "neighbours"}
    assert set(alone.p_by_family) == {"noise", "copy_move", "synthesis"}
    noted = ScoreRegionsd(calibration=fitted)(
        {**item, "pred": planes, "points": point, "context": None, "context_note": IDENTICAL}
    )["findings"][0]
    assert noted.reason.endswith(IDENTICAL)
    assert (noted.p_value, noted.extrapolated) == (alone.p_value, alone.extrapolated)
    if with_them.verdict == "no anomaly found":
        assert with_them.reason.startswith(
            ORDINARY + ", and it differs from the slices above and below no more"
        )
