"""The examples on the pages that explain run, and the files that the pages name are there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    page
    for page in sorted((ROOT / "docs" / "explanation").glob("*.md"))
    if ">>> " in page.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_run(page: Path) -> None:
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert tried
    assert not failed


@pytest.mark.parametrize("name", ["architecture", "from_click_to_p_value"])
def test_the_files_that_a_page_names_are_there(name: str) -> None:
    text = (ROOT / "docs" / "explanation" / f"{name}.md").read_text(encoding="utf-8")
    named = re.findall(r"\b((?:dfd|bundles|benchmarks|tests|apps)/[\w./]*\w)", text)
    assert len(named) > 20
    named += [f"dfd/bundle/{path}" for path in re.findall(r"` in `([\w/]+\.py)`", text)]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_architecture_names_every_package() -> None:
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    packages = [path.parent for path in (ROOT / "dfd").glob("*/__init__.py")]
    assert [each.name for each in packages if f"`dfd/{each.name}`" not in text] == []
