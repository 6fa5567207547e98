"""A share of the series, one after the other in this process: for batch systems."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dfd.outputs.files import write_atomically
from dfd.progress import span
from dfd.repository.parts import write_part
from dfd.repository.run_log import Event, RunLog
from dfd.repository.series_task import SeriesTask
from dfd.repository.task import failed, run_task

FOLDER = "shards"
BEGUN = "begun.json"
"""Which series was begun, and how often; gone where the process ended in good order."""
MOST_ENDS = 2
"""How often a series may end this process before it is set aside."""
ENDED_TWICE = (
    f"it ended the process that screened it {MOST_ENDS} times: it needs more memory than there "
    "is, it takes longer than {}, or a decoder cannot bear its files"
)


def folder_of(output: Path, shard: tuple[int, int]) -> Path:
    """What belongs to one share."""
    number, count = shard
    return output / FOLDER / f"{number}-of-{count}"


def is_in(series: str, shard: tuple[int, int]) -> bool:
    """Whether a series belongs to a share: of all shares of one number to exactly one."""
    number, count = shard
    return int(series, 16) % count == number - 1


def work(tasks: Iterable[SeriesTask], folder: Path, log: RunLog) -> Iterator[str]:
    """Screen every series and give the status of each.

    Args:
        tasks: series of the share.
        folder: of the share, existing.
        log: of the run.

    Raises:
        OutputError: a part cannot be written.
    """
    file = folder / BEGUN
    try:
        for task in tasks:
            started = time.monotonic()
            status = _worked_on(task, file, log)
            seconds = time.monotonic() - started
            log.write(Event.ENDED, series=task.series, status=status, seconds=seconds)
            yield status
    finally:
        file.unlink(missing_ok=True)


def _worked_on(task: SeriesTask, file: Path, log: RunLog) -> str:
    """The status of a series, which is set aside where it ended this process before."""
    ends = _ends(file, task.series)
    if ends >= MOST_ENDS:
        part = failed(task, ENDED_TWICE.format(span(task.limit_s)))
        write_part(Path(task.output), part)
        return part.status
    begun = {"series": task.series, "times": ends + 1}
    write_atomically(file, json.dumps(begun).encode("ascii"))
    log.write(Event.BEGUN, series=task.series)
    return run_task(task)


def _ends(file: Path, series: str) -> int:
    """How often this series was begun and never ended."""
    try:
        begun = json.loads(file.read_text(encoding="ascii"))
        return int(begun["times"]) if begun["series"] == series else 0
    except (OSError, ValueError, LookupError, TypeError):
        return 0
