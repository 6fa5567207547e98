"""What travels to a worker."""

from __future__ import annotations

from dataclasses import dataclass

from dfd.repository.models import PlannedModel
from dfd.repository.time_limit import START_S


@dataclass(frozen=True, slots=True)
class SeriesTask:
    """A series to be screened: names alone, so that it travels in no time."""

    series: str
    content: str
    root: str
    """Folder that ``files`` begin at, or the address of an archive."""
    files: tuple[str, ...]
    """As the plan writes them."""
    output: str
    model: PlannedModel
    device: str
    limit_s: float = START_S
    """Seconds after which the process that screens it ends."""
