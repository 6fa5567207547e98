"""Real processes for the tests of this folder: the program as a user calls it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CT_BUNDLE, MR_BUNDLE = (
    ROOT / "bundles" / name for name in ("ct_lung_inpainting", "mri_chest_inpainting")
)
DFD = (sys.executable, "-m", "dfd")
MONAI = (sys.executable, "-m", "monai.bundle", "run")
LIMIT_S = 240
"""A process that hangs must not hang the suite."""


def environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DFD_DEBUG", "PYTHONWARNINGS"}
    }
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def finish(
    words: Sequence[object], cwd: Path, site: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run to the end, whatever the end is; a ``sitecustomize.py`` in ``site`` is run first."""
    paths = {"PYTHONPATH": os.pathsep.join((str(site), str(ROOT)))}
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=environment() | paths,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def stop_when(
    words: Sequence[object], cwd: Path, number: signal.Signals, ready: Callable[[], bool]
) -> tuple[int, str]:
    """Start, send the signal as soon as ``ready``, and give exit code (negative.

    Killed by a signal) and stderr.
    """
    # A shell that runs the tests in the background has Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        list(map(str, words)),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        end = time.monotonic() + LIMIT_S
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise AssertionError(
                    f"it ended ({process.returncode}) before it could be stopped: "
                    f"{process.stderr.read()}"
                )
            time.sleep(0.01)
        process.send_signal(number)
        errors = process.communicate(timeout=LIMIT_S)[1]
        return process.returncode, errors


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""
