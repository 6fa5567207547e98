"""Links between the Markdown files of the repository lead to files and headings that are there."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent.parent
_ELSEWHERE = re.compile(r"[a-z]+:")


def markdown_files() -> list[Path]:
    """The Markdown files that are tracked, or would be by the next ``git add``."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout: links are not looked at")
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def targets(text: str) -> list[str]:
    """Where the links and pictures of a page lead."""
    tokens = [token for each in _parsed(text) for token in _all(each)]
    found = [token.attrs.get("href", token.attrs.get("src")) for token in tokens]
    return [str(target) for target in found if target is not None]


def _parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def _all(token: Token) -> list[Token]:
    return [token, *(below for child in token.children or [] for below in _all(child))]


def anchors(text: str) -> set[str]:
    """The names of a page's headings, as code hosts and the site make them."""
    tokens = _parsed(text)
    headings = [
        "".join(part.content for part in inline.children or [])
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(file: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere."""
    own = [target for target in targets(text) if not _ELSEWHERE.match(target)]
    return [target for target in own if not _leads(file, text, target)]


def _leads(file: Path, text: str, target: str) -> bool:
    name, _, anchor = unquote(target).partition("#")
    path = file.parent / name if name else file
    if name and not path.exists():
        return False
    if not anchor or path.suffix != ".md" or path.parts[-2:] == ("reference", "cli.md"):
        return True
    return anchor in anchors(text if path == file else path.read_text(encoding="utf-8"))


def test_every_link_leads_somewhere() -> None:
    pages = {file: file.read_text(encoding="utf-8") for file in markdown_files()}
    assert ROOT / "README.md" in pages
    wrong = {str(file.relative_to(ROOT)): broken(file, text) for file, text in pages.items()}
    assert {name: links for name, links in wrong.items() if links} == {}


@pytest.mark.parametrize(
    ("link", "seen"),
    [
        ("[a](there.md)", []),
        ("[a](there.md#a-heading)", []),
        ("[a](#here)", []),
        ("[a](https://example.org/x)", []),
        ("`[a](gone.md)`", []),
        ("[a](gone.md)", ["gone.md"]),
        ("[a](there.md#gone)", ["there.md#gone"]),
        ("![a](gone.png)", ["gone.png"]),
    ],
)
def test_a_broken_link_is_seen(tmp_path: Path, link: str, seen: list[str]) -> None:
    (tmp_path / "there.md").write_text("# A `heading`\n")
    assert broken(tmp_path / "page.md", f"# Here\n\n{link}\n") == seen
