"""What a run has finished, kept beside its results while it is under way.

``.dfd-run/ledger.jsonl``: one JSON object a line, the first of them says which run it is. Only ever
appended to; a last line that was cut off
counts for nothing. ``.dfd-run/pictures-<row>.json``: what is shown of one row in the report.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, TypeAlias

from dfd.errors import OutputError
from dfd.outputs.files import SCRATCH, because

FILE_NAME = "ledger.jsonl"
FORMAT = 1
"""Of the lines. Another number is another run."""

Entry: TypeAlias = Mapping[str, Any]


class Ledger:
    """The ledger in one folder of results. The caller holds the lock of that folder.

    Args:
        folder: existing folder of results.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / SCRATCH
        self.path = self.folder / FILE_NAME
        self._stream: FileIO | None = None

    def identity(self) -> dict[str, str] | None:
        """Which run it is of; None where there is none."""
        head = next(self._lines(), None)
        if head is None or head[1].get("format") != FORMAT:
            return None
        run = head[1].get("run")
        return run if isinstance(run, dict) else None

    def entries(self) -> Iterator[Entry]:
        """What was kept, in order."""
        lines = self._lines()
        next(lines, None)
        return (entry for _, entry in lines)

    def start(self, identity: Mapping[str, str]) -> None:
        """Begin anew; what is there is overwritten.

        Raises:
            OutputError: it cannot be written.
        """
        self.remove()
        try:
            self.folder.mkdir(exist_ok=True)
            # Not atomically: a head that was cut off is none.
            head = json.dumps({"format": FORMAT, "run": dict(identity)})
            self.path.write_text(f"{head}\n", encoding="ascii")
        except OSError as error:
            self.remove()
            raise OutputError(f"{self.path} cannot be written: {because(error)}") from error

    def tidy(self) -> None:
        """Remove what a killed run left half written; all of it where there is no ledger."""
        if self.folder.is_dir() and self.identity() is None:
            self.remove()
        for left in self.folder.glob(".dfd-*.tmp"):
            with suppress(OSError):
                left.unlink()

    def add(self, entry: Entry) -> None:
        """Append a line of what JSON can hold. It outlives this process at once.

        Raises:
            OutputError: it cannot be written; nothing of it is left behind then.
        """
        line = memoryview(f"{json.dumps(entry, separators=(',', ':'))}\n".encode("ascii"))
        try:
            stream = self._opened()
            end = stream.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[stream.write(line) or 0 :]
            except BaseException:
                stream.truncate(end)
                raise
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {because(error)}") from error

    def secure(self) -> None:
        """Wait until all lines would outlive a power failure.

        Raises:
            OutputError: the disk does not take them.
        """
        if self._stream is None:
            return
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {because(error)}") from error

    def keep_pictures(self, row: int, content: Entry) -> None:
        """Keep what the report shows of a row.

        Raises:
            OutputError: it cannot be written.
        """
        path = self._pictures(row)
        try:
            # Not atomically: a file that was cut off is no JSON, and is made again.
            path.write_text(json.dumps(content, separators=(",", ":")), encoding="ascii")
        except OSError as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise OutputError(f"{path} cannot be written: {because(error)}") from error

    def pictures(self, row: int) -> object:
        """What :func:`keep_pictures` kept; None where there is nothing that can be read."""
        with suppress(OSError, ValueError, RecursionError):
            content: object = json.loads(self._pictures(row).read_text(encoding="ascii"))
            return content
        return None

    def drop_pictures(self, rows: Iterable[int] | None = None) -> None:
        """Remove what the report shows of ``rows``; of all rows where none are named."""
        named = None if rows is None else [self._pictures(row) for row in rows]
        for path in self.folder.glob("pictures-*.json") if named is None else named:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def remove(self) -> None:
        """Remove the folder, the ledger first: what is left without it counts for nothing."""
        self.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        with suppress(OSError):
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()

    def _pictures(self, row: int) -> Path:
        return self.folder / f"pictures-{row}.json"

    def _opened(self) -> FileIO:
        """The file at its end, cut off after its last whole line."""
        if self._stream is None:
            whole = max((end for end, _ in self._lines()), default=0)
            self._stream = FileIO(self.path, "r+")
            self._stream.truncate(whole)
        return self._stream

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Lines up to the first that is not whole, each with where it ends."""
        end = 0
        with suppress(OSError), self.path.open("rb") as stream:
            for line in stream:
                try:
                    entry = json.loads(line) if line.endswith(b"\n") else None
                except (ValueError, RecursionError):
                    return
                if not isinstance(entry, dict):
                    return
                end += len(line)
                yield end, entry
