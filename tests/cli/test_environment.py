"""A container's quota bounds the threads, and an unknown uid has a name."""

from __future__ import annotations

import getpass
import os
import pwd
from pathlib import Path

import pytest

from dfd.cli.environment import limit_threads, name_user, quota_of


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "800000 100000\n"}, 8),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "350000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense\n"}, None),
        ({}, None),
    ],
    ids=[
        "v2",
        "v2 below one",
        "v2 unbounded",
        "v1",
        "v1 unbounded",
        "unreadable",
        "no control group",
    ],
)
def test_the_quota_is_read(tmp_path: Path, files: dict[str, str], quota: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quota_of(tmp_path) == quota


@pytest.mark.parametrize(
    ("given", "processors", "threads"), [(None, 64, "8"), (None, 4, None), ("2", 64, "2")]
)
def test_threads_are_bounded_unless_the_user_says_how_many(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    processors: int,
    threads: str | None,
) -> None:
    (tmp_path / "cpu.max").write_text("800000 100000\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    limit_threads(tmp_path)
    assert os.environ.get("OMP_NUM_THREADS") == threads


def test_who_is_unknown_gets_a_name_and_who_is_known_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setenv("USER", "somebody")
    for name in ("LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    name_user()
    assert getpass.getuser() == "somebody"
    monkeypatch.delenv("USER")
    name_user()
    assert getpass.getuser() == str(os.getuid())
