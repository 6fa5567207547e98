"""The hours of a training, shared among its parts."""

from __future__ import annotations

import pytest

from dfd.bundle.training.budget import SHARES, Clock, hours_of


def test_the_parts_take_the_whole_together() -> None:
    assert sum(hours_of(part, 8.0) or 0.0 for part in SHARES) == pytest.approx(8.0)


@pytest.mark.parametrize("part", SHARES)
def test_without_a_limit_no_part_has_one(part: str) -> None:
    assert hours_of(part, None) is None


def test_a_clock_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    clock, endless = Clock(0.5), Clock(None)
    assert not clock.over
    now[0] += 1799.0
    assert not clock.over
    now[0] += 1.0
    assert clock.over
    assert not endless.over
