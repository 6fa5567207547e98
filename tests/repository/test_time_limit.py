"""A process that takes too long ends itself, whatever it hangs in."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from dfd.repository import time_limit as limits
from tests.repository.conftest import ROOT

HANGS = {
    "waiting": "time.sleep(60)",
    "computing": "while True: pass",
    # Keeps Python's lock, as a decoder may.
    "within C": "re.match('(a+)+$', 'a' * 60 + 'b')",
}


@pytest.mark.parametrize("hang", HANGS)
def test_a_process_that_hangs_ends(hang: str) -> None:
    code = (
        "import re, time\nfrom dfd.repository.time_limit import time_limit\n"
        f"with time_limit(0.2):\n    {HANGS[hang]}\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert time.monotonic() - began < 40
    assert done.returncode == 1
    assert done.stdout == ""
    says = "a series takes longer than 1 s: this process ends; run again to go on\n"
    assert done.stderr == ("" if hang == "within C" else says)


def test_what_ends_in_time_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[float] = []
    monkeypatch.setattr(
        limits.faulthandler, "dump_traceback_later", lambda left, **_: watched.append(left)
    )
    with limits.time_limit(50):
        with limits.time_limit(20):
            pass
        with limits.time_limit(90):
            pass
    # The earliest end counts, that of the block outside too.
    assert [round(left - limits.LAST_WORDS_S) for left in watched] == [50, 20, 50, 50, 50]
    assert limits.limit_of(100) == 6600
