"""A full disk costs pictures, never numbers."""

import errno
import logging
import os

import pytest

from dfd.errors import OutputError
from dfd.outputs.disk_space import RESERVE, SMALLEST, DiskSpace


class Disk:
    """Takes so many files; then it is full, until something is removed."""

    def __init__(self, space):
        self.space, self.written = space, []

    def put(self, name):
        def write():
            if self.space <= 0:
                error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                raise OutputError(f"{name} cannot be written") from error
            self.space -= 1
            self.written.append(name)

        return write


def forbidden():
    raise OutputError("read-only") from OSError(errno.EROFS, "read-only")


def test_pictures_after_the_first_that_does_not_fit_are_left_out(tmp_path, caplog):
    disk = Disk(2)
    space = DiskSpace(tmp_path, 5, lambda: None)
    with caplog.at_level(logging.WARNING):
        assert [space.may(name, disk.put(name)) for name in "abcd"] == [True, True, False, False]
    assert (disk.written, space.left_out, space.full) == (["a", "b"], ["c", "d"], True)
    assert [record.getMessage() for record in caplog.records] == [
        "the disk is full: c and what comes later are left out, to write all numbers"
    ]
    disk.space = 5
    assert not space.may("e", disk.put("e"))
    assert "e" not in disk.written


def test_what_only_saves_time_goes_before_a_picture_is_left_out(tmp_path):
    disk = Disk(0)

    def spare():
        disk.space = 1

    space = DiskSpace(tmp_path, 5, spare)
    assert space.may("a", disk.put("a"))
    assert not space.full


def test_numbers_take_the_reserve(tmp_path):
    disk = Disk(0)
    space = DiskSpace(tmp_path, 5, lambda: None)
    space.reserve()
    assert (tmp_path / RESERVE).stat().st_size >= 5 * 4096

    def write():
        if (tmp_path / RESERVE).exists():
            disk.put("scores")()
        disk.written.append("scores")

    space.must(write)
    assert disk.written == ["scores"]
    with pytest.raises(OutputError, match="more cannot be written"):
        space.must(disk.put("more"))


def test_a_picture_left_out_gives_the_reserve_back(tmp_path):
    space = DiskSpace(tmp_path, 5, lambda: None)
    space.reserve()
    space.may("a", Disk(0).put("a"))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path):
    space = DiskSpace(tmp_path, 5, lambda: None)
    for put in (lambda: space.may("a", forbidden), lambda: space.must(forbidden)):
        with pytest.raises(OutputError, match="read-only"):
            put()
    assert not space.full


@pytest.mark.parametrize("free", [0, 2 * SMALLEST, 100_000])
@pytest.mark.parametrize("plain", [False, True])
def test_the_reserve_takes_what_there_is(tmp_path, monkeypatch, free, plain):
    if plain:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
        monkeypatch.setattr("dfd.outputs.disk_space._CHUNK", free + 1)
    else:

        def allocate(_, __, size):
            if size > free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "posix_fallocate", allocate, raising=False)
    DiskSpace(tmp_path, 1000, lambda: None).reserve()
    assert (tmp_path / RESERVE).exists() == (free >= SMALLEST or plain)
