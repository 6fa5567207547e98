"""Environments of other people's programs: made once for each list of pins, kept under ``runs/environments``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "runs" / "environments"
LIMIT_S = 1800
"""Of one call of pip."""
BUILDERS = ("setuptools", "wheel", "packaging")


def environment(requirements: Path) -> Path:
    """The Python of an environment that holds ``requirements``; the test is skipped, with the reason, where it cannot be made.

    The project itself is not installed in it: put it on PYTHONPATH (``variables``).
    """
    pins = requirements.read_bytes()
    folder = KEPT / f"{requirements.parent.name}-{hashlib.sha256(pins + sys.version.encode()).hexdigest()[:12]}"
    python, made = folder / "bin" / "python", folder / "made"
    if made.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", folder], {})
    # torch comes first, and what is built finds it here: by themselves, others choose a build of it with CUDA, gigabytes each time.
    torch = next(line for line in requirements.read_text(encoding="utf-8").splitlines() if line.startswith("torch=="))
    for wanted in ([torch, *BUILDERS], ["--no-build-isolation", "--constraint", requirements, "--requirement", requirements]):
        _run([python, "-m", "pip", "install", "--quiet", *wanted], {"SAM2_BUILD_CUDA": "0"})
    made.touch()
    return python


def variables(**more: str) -> dict[str, str]:
    """Environment variables for a program of such an environment."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DFD_DEBUG", "PYTHONWARNINGS"}}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | more


def _run(words: list[object], more: dict[str, str]) -> None:
    try:
        done = subprocess.run(list(map(str, words)), env=os.environ | more, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"an environment with other programs cannot be made here: {error}")
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines() or [""]
        pytest.skip(f"an environment with other programs cannot be made here: {told[-1]}")
