"""Series on the workers of a Dask cluster, one a task; only names travel."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import dask
from distributed import Client, Future, LocalCluster, get_worker, wait
from distributed.client import FuturesCancelledError
from distributed.scheduler import KilledWorker

from dfd.errors import InterruptedRunError, RemoteError
from dfd.exit_messages import is_disk_full
from dfd.progress import span
from dfd.repository.gpus import device_for, gpus_for
from dfd.repository.headers import cores_here
from dfd.repository.parts import write_part
from dfd.repository.run_log import Event, RunLog
from dfd.repository.series_task import SeriesTask
from dfd.repository.task import failed, run_task
from dfd.repository.worker_setup import quieten
from dfd.settings import ScreenSettings

CONNECT_S = 5.0
"""Seconds that a scheduler is waited for."""
LOOK_S = 1.0
"""Seconds after which the cluster is looked at though no series has ended."""
CLOSE_S = 5.0
TOPIC = "dfd-series-begun"
"""Of the events by which workers say what they begin."""
FULL = 0.6
"""Share of its memory limit from which on a worker begins anew after a series."""
ENDED_TWICE = (
    "it ended the process that screened it twice: it needs more memory than a worker has, or a "
    "decoder cannot bear its files"
)
HUNG_TWICE = "it took longer than {} twice: its files cannot be read in time, or a decoder hangs"
LOST = "the scheduler at {} is gone; what was screened so far is valid, run again to go on"

_LOST = (CancelledError, FuturesCancelledError, OSError)
"""What is raised where a scheduler went away: nothing is cancelled here."""

logger = logging.getLogger(__name__)


def work(tasks: Iterable[SeriesTask], settings: ScreenSettings, log: RunLog) -> Iterator[str]:
    """Screen every series on a cluster and give the status of each as it ends.

    Args:
        tasks: the series.
        settings: say which cluster.
        log: of the run.

    Raises:
        InterruptedRunError: the scheduler went away.
        OutputError: a part could not be written.
        RemoteError: no scheduler answers at the address.
        DfdError: nothing can be screened.
    """
    with _client(settings) as client:
        try:
            yield from _Cluster(client, log).screened(tasks)
        except _LOST as error:
            if is_disk_full(error):
                raise
            address = settings.scheduler or client.scheduler.address
            raise InterruptedRunError(LOST.format(address)) from error


def on_worker(task: SeriesTask) -> Done:
    """:func:`~dfd.repository.task.run_task` on a worker."""
    worker = get_worker()
    worker.log_event(TOPIC, {"series": task.series, "worker": str(worker.name)})
    begun = time.monotonic()
    status = run_task(replace(task, device=device_for(task.device, worker.name)))
    limit = worker.memory_manager.memory_limit
    is_full = limit and worker.nanny and worker.monitor.get_process_memory() > FULL * limit
    seconds = time.monotonic() - begun
    return Done(status, seconds, str(worker.name), worker.address if is_full else "")


@dataclass(frozen=True, slots=True)
class Done:
    """What comes back from a worker."""

    status: str
    seconds: float
    worker: str
    restart: str
    """Address of the worker where its memory has grown so much that it should begin anew."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """When a series was begun, and where."""

    at: float = field(default_factory=time.monotonic)
    worker: str = ""


class _Cluster:
    """Hands out tasks, as many at a time as there are threads of workers.

    A series whose worker ended is tried once more with no other beside it, so that no series is set
    aside for the fault of another.
    """

    def __init__(self, client: Client, log: RunLog) -> None:
        self.client, self.log = client, log
        self.pending: dict[Future, SeriesTask] = {}
        self.begun: dict[str, _Begun] = {}
        self.suspects: dict[SeriesTask, str] = {}
        """Series whose worker ended, and why it may have."""
        self.looked_at, self.threads = 0.0, 1

    def screened(self, tasks: Iterable[SeriesTask]) -> Iterator[str]:
        """The status of each series as it ends."""
        self.client.subscribe_topic(TOPIC, self._begin)
        yield from self._round(iter(tasks), alone=False)
        suspects, self.suspects = self.suspects, {}
        yield from self._round(iter(suspects), alone=True)
        for task, reason in self.suspects.items():
            part = failed(task, reason)
            write_part(Path(task.output), part)
            self.log.write(Event.ENDED, series=task.series, status=part.status)
            yield part.status

    def _begin(self, event: tuple[float, dict[str, str]]) -> None:
        """A worker says that it begins a series; in a thread of the client."""
        _, said = event
        self.begun[said["series"]] = _Begun(worker=said["worker"])
        self.log.write(Event.BEGUN, series=said["series"], worker=said["worker"])

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
            begun = self.begun.pop(task.series, _Begun())
            try:
                result = future.result()
            except KilledWorker:
                self._suspect(task, begun)
                continue
            self.log.write(
                Event.ENDED,
                series=task.series,
                status=result.status,
                seconds=result.seconds,
                worker=result.worker,
            )
            if result.restart:
                # It has nothing to do until the next series is handed out.
                self.client.restart_workers([result.restart], raise_for_error=False)
                self.log.write(Event.WORKER_RESTARTED, worker=result.worker)
            yield result.status

    def _suspect(self, task: SeriesTask, begun: _Begun) -> None:
        """Note a series whose worker ended."""
        seconds = time.monotonic() - begun.at
        hung = seconds >= task.limit_s
        self.suspects[task] = HUNG_TWICE.format(span(task.limit_s)) if hung else ENDED_TWICE
        self.log.write(Event.WORKER_ENDED, series=task.series, seconds=seconds, worker=begun.worker)


def workers_for(settings: ScreenSettings) -> int:
    """Processes of a cluster of this machine: one for each GPU, or else for each processor."""
    return settings.workers or gpus_for(settings.device) or cores_here()


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
            n_workers=workers_for(settings),
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
