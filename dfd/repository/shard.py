"""A share of the series, one after the other in this process: for batch systems."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from dfd.outputs.files import write_atomically
from dfd.repository.parts import write_part
from dfd.repository.series_task import SeriesTask
from dfd.repository.task import failed, run_task

FOLDER = "shards"
BEGUN = "begun.json"
"""Which series was begun, and how often; gone where the process ended in good order."""
MOST_ENDS = 2
"""How often a series may end this process before it is set aside."""
ENDED_TWICE = (
    f"it ended the process that screened it {MOST_ENDS} times: it needs more memory than there "
    "is, or a decoder cannot bear its files"
)


def folder_of(output: Path, shard: tuple[int, int]) -> Path:
    """What belongs to one share."""
    number, count = shard
    return output / FOLDER / f"{number}-of-{count}"


def is_in(series: str, shard: tuple[int, int]) -> bool:
    """Whether a series belongs to a share: of all shares of one number to exactly one."""
    number, count = shard
    return int(series, 16) % count == number - 1


def work(tasks: Iterable[SeriesTask], folder: Path) -> Iterator[str]:
    """Screen every series and give the status of each.

    Args:
        tasks: series of the share.
        folder: of the share, existing.

    Raises:
        OutputError: a part cannot be written.
    """
    file = folder / BEGUN
    try:
        for task in tasks:
            ends = _ends(file, task.series)
            if ends >= MOST_ENDS:
                part = failed(task, ENDED_TWICE)
                write_part(Path(task.output), part)
                yield part.status
                continue
            begun = {"series": task.series, "times": ends + 1}
            write_atomically(file, json.dumps(begun).encode("ascii"))
            yield run_task(task)
    finally:
        file.unlink(missing_ok=True)


def _ends(file: Path, series: str) -> int:
    """How often this series was begun and never ended."""
    try:
        begun = json.loads(file.read_text(encoding="ascii"))
        return int(begun["times"]) if begun["series"] == series else 0
    except (OSError, ValueError, LookupError, TypeError):
        return 0
