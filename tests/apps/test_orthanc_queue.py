"""The queue of Orthanc's series: what fails is said, nothing is lost, and one process works."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from apps.orthanc import screen_queue
from apps.orthanc.screen_queue import Queue, SeriesFailedError

ROOT = Path(__file__).resolve().parents[2]


class Stub(ThreadingHTTPServer):
    """Answers as Orthanc does for one instance of any series."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.stored: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        body = json.dumps({"Instances": ["i1"]}) if "/series/" in self.path else "a scan"
        self._answer(404 if "gone" in self.path else self.server.status, body.encode())

    def do_POST(self) -> None:
        self.server.stored.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(self.server.status, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Stub]:
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def queue(tmp_path: Path, server: Stub, monkeypatch: pytest.MonkeyPatch) -> Queue:
    folder = tmp_path / "queue"
    folder.mkdir()
    monkeypatch.setenv("DFD_ORTHANC_QUEUE", str(folder))
    monkeypatch.setenv("DFD_ORTHANC_URL", server.url)
    return Queue(folder)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was screened, by a stand-in that gives one result."""
    found: list[bytes] = []

    def screened(scans: Path, output: Path, model: str) -> tuple[str, list[Path]]:
        content = b"".join(path.read_bytes() for path in scans.iterdir())
        if b"bad" in content:
            raise SeriesFailedError("it is bad")
        found.append(content)
        output.mkdir()
        (output / "report.dcm").write_bytes(b"a report")
        return "no anomaly found (p = 0.5)", [output / "report.dcm"]

    monkeypatch.setattr(screen_queue, "screened", screened)
    return found


def put(queue: Queue, *series: str) -> None:
    for number, one in enumerate(series):
        path = queue.folder / f"{one}.waiting"
        path.touch()
        os.utime(path, (number, number))


def files(queue: Queue) -> set[str]:
    return {path.name for path in queue.folder.iterdir()} - {".lock"}


def test_series_are_fetched_screened_and_stored_in_the_order_they_came(
    queue: Queue, server: Stub, fetched: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(queue, "b", "a")
    assert screen_queue.main() == 0
    assert fetched == [b"a scan", b"a scan"]
    assert server.stored == [b"a report", b"a report"]
    said = "no anomaly found (p = 0.5); results stored: 1"
    assert caplog.messages == [f"series b: {said}", f"series a: {said}"]
    assert files(queue) == set()


def test_a_series_that_fails_is_set_aside_with_the_reason(
    queue: Queue, server: Stub, fetched: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(queue, "gone", "good")
    assert screen_queue.main() == 0
    assert len(fetched) == 1
    assert files(queue) == {"gone.failed"}
    reason = "Orthanc answered GET series with 404"
    assert (queue.folder / "gone.failed").read_text() == reason + "\n"
    assert f"series gone could not be screened: {reason}" in caplog.messages


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not let this user in"), (0, "not answer")]
)
def test_a_series_waits_on_while_orthanc_does_not_answer(
    queue: Queue,
    server: Stub,
    fetched: list[bytes],
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.status = status
    if not status:
        monkeypatch.setenv("DFD_ORTHANC_URL", "http://127.0.0.1:9")
    put(queue, "a", "b")
    assert screen_queue.main() == 2
    assert files(queue) == {"a.waiting", "b.waiting"}
    (message,) = caplog.messages
    assert words in message
    monkeypatch.setenv("DFD_ORTHANC_URL", server.url)
    server.status = 200
    assert screen_queue.main() == 0
    assert len(server.stored) == 2


def test_what_a_killed_process_had_begun_is_screened_again(
    queue: Queue, server: Stub, fetched: list[bytes]
) -> None:
    put(queue, "a", "b")
    queue.begin("a")
    (queue.folder / ".screening-x" / "scans").mkdir(parents=True)
    assert screen_queue.main() == 0
    assert len(server.stored) == 2
    assert files(queue) == set()


def test_a_second_process_ends_at_once(queue: Queue, fetched: list[bytes]) -> None:
    put(queue, "a")
    with FileLock(str(queue.folder / ".lock")):
        assert screen_queue.main() == 0
    assert files(queue) == {"a.waiting"}
    assert not fetched


def test_a_series_that_is_stable_again_while_it_is_screened_is_screened_again(
    queue: Queue, server: Stub, fetched: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, times = Queue.begin, []

    def begin_and_wait_again(self: Queue, series: str) -> None:
        begin(self, series)
        times.append(series)
        if len(times) == 1:
            put(self, series)

    monkeypatch.setattr(Queue, "begin", begin_and_wait_again)
    put(queue, "a")
    assert screen_queue.main() == 0
    assert times == ["a", "a"]
    assert files(queue) == set()


def test_the_last_words_of_a_screening_that_failed_are_the_reason(tmp_path: Path) -> None:
    with pytest.raises(
        SeriesFailedError, match=r"dfd screen ended with 2: .*no_such_model"
    ) as told:
        screen_queue.screened(tmp_path, tmp_path / "out", "no_such_model")
    assert "\n" not in str(told.value)


def test_a_queue_that_is_not_there_is_said(tmp_path: Path) -> None:
    variables = os.environ | {"DFD_ORTHANC_QUEUE": str(tmp_path / "none"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, ROOT / "apps" / "orthanc" / "screen_queue.py"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is no folder: make it, and set DFD_ORTHANC_QUEUE" in done.stderr
    assert "Traceback" not in done.stderr
