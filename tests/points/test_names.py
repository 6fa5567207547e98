"""Names of files as people write them, and what is near a name that is not there."""

from __future__ import annotations

import os
import re
import unicodedata

import pytest

from dfd.errors import PointsError
from dfd.points import find_points_file, read_points
from dfd.points.near_names import NearNames

COMPOSED = unicodedata.normalize("NFC", "Müller Jürgen")
DECOMPOSED = unicodedata.normalize("NFD", "Müller Jürgen")
LONG = "n" * 240


@pytest.fixture
def row_of(points_of):
    def read(name):
        quoted = name.replace('"', '""')
        (point,) = points_of(f'filename,X,Y\n"{quoted}",3,4\n')
        return point

    return read


def put(data, name):
    (data / name).parent.mkdir(parents=True, exist_ok=True)
    (data / name).write_bytes(b"")
    return data / name


ODD = [
    "with space/a file.dcm",
    "with, comma/a,b.dcm",
    "semi;colon/a;b.dcm",
    "new\nline/x.dcm",
    "tab\there/x.dcm",
    'quo"te/x.dcm',
    "it's/x.dcm",
    "=sum/x.dcm",
    "slice in noise/x.dcm",
    "日本/x.dcm",
    "percent%20/x.dcm",
    " leading/ x.dcm",
    f"{LONG}/x.dcm",
    f"{LONG}/{LONG}/{LONG}.dcm",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_found(row_of, data, name):
    path = put(data, name)
    for cell in (name, name.removesuffix(".dcm"), str(path)):
        assert (row_of(cell.strip()).path, row_of(cell.strip()).error) == (path, "")


@pytest.mark.parametrize("stored", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED])
def test_umlauts_are_one_character_or_two(row_of, data, stored, written):
    path = put(data, f"{stored}/{stored}.dcm")
    for cell in (f"{written}/{written}.dcm", written, str(data / written / f"{written}.dcm")):
        assert row_of(cell).path == path


@pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED])
def test_folders_that_differ_in_this_alone_are_told_apart(row_of, data, written):
    for name in (COMPOSED, DECOMPOSED):
        put(data, f"{name}/x.dcm")
    assert row_of(f"{written}/x.dcm").path == data / f"{written}/x.dcm"
    assert "which 2 files are called" in row_of("x.dcm").error


# --- absolute paths and backslashes


def test_an_absolute_path_inside_the_data_folder_is_taken(row_of, data):
    for cell in (f"{data}/p1/a.dcm", f"{data}/p1/a", f"{data}//p1/./a.dcm"):
        assert (row_of(cell).path, row_of(cell).error) == (data / "p1/a.dcm", "")


def test_an_absolute_path_may_go_through_a_link(tmp_path, data, monkeypatch):
    (tmp_path / "link").symlink_to(data)
    csv = tmp_path / "points.csv"
    csv.write_text(f"filename,X,Y\n{data}/p1/a.dcm,1,2\n{tmp_path}/link/p1/a.dcm,1,2\n")
    points = read_points(csv, tmp_path / "link")
    assert [point.path for point in points] == [tmp_path / "link/p1/a.dcm"] * 2
    monkeypatch.chdir(tmp_path)
    first, second = read_points(csv, type(data)("test"))  # the link leads here, but is not its name
    assert first.path == type(data)("test/p1/a.dcm")
    assert "leads out of the data folder" in second.error


@pytest.mark.parametrize(
    "cell",
    [
        "/etc/passwd",
        "{data}/../other/a.dcm",
        "{data}x/p1/a.dcm",
        "C:\\scans\\a.dcm",
        "{data}/p1/../p1/a.dcm",
    ],
)
def test_an_absolute_path_outside_is_refused(row_of, data, cell):
    assert "leads out of the data folder" in row_of(cell.format(data=data)).error


@pytest.mark.parametrize("cell", ["p1\\a.dcm", ".\\p1\\a", "p1\\\\a.dcm", "p1\\.\\a.dcm"])
def test_backslashes_part_folders(row_of, data, cell):
    assert row_of(cell).path == data / "p1/a.dcm"


@pytest.mark.parametrize("line", ['="0011"', '"=""0011"""', '"=""p3/0011.dcm"""'])
def test_excel_keeps_leading_zeros_by_a_formula(points_of, data, line):
    path = put(data, "p3/0011.dcm")
    (point,) = points_of(f"filename,X,Y\n{line},1,2\n")
    assert (point.path, point.error) == (path, "")


# --- near names


@pytest.mark.parametrize(
    ("stored", "cell"),
    [
        ("p3/0011.dcm", "11"),
        ("p3/0011.dcm", "11.dcm"),
        ("p3/0011.dcm", "p3/11"),
        ("003/file007.dcm", "3/file7.dcm"),
        ("p3/SCAN.dcm", "scan.dcm"),
        ("p3/SCAN.dcm", "P3/SCAN.dcm"),
        ("p3/scan.ima", "scan.dcm"),
        ("p3/scan.dcm", "scan.IMA"),
        ("p3/scan.dcm", "p3/scan.DICOM"),
        ("p3/scan.nii.gz", "scan.nii"),
        ("p3/scan.nii.gz", "scan"),
        ("p3/deep/scan.dcm", "p3/scan.dcm"),
        ("p3/scan.dcm", "test/p3/scan.dcm"),
        ("p3/scan.dcm", "p4/scan"),
        ("p3/scan_left.dcm", "scan-left"),
        ("p3/scan_left.dcm", "p3/scna_left"),
        ("Müller/scan.dcm", "Muller/scan.dcm"),
    ],
)
def test_a_near_name_is_told_and_not_taken(row_of, data, stored, cell):
    put(data, stored)
    point = row_of(cell)
    assert point.path is None
    expected = f"; the nearest name is '{stored}'; correct the name or add the file"
    assert point.error.endswith(expected), point.error


def test_at_most_three_near_names_the_likest_first(row_of, data):
    for number in range(9):
        put(data, f"p{number}/scan/012.dcm")
    error = row_of("p7/scans/12").error
    assert re.search(r"the nearest names are 'p7/scan/012.dcm', '[^']+', '[^']+'; correct", error)


def test_nothing_is_near_what_is_unlike(row_of):
    assert row_of("quite_something_else").error.endswith(
        "names no file below the data folder ('quite_something_else'); "
        "correct the name or add the file"
    )


def test_a_uid_is_no_number_with_an_ending(row_of, data):
    put(data, "1.2.840.113619.2.55.3")
    assert "the nearest name is '1.2.840.113619.2.55.3'" in row_of("1.2.840.113619.2.55.4").error
    assert "nearest" not in row_of("2.25.77").error


def test_a_folder_is_called_one(row_of):
    assert "('p1'), but a folder of 2 files;" in row_of("p1").error


def test_long_names_keep_their_ends_in_hints(row_of, data):
    put(data, f"{LONG}/{LONG}/slice_0012.dcm")
    error = row_of("slice_12").error
    assert error.endswith("/slice_0012.dcm'; correct the name or add the file")
    assert len(error) < 400


def test_many_wrong_names_do_not_hold_up_the_run():
    names = NearNames(f"p{number}/slice_{number:05d}.dcm" for number in range(20_000))
    compared = []
    for number in range(500):
        compared.append(names.of(f"slce_{number:05d}x"))
    assert any(compared)
    assert compared[-1] == []
    assert names.of("P77/SLICE_77") == ["p77/slice_00077.dcm"]


def test_a_points_file_that_is_not_there(data, tmp_path):
    (tmp_path / "Points.csv").write_text("a,1,2")
    with pytest.raises(PointsError, match=r"the nearest name is 'Points[.]csv'; name a CSV"):
        find_points_file(data, tmp_path / "points.txt")
    with pytest.raises(PointsError, match="is not a file; name a CSV"):
        find_points_file(data, data)


@pytest.mark.skipif(os.name == "nt", reason="names of Windows cannot hold a backslash")
def test_names_end_where_they_end(row_of, data):
    put(data, "trailing .dcm")
    assert row_of("trailing .dcm").path == data / "trailing .dcm"
