"""Several threads read at once: nobody hears a value, and afterwards everything is as before."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings

import pytest
from pydicom.config import settings
from pydicom.uid import UID

from dfd.reading.quiet import quiet

INVALID = "1.02.3"
PYDICOM = logging.getLogger("pydicom")


def _state() -> tuple[object, ...]:
    modes = settings.reading_validation_mode, settings.writing_validation_mode
    return (*modes, PYDICOM.disabled, tuple(warnings.filters))


@pytest.mark.parametrize("first_in_leaves_first", [True, False])
def test_readers_that_overlap_leave_everything_as_it_was(first_in_leaves_first: bool) -> None:
    before = _state()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        inside = _state()
        readers = [quiet(), quiet()]
        for reader in readers:
            reader.__enter__()
        one, other = readers if first_in_leaves_first else reversed(readers)
        one.__exit__(None, None, None)
        UID(INVALID)
        assert heard == []
        assert PYDICOM.disabled
        other.__exit__(None, None, None)
        assert _state() == inside
    assert _state() == before


def test_many_threads_at_once() -> None:
    before = _state()

    def read() -> None:
        for _ in range(2000):
            with quiet():
                time.sleep(0)  # another thread goes on here
                UID(INVALID)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _state() == before
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        UID(INVALID)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_forked_while_another_thread_reads_can_read() -> None:
    entered, done = threading.Event(), threading.Event()

    def read() -> None:
        with quiet():
            entered.set()
            done.wait()

    reader = threading.Thread(target=read)
    reader.start()
    entered.wait()
    child = os.fork()
    if child == 0:
        with quiet():
            os._exit(0)
    done.set()
    reader.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
