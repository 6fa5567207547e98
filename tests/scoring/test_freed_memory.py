"""Freed memory goes back to the system, where its allocator can do that."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import pytest

from dfd.scoring import freed_memory

STATUS = Path("/proc/self/statm")


def resident_mb() -> float:
    return int(STATUS.read_text(encoding="ascii").split()[1]) * 4096 / 1e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_what_was_freed_between_used_blocks_goes_back() -> None:
    # Blocks below the allocator's limit for a mapping of its own, every hundredth still in use.
    blocks = [bytes(64_000) for _ in range(4000)]
    kept = blocks[::100]
    del blocks
    before = resident_mb()
    freed_memory.give_back_freed_memory()
    assert before - resident_mb() > 150
    assert len(kept) == 40


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> ctypes.CDLL:
        raise OSError("no such library")

    freed_memory._c_library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", missing)
    freed_memory.give_back_freed_memory()
    freed_memory._c_library.cache_clear()
