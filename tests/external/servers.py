"""A MONAI Label server as a user starts it, and questions to it over HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

from tests.external.programs import free_port

STARTS_S, ANSWERS_S = 180, 240
BOUNDARY = "3f1c0d9a"


@dataclass(frozen=True)
class Reply:
    """What the server said."""

    status: int
    kind: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def parts(self) -> dict[str, bytes]:
        """Parts of a multipart answer by name."""
        message = message_from_bytes(
            b"Content-Type: " + self.kind.encode() + b"\r\n\r\n" + self.body
        )
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in message.get_payload()
        }


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    address: str
    log: Path
    started_s: float

    def get(self, path: str) -> Reply:
        return self._send(urllib.request.Request(f"{self.address}{path}"))

    def post(self, path: str, body: object = None) -> Reply:
        data = b"" if body is None else json.dumps(body).encode()
        return self._send(
            urllib.request.Request(
                f"{self.address}{path}", data, {"Content-Type": "application/json"}, method="POST"
            )
        )

    def infer(
        self, model: str, image: str, params: object, output: str = "json", file: Path | None = None
    ) -> Reply:
        """``params``: text is sent as it is, anything else as JSON."""
        text = params if isinstance(params, str) else json.dumps(params)
        body = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="params"\r\n\r\n{text}\r\n'
        ).encode()
        if file is not None:
            disposition = f'Content-Disposition: form-data; name="file"; filename="{file.name}"'
            body += (
                (
                    f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n"
                    "\r\n"
                ).encode()
                + file.read_bytes()
                + b"\r\n"
            )
        body += f"--{BOUNDARY}--\r\n".encode()
        query = urllib.parse.urlencode({"image": image, "output": output})
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self._send(
            urllib.request.Request(
                f"{self.address}/infer/{model}?{query}", body, headers, method="POST"
            )
        )

    def _send(self, request: urllib.request.Request) -> Reply:
        try:
            with urllib.request.urlopen(request, timeout=ANSWERS_S) as answer:
                return Reply(answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.headers["Content-Type"], error.read())


@contextmanager
def running(words: Sequence[object], variables: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Start ``words`` with ``--port`` of a free port and stop it afterwards."""
    port, began = free_port(), time.monotonic()
    with log.open("wb") as stream:
        command = [*map(str, words), "--port", str(port)]
        process = subprocess.Popen(
            command, cwd=log.parent, env=dict(variables), stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process, log)
            yield Server(address, log, time.monotonic() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/info/", timeout=30):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the server did not answer: {log.read_text(errors='replace')[-4000:]}")
