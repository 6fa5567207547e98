"""One run at a time in a folder, and a killed one never stands in the way."""

import errno
import logging
import os
import re
import signal
import subprocess
import sys

import pytest
from filelock import FileLock

from dfd.errors import OutputError
from dfd.outputs import lock

REMEDY = "choose another folder"
TAKE = """
import os, signal, sys, time
from pathlib import Path
from dfd.outputs.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), "")
lock.acquire()
print("taken", flush=True)
{then}
"""


@pytest.fixture
def other(tmp_path):
    """Starts another process that takes the lock and then does what it is told."""
    started = []

    def start(then="time.sleep(60)"):
        words = [sys.executable, "-c", TAKE.format(then=then), str(tmp_path)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "taken\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_run_gets_one_sentence_and_changes_nothing(tmp_path, other):
    first = other()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    told = (
        rf"^{re.escape(str(tmp_path))} is in use by another run since {since} \(process "
        rf"{first.pid} on .+\); {REMEDY}$"
    )
    with pytest.raises(OutputError, match=told), lock.held(tmp_path, REMEDY):
        pytest.fail("it was let in")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_killed_run_blocks_nobody(tmp_path, other):
    first = other("os.kill(os.getpid(), signal.SIGKILL)")
    assert first.wait() == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {lock.LOCK, lock.HOLDER}
    with lock.held(tmp_path, REMEDY):
        assert f'"process": {os.getpid()}' in (tmp_path / lock.HOLDER).read_text()
    assert list(tmp_path.iterdir()) == []


def test_two_runs_of_one_process_exclude_each_other(tmp_path):
    with lock.held(tmp_path, REMEDY), pytest.raises(OutputError, match=f"process {os.getpid()} on"):
        lock.FolderLock(tmp_path, REMEDY).acquire()
    with lock.held(tmp_path, REMEDY):
        pass


def test_the_lock_ends_with_a_block_that_fails(tmp_path):
    with pytest.raises(ValueError, match="boom"), lock.held(tmp_path, REMEDY):
        raise ValueError("boom")
    assert list(tmp_path.iterdir()) == []


def test_reader_processes_that_are_forked_and_end_leave_the_lock_alone(tmp_path):
    with lock.held(tmp_path, REMEDY):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(OutputError, match="is in use"):
            lock.FolderLock(tmp_path, REMEDY).acquire()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_files_cannot_be_locked_a_warning_is_all(tmp_path, monkeypatch, caplog, number):
    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with caplog.at_level(logging.WARNING), lock.held(tmp_path, REMEDY):
        pass
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path} lies where files cannot be locked: do not let a second run write there"
    ]


def test_a_holder_that_cannot_be_read_is_left_out(tmp_path, other):
    other()
    for content in (b"", b"[]", b"{}", b"\xff"):
        (tmp_path / lock.HOLDER).write_bytes(content)
        with pytest.raises(OutputError, match=rf"by another run; {REMEDY}"):
            lock.FolderLock(tmp_path, REMEDY).acquire()


def test_a_lock_that_is_kept_may_be_taken_twice_and_let_go(tmp_path, other):
    lock.keep(tmp_path, REMEDY)
    lock.keep(tmp_path, REMEDY)
    with pytest.raises(OutputError, match="is in use"):
        lock.FolderLock(tmp_path, REMEDY).acquire()
    lock.let_go(tmp_path)
    lock.let_go(tmp_path)
    assert list(tmp_path.iterdir()) == []
    other()
    with pytest.raises(OutputError, match="is in use"):
        lock.keep(tmp_path, REMEDY)
