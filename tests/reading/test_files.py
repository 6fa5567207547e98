"""Which files of a folder are scans."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dfd.errors import SeriesError
from dfd.reading import find_files, read_facts, read_series, read_slice
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
    index = [
        {"path": "s1", "series": [{"folderName": "b", "tags": []}]},
        {"path": "s2/"},
        {"studyId": "x", "path": "missing", "series": []},
    ]
    assert _indexed(tmp_path, index) == ["s1/b/2.dcm", "s2/c/3.dcm"]


@pytest.mark.parametrize(
    "index", [{"path": "s1"}, [{"studyId": 1}], [1, 2], [], [{"path": None}]], ids=str
)
def test_another_index_json_is_junk(tmp_path: Path, index: object):
    assert len(_indexed(tmp_path, index)) == 4


@pytest.mark.parametrize("path", ["../outside", "s1/../../outside", "s1\0"])
def test_an_index_cannot_lead_out_of_the_folder(tmp_path: Path, path: str):
    _make(tmp_path / "outside/9.dcm")
    data = tmp_path / "data"
    data.mkdir()
    assert (
        _indexed(
            data, [{"path": path}, {"path": "s2", "series": [{"folderName": "../../outside"}]}]
        )
        == []
    )


def test_an_absolute_path_in_an_index_is_taken_below_the_folder(tmp_path: Path):
    assert _indexed(tmp_path, [{"path": "/s1", "series": None}]) == ["s1/a/1.dcm", "s1/b/2.dcm"]


@pytest.mark.parametrize("name", ["nowhere", "file.dcm"])
def test_what_is_no_folder_is_an_error(tmp_path: Path, name: str):
    _make(tmp_path / "file.dcm")
    with pytest.raises(SeriesError, match=rf"{name} is not a folder: give the folder"):
        find_files(tmp_path / name)


def _zip(path: Path, target: Path) -> Path:
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize("name", ["a.dcm.gz", "a", "a.GZ"])
def test_a_gzipped_dicom_file_is_read_like_any_other(tmp_path: Path, name: str, preamble: bool):
    plain = make_slice(tmp_path / "plain" / "a.dcm", make_pixels(), preamble=preamble)
    zipped = _zip(plain, tmp_path / name)
    assert find_files(tmp_path) == sorted([plain, zipped])
    np.testing.assert_array_equal(read_slice(zipped).pixels, read_slice(plain).pixels)
    assert read_facts(zipped) == read_facts(plain)
    plain.unlink()
    (series,), skipped = read_series(tmp_path)
    assert [ref.path for ref in series.slices] == [zipped]
    assert not skipped


@pytest.mark.parametrize(
    "content",
    [b"a text that is no scan at all" * 30, b"", bytes(2000)],
    ids=["text", "nothing", "zeros"],
)
def test_other_gzipped_files_are_passed_over(tmp_path: Path, content: bytes):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content))
    assert find_files(tmp_path) == []
    with pytest.raises(SeriesError, match=r"a\.gz is not a DICOM file: leave it out"):
        read_slice(path)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_gzipped_file_that_is_cut_short(tmp_path: Path, share: float):
    path = _zip(make_slice(tmp_path / "a.dcm", make_pixels()), tmp_path / "a.dcm.gz")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert path in find_files(tmp_path)
    with pytest.raises(
        SeriesError, match=r"a\.dcm\.gz cannot be read as DICOM .*cut short or damaged"
    ):
        read_slice(path)


def test_a_damaged_gzip_header_is_no_scan(tmp_path: Path):
    (tmp_path / "a.dcm.gz").write_bytes(b"\x1f\x8b\x08" + bytes(range(200)))
    assert find_files(tmp_path) == []


def test_a_gzipped_bomb_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dfd.reading.guard.INFLATED_LIMIT", 2**22)
    plain = make_slice(tmp_path / "a.dcm", make_pixels())
    path = tmp_path / "a.dcm.gz"
    path.write_bytes(gzip.compress(plain.read_bytes() + bytes(2**23)))
    assert path.stat().st_size < 2**15
    for read in (read_slice, read_facts):
        with pytest.raises(SeriesError, match=r"a\.dcm\.gz inflates to more than 4 MiB"):
            read(path)


def test_a_gzipped_deflated_file_is_inflated_twice(tmp_path: Path):
    plain = make_slice(tmp_path / "a.dcm", make_pixels(), syntax=DeflatedExplicitVRLittleEndian)
    zipped = _zip(plain, tmp_path / "b.dcm.gz")
    np.testing.assert_array_equal(read_slice(zipped).pixels, make_pixels() - 1024.0)


def test_a_gzipped_directory_of_a_disk_is_no_scan(tmp_path: Path):
    index = make_slice(tmp_path / "DICOMDIR", make_pixels(), SOPClassUID="1.2.840.10008.1.3.10")
    _zip(index, tmp_path / "DICOMDIR.gz")
    assert find_files(tmp_path) == []
