"""The demonstration study.

Four tampered points, untouched ones beside them, and a CSV that fits the files.
"""

import csv
from itertools import combinations

import numpy as np
import pydicom
import pytest

from dfd.errors import OutputError
from dfd.phantom import scan_ct, write_demo_study
from dfd.phantom.dicom import CT_THICKNESS_MM, ct_scan
from dfd.phantom.plan import plan_series
from dfd.phantom.study import RADIUS_MM, STUDY, FreeTissue, place_disks
from dfd.phantom.tamper import disk
from dfd.records import Region


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_demo_study(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def rows(study):
    with study.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pixels(study, filename):
    dataset = pydicom.dcmread(study.parent / filename)
    return dataset.pixel_array.astype(np.float32) + np.float32(dataset.RescaleIntercept)


def test_layout_is_the_catalogues(study):
    assert study.name == "test.csv"
    assert study.parent.name == "test"
    found = {
        str(path.relative_to(study.parent)) for path in study.parent.rglob("*") if path.is_file()
    }
    assert found == {
        "p1/file001.dcm",
        "p1/file002.dcm",
        "p1/file003.dcm",
        "p2/file001.dcm",
        "test.csv",
    }


def test_rows_are_complete_and_in_range(study, rows):
    assert list(rows[0]) == ["filename", "X", "Y", "label", "what"]
    assert sorted(row["what"] for row in rows if row["label"] == "1") == [
        "added noise",
        "added noise",
        "copy-move",
        "smooth fill",
    ]
    untouched = [row for row in rows if row["label"] == "0"]
    assert len(untouched) >= 6
    assert {row["what"] for row in untouched} == {"untouched"}
    for row in rows:
        image = pixels(study, row["filename"])
        assert 0 <= int(row["X"]) < image.shape[1]
        assert 0 <= int(row["Y"]) < image.shape[0]


def test_every_slice_shows_matching_tissue_beside_the_tampered(study, rows):
    def lung(row):
        image = pixels(study, row["filename"])
        return bool(
            np.median(image[disk(image.shape, Region(float(row["X"]), float(row["Y"]), 12.0))])
            < -500.0
        )

    for row in rows:
        if row["label"] == "1":
            beside = [
                other
                for other in rows
                if other["filename"] == row["filename"] and other["label"] == "0"
            ]
            assert any(lung(other) == lung(row) for other in beside)


def test_disks_do_not_overlap(rows):
    for one, other in combinations(rows, 2):
        if one["filename"] == other["filename"]:
            distance = np.hypot(int(one["X"]) - int(other["X"]), int(one["Y"]) - int(other["Y"]))
            assert distance > 2.0 * RADIUS_MM / 0.7


def test_only_the_tampered_disks_differ_from_the_scan(study, rows):
    for series in STUDY[:1]:
        plan = plan_series(7, series.patient, len(series.slices), CT_THICKNESS_MM)
        scan = ct_scan(series.kernel, 512)
        for number, (height, noise) in enumerate(
            zip(plan.heights_mm, plan.noise, strict=True), start=1
        ):
            name = f"{series.patient}/file{number:03d}.dcm"
            changed = pixels(study, name) != scan_ct(noise, plan.anatomy, height, scan)
            mine = [row for row in rows if row["filename"] == name and row["label"] == "1"]
            masks = [
                disk(
                    changed.shape,
                    Region(float(row["X"]), float(row["Y"]), RADIUS_MM / scan.spacing_mm),
                )
                for row in mine
            ]
            assert all(changed[mask].mean() > 0.5 for mask in masks)
            assert not changed[~np.any(masks, axis=0)].any()


def test_lack_of_room_is_an_error(rng):
    free_tissue = FreeTissue({"soft": np.eye(64, dtype=bool)}, 17.0, 4.0)
    with pytest.raises(
        OutputError,
        match=(
            r"no room for disks of soft, soft, soft, soft "
            r"tissue in one slice; choose another seed"
        ),
    ):
        place_disks(rng, free_tissue, ["soft"] * 4)


def test_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "test").write_text("a file, not a folder")
    with pytest.raises(OutputError, match="cannot write the phantom slice"):
        write_demo_study(tmp_path)
