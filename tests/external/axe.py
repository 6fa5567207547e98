"""axe-core, which looks for what WCAG forbids in a page, from npm: fetched once and kept."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.external.environments import CACHE
from tests.external.programs import program

VERSION = "4.10.3"
LIMIT_S = 120
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""Tags of the rules that are asked."""
_RUN = """
    const [rules, done] = arguments;
    axe.run({ runOnly: { type: "tag", values: rules } }).then(done, (error) => done(String(error)));
"""


def script() -> str:
    """The text of axe-core; the test is skipped where it cannot be had."""
    folder = CACHE / f"axe-core-{VERSION}"
    kept = folder / "package" / "axe.min.js"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(folder)
    return kept.read_text(encoding="utf-8")


def _fetch(folder: Path) -> None:
    words = [str(program("npm")), "pack", "--silent", f"axe-core@{VERSION}"]
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not fetch axe-core within {LIMIT_S} s")
    if done.returncode:
        pytest.skip(f"npm cannot fetch axe-core: {done.stderr.strip()[-200:]}")
    with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as packed:
        packed.extractall(folder, filter="data")


def found(browser: Any, text: str) -> tuple[list[str], set[str]]:
    """What is wrong with the open page, a line for each place, and the rules that it keeps."""
    browser.execute_script(text)
    answer = browser.execute_async_script(_RUN, RULES)
    assert isinstance(answer, dict), answer
    wrong = [
        f"{rule['id']} at {node['target']}: {node['failureSummary']}"
        for rule in answer["violations"]
        for node in rule["nodes"]
    ]
    return wrong, {rule["id"] for rule in answer["passes"]}
