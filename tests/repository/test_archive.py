"""A repository that lies in an archive: planned from headers, fetched as it is screened.

With a service in this process; a real archive is in ``tests/external``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydicom import dcmread

import dfd
from dfd.cli import verbs
from dfd.dicomweb import access, retries
from dfd.dicomweb.access import PASSWORD, USER
from dfd.errors import InterruptedRunError, RemoteError, UsageError
from dfd.repository.source import source_of
from dfd.settings import ScreenSettings, is_address
from tests.dicom_maker import make_pixels, make_slice
from tests.dicomweb_server import Handler, Service, serving
from tests.repository.conftest import Evidence, make_patient
from tests.repository.test_screen import counts

SECRET = "s3cret-of-nobody"
RESULTS = ("series.csv", "series.parquet", "suspicious_regions.csv", "duplicates.csv")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials, no waiting, and a folder of this test for what is fetched."""
    for name in (USER, PASSWORD, access.TOKEN, access.CA):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(retries.time, "sleep", lambda _: None)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def stored(repository: Path) -> Path:
    """Four series of two slices, and an ultrasound."""
    ultrasound = {"StudyInstanceUID": "1.3.9", "SeriesInstanceUID": "1.2.9"}
    make_slice(repository / "us" / "0.dcm", make_pixels(), Modality="US", **ultrasound)
    return repository


@pytest.fixture
def archive(stored: Path) -> Iterator[Service]:
    with serving(sorted(stored.rglob("*.dcm"))) as service:
        yield service


def screen(archive: Service, output: Path, **options: object) -> list[dict[str, object]]:
    given: Any = {"shard": (1, 1), **options}
    table = dfd.screen(archive.url, output, **given)
    return table.to_dict("records")


def test_all_series_of_an_archive_are_answered_and_everything_is_counted(
    archive: Service, tmp_path: Path, evidence: Evidence, environment: Path
) -> None:
    rows = screen(archive, tmp_path / "out")
    found = counts(tmp_path / "out")
    assert (found["files"], found["files planned"], found["files skipped"]) == (9, 8, 1)
    assert found["series planned"] == 4
    assert [row["status"] for row in rows] == ["scored"] * 4
    assert {row["study_date"] for row in rows} == {"20240229"}
    assert {row["added"] for row in rows} == {""}
    files = pq.read_table(tmp_path / "out" / "plan" / "files.parquet").to_pylist()
    skipped = [(row["file"], row["reason"]) for row in files if row["status"] == "skipped"]
    (us,) = [path for path in archive.files if path.parent.name == "us"]
    uid = dcmread(us).SOPInstanceUID
    assert skipped == [(f"1.3.9/1.2.9/{uid}.dcm", "it is US and there is no model for it")]
    assert list(environment.iterdir()) == []


def test_the_answers_are_those_of_a_folder_with_the_same_files(
    archive: Service, stored: Path, tmp_path: Path, evidence: Evidence
) -> None:
    columns = ("series", "patient", "series_uid", "slices", "scanner", "kernel", "thickness_mm")
    there = screen(archive, tmp_path / "out")
    table = dfd.screen(stored, tmp_path / "tree", shard=(1, 1)).to_dict("records")
    here = [row for row in table if row["modality"] == "CT"]
    assert len(here) == 4

    def known(rows: list[dict[str, object]]) -> list[list[str]]:
        return sorted([str(row[name]) for name in columns] for row in rows)

    assert known(there) == known(here)


def test_planning_asks_for_no_pixels(archive: Service, tmp_path: Path) -> None:
    screen(archive, tmp_path / "out", dry_run=True)
    asked = archive.paths()
    assert sum("/metadata" in path for path in asked) == 4
    assert not [path for path in asked if "/instances/" in path]


def test_a_run_goes_on_and_fetches_only_what_is_not_done(
    archive: Service, tmp_path: Path, evidence: Evidence
) -> None:
    screen(archive, tmp_path / "out", limit=2)
    fetched = {path for path in archive.paths() if "/instances/" in path}
    archive.requests.clear()
    screen(archive, tmp_path / "out")
    then = [path for path in archive.paths() if "/instances/" in path]
    assert len(fetched) == len(then) == 4
    assert not fetched & set(then)
    undisturbed = tmp_path / "undisturbed"
    screen(archive, undisturbed)
    for name in RESULTS:
        assert (tmp_path / "out" / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_new_series_alone_are_screened_next_night(
    archive: Service, stored: Path, tmp_path: Path, evidence: Evidence
) -> None:
    screen(archive, tmp_path / "out")
    evidence.screened.clear()
    archive.files += sorted(make_patient(stored, "p9").glob("*.dcm"))
    screen(archive, tmp_path / "out", dry_run=True, shard=None)
    screen(archive, tmp_path / "out")
    assert len(evidence.screened) == 1
    assert counts(tmp_path / "out")["series planned"] == 5


def test_since_asks_for_studies_of_that_date_or_later(
    archive: Service, stored: Path, tmp_path: Path, evidence: Evidence
) -> None:
    later = sorted((stored / "p1").glob("*.dcm"))
    for path in later:
        scan = dcmread(path)
        scan.StudyDate = "20260301"
        scan.save_as(path)
    rows = screen(archive, tmp_path / "out", since=date(2026, 3, 1))
    assert [row["study_date"] for row in rows] == ["20260301"]
    assert rows[0]["status"] != "not yet done"
    with pytest.raises(RemoteError, match="lists no study of 2030-01-01 or later: check address"):
        screen(archive, tmp_path / "none", since=date(2030, 1, 1))


def test_an_image_that_has_gone_costs_its_series_no_answer(
    archive: Service, tmp_path: Path, evidence: Evidence
) -> None:
    screen(archive, tmp_path / "out", dry_run=True)
    gone = next(path for path in archive.files if path.parent.name == "p1")

    def missing(handler: Handler) -> bool:
        if str(dcmread(gone).SOPInstanceUID) not in handler.path:
            return False
        handler.answer(404, "text/plain", b"")
        return True

    archive.mischief = missing
    screen(archive, tmp_path / "out")
    assert counts(tmp_path / "out")["not yet done"] == 0


def test_a_series_that_the_archive_does_not_give_is_left_for_the_next_run(
    archive: Service, tmp_path: Path, evidence: Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    series = str(dcmread(next(p for p in archive.files if p.parent.name == "p1")).SeriesInstanceUID)

    def broken(handler: Handler) -> bool:
        if f"/series/{series}/instances/" not in handler.path:
            return False
        handler.answer(500, "text/plain", b"")
        return True

    archive.mischief = broken
    screen(archive, tmp_path / "out")
    assert counts(tmp_path / "out")["not yet done"] == 1
    assert "a series is left for the next run" in caplog.text
    archive.mischief = lambda _: False
    screen(archive, tmp_path / "out")
    assert counts(tmp_path / "out")["not yet done"] == 0


def test_headers_that_the_archive_does_not_give_are_a_row_with_the_reason(
    archive: Service, tmp_path: Path, evidence: Evidence
) -> None:
    first = dcmread(next(path for path in archive.files if path.parent.name == "p1"))

    def broken(handler: Handler) -> bool:
        if f"{first.SeriesInstanceUID}/metadata" not in handler.path:
            return False
        handler.answer(500, "text/plain", b"")
        return True

    archive.mischief = broken
    screen(archive, tmp_path / "out")
    found = counts(tmp_path / "out")
    assert (found["files"], found["files skipped"], found["series planned"]) == (8, 2, 3)
    rows = pq.read_table(tmp_path / "out" / "plan" / "files.parquet").to_pylist()
    (row,) = [row for row in rows if row["file"].endswith(str(first.SeriesInstanceUID))]
    assert "with the error 500" in row["reason"]


def test_an_archive_that_stops_answering_stops_the_run_and_parts_stay(
    archive: Service, tmp_path: Path, evidence: Evidence
) -> None:
    screen(archive, tmp_path / "out", limit=1)

    def busy(handler: Handler) -> bool:
        if "/instances/" not in handler.path:
            return False
        handler.answer(503, "text/plain", b"")
        return True

    archive.mischief = busy
    with pytest.raises(InterruptedRunError, match="broke off or was busy"):
        screen(archive, tmp_path / "out")
    assert counts(tmp_path / "out")["not yet done"] == 3


def test_credentials_are_sent_and_stand_nowhere(
    archive: Service, tmp_path: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER, "curator")
    monkeypatch.setenv(PASSWORD, SECRET)
    screen(archive, tmp_path / "out")
    assert all(header["Authorization"].startswith("Basic ") for _, _, header in archive.requests)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > 10
    for path in written:
        content = path.read_bytes()
        assert SECRET.encode() not in content, path
        assert b"curator" not in content, path


def test_a_list_without_names_has_no_address_and_no_uid(
    archive: Service, tmp_path: Path, evidence: Evidence
) -> None:
    screen(archive, tmp_path / "out", anonymous=True)
    record = (tmp_path / "out" / "run.json").read_text()
    assert archive.url not in record
    assert "1.3." not in (tmp_path / "out" / "series.csv").read_text()


def test_an_image_with_several_frames_is_planned_as_a_whole(
    stored: Path, tmp_path: Path, evidence: Evidence
) -> None:
    path = stored / "p1" / "0.dcm"
    scan = dcmread(path)
    scan.NumberOfFrames = 3
    scan.PixelData = scan.PixelData * 3
    scan.save_as(path)
    with serving([path]) as archive:
        screen(archive, tmp_path / "out")
    series = pq.read_table(tmp_path / "out" / "plan" / "series.parquet").to_pylist()
    assert [each["slices"] for each in series] == [3]


def test_a_header_that_is_none_costs_its_image_alone(
    archive: Service, tmp_path: Path, evidence: Evidence
) -> None:
    def broken(handler: Handler) -> bool:
        if "/metadata" not in handler.path:
            return False
        bad = {"00080018": {"vr": "UI", "Value": ["1.2.3"]}, "00280010": {"vr": "US", "Value": 7}}
        handler.answer(200, "application/dicom+json", json.dumps([bad]).encode())
        return True

    archive.mischief = broken
    screen(archive, tmp_path / "out")
    found = counts(tmp_path / "out")
    assert found["files skipped"] == found["files"] == 5


@pytest.mark.parametrize("words", ["https://a.example/dicom-web", "HTTP://127.0.0.1:1/x"])
def test_the_command_line_takes_an_address_as_it_is(words: str) -> None:
    asked = verbs.parse(["screen", words, "--output", "out"])
    assert isinstance(asked, ScreenSettings)
    assert asked.source == words
    assert is_address(words)


def test_addresses_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the address of the archive carries credentials"):
        source_of("https://me:it@a.example/dicom-web")
    with pytest.raises(UsageError, match="give a folder as a path"):
        ScreenSettings("scans", tmp_path)
    assert not is_address(str(tmp_path))


def test_no_library_for_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dfd.repository.screen.find_spec", lambda name: None if name == "dicomweb_client" else 1
    )
    with pytest.raises(UsageError, match=r"needs dicomweb-client.*\[dicom,screen\]"):
        dfd.screen("https://a.example/dicom-web", tmp_path / "out", shard=(1, 1))
