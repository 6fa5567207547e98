"""Results of earlier runs move aside as a whole; nothing else does, and nothing is deleted."""

import errno
import os

import pytest

from dfd.errors import OutputError
from dfd.outputs import (
    dicom,
    own_files,
    report,
    run_log,
    run_record,
    scores,
    screening_map,
    suspicious,
)
from dfd.outputs.files import SCRATCH
from dfd.outputs.overlay import name_of

OURS = (
    *(
        scores.FILE_NAME,
        suspicious.FILE_NAME,
        run_record.FILE_NAME,
        run_log.FILE_NAME,
        report.FILE_NAME,
    ),
    *(name_of(1), name_of(12345), *screening_map.names_of(7)),
    *(f"{dicom.FOLDER}/series-01-{kind}.dcm" for kind in ("scores", "map", "regions", "map-2")),
    *(f"{SCRATCH}/ledger.jsonl", f"{SCRATCH}/pictures-3.json"),
)
OTHERS = (
    *(
        "notes.txt",
        "test.csv",
        "overlay-1.png",
        "overlay-0001.jpg",
        "my scores.csv",
        "scores.csv.bak",
    ),
    *(
        "maps/lung.png",
        "dicom/slice1.dcm",
        "dicom/series-01-scores.txt",
        "deeper/scores.csv",
        "earlier-20260101-000000/scores.csv",
    ),
)
WHEN = 1_795_741_200
"""2026-11-27 01:00:00 UTC."""


def fill(folder, names, text="earlier"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (WHEN, WHEN))


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_is_ours_moves_and_nothing_else(tmp_path):
    fill(tmp_path, [*OURS, *OTHERS])
    assert {
        path.relative_to(tmp_path).as_posix() for path in own_files.results_in(tmp_path)
    } == set(OURS)
    aside = own_files.put_aside(tmp_path)
    assert aside == tmp_path / "earlier-20261127-010000"
    assert set(files(aside)) == set(OURS)
    assert set(files(tmp_path)) == {*OTHERS, *(f"{aside.name}/{name}" for name in OURS)}
    assert not (tmp_path / SCRATCH).exists()
    assert own_files.put_aside(tmp_path) is None


def test_folders_of_ours_alone_go_with_them(tmp_path):
    fill(tmp_path, OURS)
    aside = own_files.put_aside(tmp_path)
    assert list(tmp_path.iterdir()) == [aside]


def test_a_name_that_is_taken_gets_a_number(tmp_path):
    for number in ("", "-2", "-3"):
        fill(tmp_path, OURS)
        assert own_files.put_aside(tmp_path).name == f"earlier-20261127-010000{number}"
    assert len(files(tmp_path)) == 3 * len(OURS)


@pytest.mark.parametrize("moved", range(len(OURS)))
def test_a_move_that_was_killed_is_gone_on_with(tmp_path, monkeypatch, moved):
    fill(tmp_path, [*OURS, *OTHERS])
    rename, left = os.rename, iter(range(moved))

    def killed(source, target):
        if next(left, None) is None:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        own_files.put_aside(tmp_path)
    monkeypatch.setattr(os, "rename", rename)
    assert own_files.pending(tmp_path) is not None
    aside = own_files.put_aside(tmp_path)
    assert set(files(aside)) == set(OURS)
    assert own_files.pending(tmp_path) is None
    assert set(files(tmp_path)) == {*OTHERS, *(f"{aside.name}/{name}" for name in OURS)}


def test_a_file_that_cannot_move_is_a_sentence(tmp_path, monkeypatch):
    fill(tmp_path, OURS)

    def refuse(*_args):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(
        OutputError,
        match=(
            r"an earlier run in .* cannot be moved aside: Permission denied; move them yourself "
            r"or choose"
        ),
    ):
        own_files.put_aside(tmp_path)
    assert {path.name for path in own_files.results_in(tmp_path)} == {
        name.rpartition("/")[2] for name in OURS
    }


def test_links_to_folders_are_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    fill(tmp_path / "real", ["0001.png"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "maps").symlink_to(tmp_path / "real")
    assert own_files.put_aside(tmp_path / "out") is None


def test_results_of_two_stopped_moves_are_not_mixed(tmp_path):
    fill(tmp_path / ".dfd-earlier-20260101-000000", ["scores.csv"], "first")
    fill(tmp_path, ["scores.csv"], "second")
    own_files.put_aside(tmp_path)
    assert files(tmp_path) == {
        "earlier-20260101-000000/scores.csv": "first",
        "earlier-20261127-010000/scores.csv": "second",
    }
