"""Which planned series a run asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfd.repository import shard
from dfd.repository.schema import PLANNED
from dfd.settings import ScreenSettings


def is_asked_for(settings: ScreenSettings, row: Mapping[str, Any]) -> bool:
    """Whether a series of the plan is planned, new enough, and in the share of this run."""
    if row["status"] != PLANNED:
        return False
    # Of an archive nobody knows when images came: its plan holds the studies that are wanted.
    written = row["added"][:10]
    if settings.since is not None and written and written < settings.since.isoformat():
        return False
    return settings.shard is None or shard.is_in(row["series"], settings.shard)
