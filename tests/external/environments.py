"""Environments of other people's programs.

Made once for each list of pins, and kept for other checkouts of this user too.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(
    os.environ.get("DFD_TEST_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    / "deepfakes-detector-tests"
)
"""What takes long to make and does not depend on the checkout: environments, and the layers of the
image."""
LIMIT_S = 1800
"""Of one call of pip."""
BUILDERS = ("setuptools", "wheel", "packaging")


def environment(requirements: Path) -> Path:
    """The Python of an environment that holds ``requirements``.

    The test is skipped, with the reason, where it cannot be made.

    The project itself is not installed in it: put it on PYTHONPATH (``variables``).
    """
    (CACHE / "environments").mkdir(parents=True, exist_ok=True)
    with (CACHE / "environments" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may make the same
        return _made(requirements)


def _made(requirements: Path) -> Path:
    pins = requirements.read_bytes()
    digest = hashlib.sha256(pins + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / "environments" / f"{requirements.parent.name}-{digest}"
    python, made = folder / "bin" / "python", folder / "made"
    if made.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", folder], {})
    # torch comes first, and what is built finds it here: by themselves, others choose a build of it
    # with CUDA, gigabytes each time.
    torch = [
        line
        for line in requirements.read_text(encoding="utf-8").splitlines()
        if line.startswith("torch==")
    ]
    for wanted in (
        [*torch, *BUILDERS],
        ["--no-build-isolation", "--constraint", requirements, "--requirement", requirements],
    ):
        _run([python, "-m", "pip", "install", "--quiet", *wanted], {"SAM2_BUILD_CUDA": "0"})
    made.touch()
    return python


def variables(**more: str) -> dict[str, str]:
    """Environment variables for a program of such an environment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DFD_DEBUG", "PYTHONWARNINGS"}
    }
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | more


def _run(words: list[object], more: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            list(map(str, words)),
            env=os.environ | more,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"an environment with other programs cannot be made here: {error}")
    if done.returncode:
        told = (
            [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            or done.stderr.splitlines()
            or [""]
        )
        pytest.skip(f"an environment with other programs cannot be made here: {told[-1]}")
