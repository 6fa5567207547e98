"""One series of a plan, on the machine that screens it: only its part is left behind."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from dfd.errors import DfdError, SeriesError
from dfd.exit_messages import is_disk_full, line_of
from dfd.repository.at_hand import NotGivenError, at_hand
from dfd.repository.names import below
from dfd.repository.parts import Part, Wanted, read_part, write_part
from dfd.repository.schema import FAILED, NOT_YET
from dfd.repository.series_task import SeriesTask
from dfd.repository.time_limit import time_limit
from dfd.sentences import named

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""How often a series is begun that ends in a fault: a disk of the network may have stumbled."""


def run_task(task: SeriesTask) -> str:
    """Screen a series, write its pictures and its part, and give its status.

    A series of which an archive gives nothing has no part and is not yet done.

    A part that is there already is kept: a task may come again whose worker ended after writing it.
    Where it takes longer than its limit, this process ends.

    Raises:
        DfdError: nothing can be screened here: no such model, no such device, no place to write.
    """
    part = read_part(Path(task.output), Wanted(task.series, task.content, task.model.sha256))
    if part is None:
        with time_limit(task.limit_s):
            try:
                part = _at_hand_and_screened(task)
            except NotGivenError as error:
                logger.warning("a series is left for the next run: %s", error)
                return NOT_YET
        write_part(Path(task.output), part)
    return part.status


def _at_hand_and_screened(task: SeriesTask) -> Part:
    """The part of a series, whose files are fetched where an archive has them."""
    with at_hand(task.root, task.files) as folder:
        part = _screened(replace(task, root=str(folder)))
    # A folder that has gone is nobody's business.
    fetched = str(folder) != task.root
    return replace(part, reason=part.reason.replace(f"{folder}/", "")) if fetched else part


def _screened(task: SeriesTask) -> Part:
    from dfd.repository.pictures import write_pictures
    from dfd.repository.screen_series import screen_series

    reason = ""
    for _ in range(ATTEMPTS):
        try:
            part = _with_names_marked(screen_series(task), task)
            write_pictures(task, part)
            return part
        except DfdError:
            raise
        except Exception as error:  # one series must not end the work on the others
            if is_disk_full(error):
                raise
            reason = line_of(error).removeprefix("error: ")
    return failed(task, reason)


def _with_names_marked(part: Part, task: SeriesTask) -> Part:
    """The part, with the name of a file marked in its sentence; see :mod:`dfd.sentences`."""
    if _as_written(Path(task.root)) not in part.reason:
        return part
    paths = (_as_written(below(Path(task.root), name)) for name in task.files)
    name = max((path for path in paths if path in part.reason), key=len, default="")
    return replace(part, reason=part.reason.replace(name, named(name))) if name else part


def _as_written(path: Path) -> str:
    """A path as an error writes it."""
    return str(SeriesError(str(path)))


def failed(task: SeriesTask, reason: str) -> Part:
    """The part of a series that is set aside."""
    return Part(task.series, task.content, task.model.sha256, FAILED, reason)
