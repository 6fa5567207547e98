"""Programs that tests need: found, or the test says what is missing."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest


def program(*names: str) -> Path:
    """The first of ``names`` that is installed.

    The test is skipped, with what to install, where none is.
    """
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    pytest.skip(
        f"{' or '.join(names)} is not installed; tests/external/programs.sh installs it on Debian"
    )


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
