"""Runs the unpacked image in namespaces of its own.

The stand-in for docker and Kubernetes that needs neither. `enter.sh` says what it leaves out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
NAMESPACES = (
    "--mount",
    "--net",
    "--pid",
    "--ipc",
    "--uts",
    "--propagation=private",
    "--fork",
    "--kill-child",
)
LIMIT_S = 900
"""A job that hangs must not hang the suite; a minute or two is usual, more on a busy machine."""


class Mount(NamedTuple):
    """A folder of this machine in the container."""

    source: Path
    target: str
    mode: str = "ro"


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    code: int
    out: str
    log: str
    """What it wrote to stderr."""


@dataclass(frozen=True)
class Container:
    """An image and how it is run; every field but the first has the platform's value."""

    image: Path
    """As `build.sh` leaves it: ``rootfs`` and ``config.json``."""
    mounts: Sequence[Mount] = ()
    uid: int = 1000
    gid: int = 1000
    root: str = "ro"
    shm: str = "64m"
    environment: Mapping[str, str | None] = field(default_factory=dict)
    """Changes to that of the image; None takes a name away."""

    @property
    def config(self) -> dict[str, Any]:
        """User, Env, Entrypoint, Cmd, WorkingDir, Labels."""
        config: dict[str, Any] = json.loads(
            (self.image / "config.json").read_text(encoding="utf-8")
        )["OCIv1"]["config"]
        return config

    def command(self, words: Sequence[str], entrypoint: Sequence[str] | None) -> list[str]:
        config = self.config
        environment = dict(pair.split("=", 1) for pair in config["Env"]) | self.environment
        pairs = [f"{name}={value}" for name, value in environment.items() if value is not None]
        places = [
            text for mount in self.mounts for text in (str(mount.source), mount.target, mount.mode)
        ]
        who = (self.root, self.shm, str(self.uid), str(self.gid), config["WorkingDir"])
        program = [
            *(config["Entrypoint"] if entrypoint is None else entrypoint),
            *(words or config["Cmd"]),
        ]
        return [
            "unshare",
            *NAMESPACES,
            "bash",
            str(HERE / "enter.sh"),
            str(self.image / "rootfs"),
            *who,
            *places,
            "--",
            *pairs,
            *program,
        ]

    @contextmanager
    def started(
        self, words: Sequence[str], entrypoint: Sequence[str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """The container while it runs; killed where the block ends before it does."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(
            self.command(words, entrypoint), text=True, umask=0o022, **pipes
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *words: str, entrypoint: Sequence[str] | None = None) -> Ended:
        """Start it and wait for its end."""
        with self.started(words, entrypoint) as process:
            out, log = process.communicate(timeout=LIMIT_S)
            return Ended(process.returncode, out, log)

    def stop_when(self, ready: Callable[[], bool], *words: str) -> Ended:
        """Start it, send SIGTERM to its process 1 as soon as ``ready``, and wait for its end."""
        with self.started(words) as process:
            end = time.monotonic() + LIMIT_S
            while not ready():
                if process.poll() is not None or time.monotonic() > end:
                    process.kill()
                    raise AssertionError(
                        f"it ended ({process.returncode}) before it could be stopped: "
                        f"{process.communicate()[1]}"
                    )
                time.sleep(0.05)
            os.kill(first_process_of(process.pid), signal.SIGTERM)
            out, log = process.communicate(timeout=LIMIT_S)
            return Ended(process.returncode, out, log)


def first_process_of(unshare: int) -> int:
    """The child of `unshare`, which is process 1 inside."""
    (child,) = Path(f"/proc/{unshare}/task/{unshare}/children").read_text(encoding="ascii").split()
    return int(child)
