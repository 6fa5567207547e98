"""The image of the module for mercure: what it adds to any base, and what it starts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.external.programs import program
from tests.integration.processes import ROOT

APP = ROOT / "apps" / "mercure"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The command of buildah with a store of its own, which holds the image."""
    if os.geteuid():
        pytest.skip("images are built and mounted by root alone")
    folder = tmp_path_factory.mktemp("store")
    places = ["--root", str(folder / "root"), "--runroot", str(folder / "run")]
    command = [str(program("buildah")), *places, "--storage-driver", "vfs"]
    building = [*command, "bud", "--isolation", "chroot", "--build-arg", "BASE=scratch"]
    subprocess.run(
        [*building, "--tag", "module", str(APP)], check=True, capture_output=True, timeout=120
    )
    yield command
    subprocess.run([*command, "rmi", "--all", "--force"], check=False, capture_output=True)


def test_the_image_holds_the_module_and_starts_it(store: list[str]) -> None:
    done = subprocess.run(
        [*store, "inspect", "--type", "image", "module"], check=True, capture_output=True
    )
    started = json.loads(done.stdout)["OCIv1"]["config"]["Entrypoint"]
    assert started[0] == "/opt/dfd/bin/python"
    made = subprocess.run(
        [*store, "from", "module"], check=True, capture_output=True, text=True
    ).stdout.strip()
    shown = subprocess.run(
        [*store, "mount", made], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        placed = Path(shown) / started[1].removeprefix("/")
        assert placed.read_bytes() == (APP / "module.py").read_bytes()
        assert placed.stat().st_mode & 0o004, "mercure runs it as another user"
    finally:
        subprocess.run([*store, "rm", made], check=False, capture_output=True)
