"""Files: whole or absent, folders that can really be written, and cells that nothing executes."""

import errno
import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.errors import OutputError
from dfd.outputs.files import choose_output_dir, neutralise, write_atomically


def fail_with(number):
    """A system call that always fails with one error number."""

    def call(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return call


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "scores.csv"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.csv"]


def test_the_umask_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "match"),
    [
        (errno.ENOSPC, "the disk is full; free space"),
        (errno.EROFS, "the folder is read-only"),
        (errno.EIO, "choose another output folder"),
    ],
)
def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch, call, number, match):
    path = tmp_path / "scores.csv"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail_with(number))
    with pytest.raises(OutputError, match=match) as caught:
        write_atomically(path, b"new")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.csv"]


def test_a_stop_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == []


def test_no_folder_to_write_into(tmp_path):
    with pytest.raises(OutputError, match="its folder is not there"):
        write_atomically(tmp_path / "absent/a", b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        write_atomically(tmp_path / "file/a", b"")


def test_the_first_writable_folder_is_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    below_a_file, deep, unused = tmp_path / "file/out", tmp_path / "a/b/c", tmp_path / "d"
    assert choose_output_dir(None, [below_a_file, deep, unused]) == deep
    assert list(deep.iterdir()) == []
    assert not unused.exists()
    assert choose_output_dir(None, [deep]) == deep


def test_the_folder_that_was_asked_for_is_the_only_one_tried(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert choose_output_dir(tmp_path / "asked", [tmp_path / "other"]) == tmp_path / "asked"
    with pytest.raises(
        OutputError, match=r"results cannot be written to .*file/out: a part of its path is a file"
    ):
        choose_output_dir(tmp_path / "file/out", [tmp_path / "other"])
    assert not (tmp_path / "other").exists()


def test_a_folder_is_tried_by_writing(tmp_path, monkeypatch):
    """Mode bits say yes (tests run as root), the disk says no.

    Folders made for the trial go again.
    """
    monkeypatch.setattr(os, "fsync", fail_with(errno.ENOSPC))
    with pytest.raises(
        OutputError,
        match=(
            r"results can be written nowhere \(.*a/b: "
            r"the disk is full.* \| .*c: the disk is full"
        ),
    ):
        choose_output_dir(None, [tmp_path / "a/b", tmp_path / "c"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("\tx", "'x"),
        ("\r=x", "'=x"),
        ("\x00x", "'x"),
        (" =x", "'=x"),
        ("\x01=x", "'=x"),
        ("\uff1dx", "'\uff1dx"),
        ("-", "'-"),
        ("-inf", "'-inf"),
        ("-3.5", "-3.5"),
        ("+3", "+3"),
        ("-3,5", "-3,5"),
        ("-1e-05", "-1e-05"),
        ("-.5", "-.5"),
        ("", ""),
        ("p1/file011.dcm", "p1/file011.dcm"),
        ("a=b", "a=b"),
        ("two\r\nlines", "two lines"),
        ("\x1b[31mred", "[31mred"),
        ("gnp.\u202eexe", "gnp.exe"),
        ("half \udc80", "half"),
        ("caf\u00e9", "caf\u00e9"),
    ],
)
def test_cells_are_made_harmless(cell, safe):
    assert neutralise(cell) == safe


@settings(deadline=None, derandomize=True)
@given(st.text(st.sampled_from("=+-@\t\r\n\x00' ,.1ea\x1b\u202e\uff0b")) | st.text())
def test_no_cell_executes_and_twice_is_once(cell):
    safe = neutralise(cell)
    assert neutralise(safe) == safe
    assert safe.isprintable() or not any(ord(character) < 32 for character in safe)
    if safe[:1] in {*"=+-@\uff1d\uff0b\uff0d\uff20"} - {""}:
        float(safe.replace(",", "."))
    safe.encode("utf-8")


@settings(deadline=None, derandomize=True)
@given(st.floats())
def test_numbers_stay_numbers(number):
    assert neutralise(repr(number)).removeprefix("'") == repr(number)
    if math.isfinite(number):
        assert neutralise(repr(number)) == repr(number)
