"""A tiny DICOMweb service in this process, on a random port of the loopback interface.

That fails in the ways asked for.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydicom import Dataset, dcmread

BOUNDARY = "a-boundary"
Answering = Callable[["Handler"], bool]
"""Answers a request itself and returns True, or leaves it to the service."""


@dataclass
class Service:
    """What it holds, how it misbehaves, and what it was asked."""

    files: list[Path]
    mischief: Answering = lambda handler: False
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """(method, path, header) of each."""
    stored: list[bytes] = field(default_factory=list)
    """Bodies of whole STOW requests."""
    url: str = ""

    def paths(self, method: str = "GET") -> list[str]:
        return [path for asked, path, _ in self.requests if asked == method]


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: an answer ends with the connection."""

    service: Service

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._enter()
        if self.service.mischief(self):
            return
        parts = urlsplit(self.path).path.strip("/").split("/")
        known = [(dcmread(path, stop_before_pixels=True), path) for path in self.service.files]
        if parts == ["studies"]:
            since = parse_qs(urlsplit(self.path).query).get("StudyDate", [""])[0].rstrip("-")
            studies = [header for header, _ in known if header.get("StudyDate", "") >= since]
            self._list(
                {str(each.StudyInstanceUID): entry(each, "StudyInstanceUID") for each in studies}
            )
            return
        here = [(header, path) for header, path in known if header.StudyInstanceUID == parts[1]]
        if len(parts) == 3:
            self._list(
                {
                    str(header.SeriesInstanceUID): entry(header, "SeriesInstanceUID", "Modality")
                    for header, _ in here
                }
            )
            return
        here = [(header, path) for header, path in here if header.SeriesInstanceUID == parts[3]]
        if parts[4:] == ["metadata"]:
            # The header goes out as an archive sends it: pixels by reference.
            headers = [header.to_json_dict() for header, _ in here]
            pixels = {"7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"}}
            content = json.dumps([header | pixels for header in headers]).encode()
            self.answer(200, "application/dicom+json", content)
            return
        if len(parts) == 5:
            self._list(
                {
                    str(header.SOPInstanceUID): entry(header, "SOPInstanceUID", "SOPClassUID")
                    for header, _ in here
                }
            )
            return
        found = [path for header, path in here if header.SOPInstanceUID == parts[5]]
        if found:
            self.answer(
                200,
                f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
                multipart(found[0].read_bytes()),
            )
        else:
            self.answer(404, "text/plain", b"no such instance")

    def do_POST(self) -> None:
        self._enter()
        if self.service.mischief(self):
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.service.stored.append(body)
        self.answer(200, "application/dicom+json", b"{}")

    def answer(
        self, status: int, kind: str, body: bytes, *, announced: int | None = None, **header: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        for name, value in header.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _enter(self) -> None:
        self.service.requests.append((self.command, self.path, dict(self.headers)))

    def _list(self, entries: dict[str, object]) -> None:
        offset = int(parse_qs(urlsplit(self.path).query).get("offset", ["0"])[0])
        self.answer(
            200, "application/dicom+json", json.dumps(list(entries.values())[offset:][:2]).encode()
        )


def entry(header: Dataset, *words: str) -> dict[str, object]:
    elements = [header[word] for word in words]
    return {
        f"{element.tag:08X}": {"vr": element.VR, "Value": [str(element.value)]}
        for element in elements
    }


def multipart(content: bytes) -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        + content
        + f"\r\n--{BOUNDARY}--".encode()
    )


@contextmanager
def serving(files: list[Path]) -> Iterator[Service]:
    """The service while the block runs."""
    service = Service(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"service": service}))
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
