"""Screens the series that wait in a queue, one after the other, and stores the results in Orthanc.

``screen_stable_series.lua`` starts it for each stable series. One process works the queue; another
one ends at once. Files of the queue folder, ``ID`` being Orthanc's identifier of a series:
``ID.waiting``, ``ID.running``, and ``ID.failed`` with the reason.

Environment: DFD_ORTHANC_QUEUE; DFD_ORTHANC_URL (http://127.0.0.1:8042), DFD_ORTHANC_USER and
DFD_ORTHANC_PASSWORD; DFD_MODEL, a model for all series.
"""

from __future__ import annotations

import csv
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock, Timeout

from dfd.errors import DfdError, RemoteError, UsageError
from dfd.outputs.files import write_atomically

DEFAULT_URL = "http://127.0.0.1:8042"
TIMEOUT_S = (10.0, 120.0)
"""To connect, and to wait for the next bytes of an answer."""
LOCK = ".lock"
SCRATCH = ".screening-"
"""Begin of the name of the folder that holds a series while it is screened."""
WAITING, RUNNING, FAILED = ".waiting", ".running", ".failed"
HIGHEST_FD = 65536

logger = logging.getLogger("screen_queue")


class SeriesFailedError(DfdError):
    """A series could not be screened; others may."""


@dataclass(frozen=True)
class Orthanc:
    """The archive's own interface."""

    url: str
    session: requests.Session

    def series(self, series: str) -> list[str]:
        """Identifiers of the instances of a series."""
        return [str(each) for each in self._send("GET", f"series/{series}").json()["Instances"]]

    def fetch(self, instance: str, path: Path) -> None:
        """Write the file of an instance to ``path``."""
        path.write_bytes(self._send("GET", f"instances/{instance}/file").content)

    def store(self, path: Path) -> None:
        """Store a file; one that is there already is left as it is."""
        self._send("POST", "instances", path.read_bytes())

    def _send(self, method: str, place: str, data: bytes | None = None) -> requests.Response:
        """An answer.

        Raises:
            RemoteError: Orthanc does not answer.
            SeriesFailedError: it refuses.
        """
        try:
            answer = self.session.request(
                method, f"{self.url}/{place}", data=data, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise RemoteError(
                f"Orthanc at {self.url} does not answer ({type(error).__name__}): start it, or "
                "correct DFD_ORTHANC_URL"
            ) from error
        if answer.status_code in (401, 403):
            raise RemoteError(
                f"Orthanc at {self.url} does not let this user in: correct DFD_ORTHANC_USER and "
                "DFD_ORTHANC_PASSWORD"
            )
        if answer.status_code != 200:
            raise SeriesFailedError(
                f"Orthanc answered {method} {place.split('/')[0]} with {answer.status_code}"
            )
        return answer


class Queue:
    """The folder of the requests; who holds its lock may work them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether this process works the queue while the block runs."""
        lock = FileLock(str(self.folder / LOCK))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def recover(self) -> None:
        """Let what a process that was killed had begun wait again."""
        for path in self.folder.glob(f"*{RUNNING}"):
            path.replace(path.with_suffix(WAITING))
        for path in self.folder.glob(f"{SCRATCH}*"):
            shutil.rmtree(path, ignore_errors=True)

    def waiting(self) -> list[str]:
        """Series that wait, the one that waits longest first."""
        found = [(path.stat().st_mtime, path.stem) for path in self.folder.glob(f"*{WAITING}")]
        return [series for _, series in sorted(found)]

    def begin(self, series: str) -> None:
        """A series is screened now; Orthanc may put it into the queue again meanwhile."""
        self._path(series, WAITING).replace(self._path(series, RUNNING))
        self._path(series, FAILED).unlink(missing_ok=True)

    def end(self, series: str, failure: str = "") -> None:
        """A series has been screened, or could not be."""
        if failure:
            write_atomically(self._path(series, FAILED), f"{failure}\n".encode())
        self._path(series, RUNNING).unlink(missing_ok=True)

    def _path(self, series: str, state: str) -> Path:
        return self.folder / f"{series}{state}"


def screened(scans: Path, output: Path, model: str) -> tuple[str, list[Path]]:
    """What is said of a series, in words, and its DICOM results.

    Screened by another process: what ends that one does not end the queue.

    Raises:
        SeriesFailedError: it could not be screened.
    """
    words = [sys.executable, "-m", "dfd", "screen", str(scans), "--output", str(output)]
    words += ["--shard", "1/1", "--dicom", "all", *(["--model", model] if model else [])]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        ending = lines[-1] if lines else "it said nothing"
        raise SeriesFailedError(f"dfd screen ended with {done.returncode}: {ending}")
    with (output / "series.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    answers = [
        f"{row['verdict']} (p = {float(row['p_value']):.2g})"
        if row["status"] == "scored"
        else f"{row['status']}: {row['reason']}"
        for row in rows
    ]
    if any(row["status"] == "failed" for row in rows):
        raise SeriesFailedError("; ".join(answers))
    return "; ".join(answers), sorted((output / "dicom").glob("*.dcm"))


def screen_one(series: str, orthanc: Orthanc, queue: Queue, model: str) -> None:
    """Fetch, screen and store one series.

    Raises:
        DfdError: that failed.
    """
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=queue.folder) as scratch:
        scans, output = Path(scratch, "scans"), Path(scratch, "output")
        scans.mkdir()
        for number, instance in enumerate(orthanc.series(series), start=1):
            orthanc.fetch(instance, scans / f"{number:05d}.dcm")
        answer, results = screened(scans, output, model)
        for path in results:
            orthanc.store(path)
    logger.info("series %s: %s; results stored: %d", series, answer, len(results))


def work(queue: Queue, orthanc: Orthanc, model: str) -> None:
    """Screen what waits until nothing does.

    Raises:
        RemoteError: Orthanc does not answer; the series waits on.
    """
    for series in iter(lambda: next(iter(queue.waiting()), None), None):
        queue.begin(series)
        try:
            screen_one(series, orthanc, queue, model)
        except RemoteError:
            queue.recover()
            raise
        except (DfdError, OSError, ValueError, LookupError) as error:
            # Whatever it is: the series behind it must not wait for ever.
            logger.error("series %s could not be screened: %s", series, error)
            queue.end(series, str(error))
        else:
            queue.end(series)


def main() -> int:
    """Work the queue, if no other process does; gives the exit status."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logger.setLevel(logging.INFO)
    try:
        queue, orthanc = _settings()
        # After the lock is given up Orthanc's next process takes over; a request from the moment
        # before is seen here once more.
        while queue.waiting():
            with queue.locked() as mine:
                if not mine:
                    return 0
                queue.recover()
                work(queue, orthanc, os.environ.get("DFD_MODEL", ""))
    except (DfdError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


def _settings() -> tuple[Queue, Orthanc]:
    """From the environment.

    Raises:
        UsageError: the folder of the queue is not there.
    """
    folder = Path(os.environ.get("DFD_ORTHANC_QUEUE") or "missing")
    if not folder.is_dir():
        raise UsageError(f"the queue {folder} is no folder: make it, and set DFD_ORTHANC_QUEUE")
    session = requests.Session()
    session.trust_env = False  # neither proxies nor .netrc: Orthanc is near
    if os.environ.get("DFD_ORTHANC_USER"):
        session.auth = (
            os.environ["DFD_ORTHANC_USER"],
            os.environ.get("DFD_ORTHANC_PASSWORD", ""),
        )
    url = os.environ.get("DFD_ORTHANC_URL", DEFAULT_URL).rstrip("/")
    return Queue(folder), Orthanc(url, session)


if __name__ == "__main__":
    # Orthanc hands its listening sockets down to what it starts: kept open here, they would be in
    # the way when it is started again.
    os.closerange(3, HIGHEST_FD)
    sys.exit(main())
