"""Series to this process or to a cluster, and the run into its log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dfd.errors import InterruptedRunError, OutputError
from dfd.progress import Progress
from dfd.repository.run_log import Event, RunLog
from dfd.repository.series_task import SeriesTask
from dfd.settings import ScreenSettings

logger = logging.getLogger(__name__)


def work_on(tasks: list[SeriesTask], settings: ScreenSettings, log: RunLog) -> None:
    """Screen the series, in this process or on a cluster.

    Raises:
        InterruptedRunError: a part could not be written, or the scheduler went away.
        DfdError: nothing can be screened.
    """
    if not tasks:
        return
    logger.info("%d series to screen", len(tasks))
    try:
        with _noted(log, len(tasks)), Progress("screening series", len(tasks)) as told:
            for _ in _statuses(settings, tasks, log):
                told.update()
    except OutputError as error:
        raise InterruptedRunError(f"{error}; run again to go on") from error


def _statuses(settings: ScreenSettings, tasks: list[SeriesTask], log: RunLog) -> Iterator[str]:
    """The status of each series as it ends."""
    if settings.shard is not None:
        from dfd.repository import shard as shards

        return shards.work(tasks, shards.folder_of(settings.output_dir, settings.shard), log)
    from dfd.repository.work import work

    return work(tasks, settings, log)


@contextmanager
def _noted(log: RunLog, series: int) -> Iterator[None]:
    """Log the beginning and the end of the work on so many series."""
    begun, how = time.monotonic(), "finished"
    log.write(Event.RUN_BEGUN, status=f"{series} series")
    try:
        yield
    except BaseException as error:
        how = type(error).__name__
        raise
    finally:
        log.write(Event.RUN_ENDED, status=how, seconds=time.monotonic() - begun)
