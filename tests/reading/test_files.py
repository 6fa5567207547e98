"""Which files of a folder are scans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfd.errors import SeriesError
from dfd.reading import find_files
from tests.dicom_maker import make_pixels, make_slice


def _names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_files(folder)]


def _make(path: Path, **tags: object) -> Path:
    return make_slice(path, make_pixels(), **tags)


def test_scans_are_told_by_content_at_any_depth_and_sorted(tmp_path: Path):
    _make(tmp_path / "p2/b/IM0001")
    _make(tmp_path / "p1/a.dcm")
    _make(tmp_path / "p1/bare", preamble=False)
    (tmp_path / "volume.NII.GZ").write_bytes(b"whatever")
    (tmp_path / "test.csv").write_text("filename,X,Y\np1/a.dcm,1,2\n")
    (tmp_path / "notes.dcm").write_text("This is a text that only calls itself DICOM. " * 20)
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "p1/thumbs.db").write_bytes(bytes(range(256)) * 8)
    assert _names(tmp_path) == ["p1/a.dcm", "p1/bare", "p2/b/IM0001", "volume.NII.GZ"]


@pytest.mark.parametrize("name", ["DICOMDIR", "disk.dcm"])
def test_a_dicomdir_is_no_scan_whatever_its_name(tmp_path: Path, name: str):
    _make(tmp_path / name, SOPClassUID="1.2.840.10008.1.3.10")
    _make(tmp_path / "IM1")
    assert _names(tmp_path) == ["IM1"]


def test_links_into_another_tree_are_followed(tmp_path: Path):
    _make(tmp_path / "lake/x/1.dcm")
    data = tmp_path / "data"
    data.mkdir()
    (data / "study").symlink_to(tmp_path / "lake/x")
    (data / "one").symlink_to(tmp_path / "lake/x/1.dcm")
    (data / "dangling").symlink_to(tmp_path / "nowhere")
    assert _names(data) == ["one", "study/1.dcm"]


def test_a_link_to_a_parent_is_not_walked_again(tmp_path: Path):
    _make(tmp_path / "p1/1.dcm")
    (tmp_path / "p1/loop").symlink_to(tmp_path)
    (tmp_path / "p1/self").symlink_to(tmp_path / "p1")
    assert _names(tmp_path) == ["p1/1.dcm"]


def test_a_net_of_links_comes_to_an_end(tmp_path: Path):
    for floor in range(20):
        (tmp_path / f"lake/{floor}").mkdir(parents=True)
    _make(tmp_path / "lake/19/1.dcm")
    for floor in range(19):
        for side in "ab":
            (tmp_path / f"lake/{floor}/{side}").symlink_to(tmp_path / f"lake/{floor + 1}")
    data = tmp_path / "data"
    data.mkdir()
    (data / "start").symlink_to(tmp_path / "lake/0")
    assert 1 <= len(find_files(data)) <= 8


def _indexed(tmp_path: Path, index: object) -> list[str]:
    for name in ("s1/a/1.dcm", "s1/b/2.dcm", "s2/c/3.dcm", "s3/4.dcm"):
        _make(tmp_path / name)
    (tmp_path / "index.json").write_text(json.dumps(index))
    return _names(tmp_path)


def test_only_series_listed_by_the_index_are_walked(tmp_path: Path):
    index = [{"path": "s1", "series": [{"folderName": "b", "tags": []}]}, {"path": "s2/"}, {"studyId": "x", "path": "missing", "series": []}]
    assert _indexed(tmp_path, index) == ["s1/b/2.dcm", "s2/c/3.dcm"]


@pytest.mark.parametrize("index", [{"path": "s1"}, [{"studyId": 1}], [1, 2], [], [{"path": None}]], ids=str)
def test_another_index_json_is_junk(tmp_path: Path, index: object):
    assert len(_indexed(tmp_path, index)) == 4


@pytest.mark.parametrize("path", ["../outside", "s1/../../outside", "s1\0"])
def test_an_index_cannot_lead_out_of_the_folder(tmp_path: Path, path: str):
    _make(tmp_path / "outside/9.dcm")
    data = tmp_path / "data"
    data.mkdir()
    assert _indexed(data, [{"path": path}, {"path": "s2", "series": [{"folderName": "../../outside"}]}]) == []


def test_an_absolute_path_in_an_index_is_taken_below_the_folder(tmp_path: Path):
    assert _indexed(tmp_path, [{"path": "/s1", "series": None}]) == ["s1/a/1.dcm", "s1/b/2.dcm"]


@pytest.mark.parametrize("name", ["nowhere", "file.dcm"])
def test_what_is_no_folder_is_an_error(tmp_path: Path, name: str):
    _make(tmp_path / "file.dcm")
    with pytest.raises(SeriesError, match=rf"{name} is not a folder: give the folder"):
        find_files(tmp_path / name)
