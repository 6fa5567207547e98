"""Series on the workers of a Dask cluster, one a task; only names travel."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import dask
from distributed import Client, Future, LocalCluster, get_worker, wait
from distributed.client import FuturesCancelledError
from distributed.scheduler import KilledWorker

from dfd.errors import InterruptedRunError, RemoteError
from dfd.exit_messages import is_disk_full
from dfd.repository.headers import cores_here
from dfd.repository.parts import write_part
from dfd.repository.series_task import SeriesTask
from dfd.repository.task import failed, run_task
from dfd.repository.worker_setup import quieten
from dfd.settings import ScreenSettings

CONNECT_S = 5.0
"""Seconds that a scheduler is waited for."""
LOOK_S = 1.0
"""Seconds after which the cluster is looked at though no series has ended."""
CLOSE_S = 5.0
FULL = 0.6
"""Share of its memory limit from which on a worker begins anew after a series."""
ENDED_TWICE = (
    "it ended the process that screened it twice: it needs more memory than a worker has, or a "
    "decoder cannot bear its files"
)
LOST = "the scheduler at {} is gone; what was screened so far is valid, run again to go on"

_LOST = (CancelledError, FuturesCancelledError, OSError)
"""What is raised where a scheduler went away: nothing is cancelled here."""

logger = logging.getLogger(__name__)


def work(tasks: Iterable[SeriesTask], settings: ScreenSettings) -> Iterator[str]:
    """Screen every series on a cluster and give the status of each as it ends.

    Raises:
        InterruptedRunError: the scheduler went away.
        OutputError: a part could not be written.
        RemoteError: no scheduler answers at the address.
        DfdError: nothing can be screened.
    """
    with _client(settings) as client:
        try:
            yield from _Cluster(client).screened(tasks)
        except _LOST as error:
            if is_disk_full(error):
                raise
            address = settings.scheduler or client.scheduler.address
            raise InterruptedRunError(LOST.format(address)) from error


def on_worker(task: SeriesTask) -> tuple[str, str]:
    """:func:`~dfd.repository.task.run_task` on a worker.

    And the address of the worker where its memory has grown so much that it should begin anew.
    """
    status = run_task(task)
    worker = get_worker()
    limit = worker.memory_manager.memory_limit
    is_full = limit and worker.nanny and worker.monitor.get_process_memory() > FULL * limit
    return status, worker.address if is_full else ""


class _Cluster:
    """Hands out tasks, as many at a time as there are threads of workers.

    A series whose worker ended is tried once more with no other beside it, so that no series is set
    aside for the fault of another.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.pending: dict[Future, SeriesTask] = {}
        self.suspects: list[SeriesTask] = []
        self.looked_at, self.threads = 0.0, 1

    def screened(self, tasks: Iterable[SeriesTask]) -> Iterator[str]:
        """The status of each series as it ends."""
        yield from self._round(iter(tasks), alone=False)
        suspects, self.suspects = self.suspects, []
        yield from self._round(iter(suspects), alone=True)
        for task in self.suspects:
            part = failed(task, ENDED_TWICE)
            write_part(Path(task.output), part)
            yield part.status

    def _round(self, tasks: Iterator[SeriesTask], *, alone: bool) -> Iterator[str]:
        left = True
        while left or self.pending:
            while left and len(self.pending) < (1 if alone else self._places()):
                task = next(tasks, None)
                left = task is not None
                if task is not None:
                    future = self.client.submit(
                        on_worker, task, key=f"series-{task.series}-{alone:d}", pure=False
                    )
                    self.pending[future] = task
            yield from self._ended()

    def _places(self) -> int:
        """Threads of all workers; one where none has come yet."""
        now = time.monotonic()
        if now - self.looked_at > LOOK_S:
            self.looked_at = now
            workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
            self.threads = max(1, sum(each["nthreads"] for each in workers))
        return self.threads

    def _ended(self) -> Iterator[str]:
        """Status of the series that have ended; after ``LOOK_S`` none may have."""
        if not self.pending:
            return
        try:
            done = wait(list(self.pending), timeout=LOOK_S, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return
        for future in done:
            task = self.pending.pop(future)
            try:
                status, full = future.result()
            except KilledWorker:
                self.suspects.append(task)
                continue
            if full:
                # It has nothing to do until the next series is handed out.
                self.client.restart_workers([full], raise_for_error=False)
            yield status


@contextmanager
def _client(settings: ScreenSettings) -> Iterator[Client]:
    """A client of the scheduler that was named, or of a cluster of this machine."""
    quieten("distributed")  # what becomes of workers is said in sentences here
    if settings.scheduler is not None:
        with _connected(settings.scheduler) as client:
            yield client
        return
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        cluster = LocalCluster(
            n_workers=settings.workers or cores_here(),
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            preload="dfd.repository.worker_setup",
        )
        try:
            client = Client(cluster)
            try:
                _name_dashboard(client)
                yield client
            finally:
                with suppress(Exception):
                    client.close(timeout=CLOSE_S)
        finally:
            with suppress(Exception):
                cluster.close(timeout=CLOSE_S)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise RemoteError(
            f"no Dask scheduler answers at {address}: correct the address, or start one with "
            "`dask scheduler`"
        ) from error
    try:
        _name_dashboard(client)
        if not client.scheduler_info(n_workers=-1)["workers"]:
            logger.warning("the scheduler has no workers yet: series wait until one comes")
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=CLOSE_S)


def _name_dashboard(client: Client) -> None:
    if find_spec("bokeh") is None:
        logger.info("install bokeh to see Dask's dashboard")
    else:
        logger.info("Dask's dashboard: %s", client.dashboard_link)
