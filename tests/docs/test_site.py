"""The documentation builds without a warning, and says what the program does."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dfd.cli.catalogue import catalogue_parser
from dfd.cli.verbs import VERBS, top_parser, verb_parser
from dfd.outputs import scores, series, suspicious
from dfd.repository import duplicates
from dfd.repository.report import tables

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PARSERS = {
    "dfd": top_parser,
    "catalogue": catalogue_parser,
    **{name: lambda name=name: verb_parser(name) for name in VERBS},
}


class _Text(HTMLParser):
    """The text of a page, blanks reduced to one."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self._words: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def __str__(self) -> str:
        return " ".join("".join(self._words).split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built as ``make docs`` builds them."""
    folder = tmp_path_factory.mktemp("site")
    done = build(DOCS, folder)
    assert done.returncode == 0, done.stderr
    return folder


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build pages; whatever asks for a network finds none."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-E"]
    doctrees = ["-d", str(target.parent / f"{target.name}-doctrees")]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    return subprocess.run(
        [*command, *doctrees, str(source), str(target)],
        cwd=ROOT,
        env={**os.environ, **nowhere, "no_proxy": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_page_is_built(site: Path) -> None:
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    assert [page for page in pages if not (site / page).with_suffix(".html").is_file()] == []


def test_a_link_that_leads_nowhere_fails(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "conf.py").write_text("extensions = ['myst_parser']\n")
    (tmp_path / "pages" / "index.md").write_text("# Page\n\nSee [another](another.md).\n")
    done = build(tmp_path / "pages", tmp_path / "html")
    assert done.returncode != 0
    assert "another.md" in done.stderr


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_every_flag_is_on_the_page_with_its_help(site: Path, name: str) -> None:
    text = str(_Text(site / "reference" / "cli.html"))
    parser: argparse.ArgumentParser = PARSERS[name]()
    assert parser._actions
    for action in parser._actions:
        for word in action.option_strings:
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text), word
        assert " ".join((action.help or "").split()) in text


def test_every_verb_has_a_section(site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert [name for name in VERBS if f'id="dfd-{name}"' not in page] == []


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("scores.csv", scores.result_columns()),
        ("suspicious_regions.csv", suspicious.COLUMNS),
        ("screened_series.csv", series.COLUMNS),
        ("series.csv", tables.SERIES),
        ("suspicious_regions.csv of `dfd screen`", tables.REGIONS),
        ("duplicates.csv", duplicates.COLUMNS),
    ],
)
def test_every_column_is_explained_in_order(heading: str, names: tuple[str, ...]) -> None:
    page = (DOCS / "reference" / "columns.md").read_text(encoding="utf-8")
    section = page.split(f"## {heading}\n")[1].split("\n##")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == names
