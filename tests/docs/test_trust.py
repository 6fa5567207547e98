"""The pages on trust name tests, benchmarks and files that are there, and answer every row."""

from __future__ import annotations

import ast
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from dfd import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ("reporting_checklists.md", "threat_model.md")
ANSWERS = {
    "answer": {"yes", "partly", "no", "does not apply"},
    "holds": {"yes", "partly", "no", "not tested"},
}
"""Head of the column with the answer -> what may stand in it."""
MODULE = re.compile(r"(?<![\w/.])benchmarks(?:\.\w+)+(?!\w|\.\w|/)")
FOLDERS = ("tests/", "benchmarks/", "dfd/", "bundles/", "docs/", "apps/")
CLAIM_ITEMS, STARD_ITEMS, FUTURE_ITEMS = 44, 40, 30


def text_of(page: str) -> str:
    return (ROOT / "docs" / "trust" / page).read_text(encoding="utf-8")


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def codes(text: str) -> list[str]:
    """What stands between backticks."""
    inline = (child for token in parsed(text) for child in token.children or [])
    return [child.content for child in inline if child.type == "code_inline"]


def tables(text: str) -> list[tuple[str, list[list[str]]]]:
    """Heading above each table (there must be one), and its rows with the head as the first."""
    found: list[tuple[str, list[list[str]]]] = []
    heading = ""
    for before, token in pairwise(parsed(text)):
        if before.type == "heading_open":
            heading = token.content
        elif token.type == "table_open":
            found.append((heading, []))
        elif token.type == "tr_open":
            found[-1][1].append([])
        elif before.type in {"th_open", "td_open"}:
            found[-1][1][-1].append(token.content)
    return found


def faults(code: str) -> list[str]:
    """What of a name between backticks is not in the repository."""
    missing = [module for module in MODULE.findall(code) if not is_module(module)]
    path, _, name = code.partition("::")
    if " " in path or not path.startswith(FOLDERS):
        return missing
    file = ROOT / path
    if not file.exists() or (name and name not in functions_of(file)):
        missing.append(code)
    return missing


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def unanswered(text: str) -> list[str]:
    """Rows of tables that have no answer of the set."""
    wrong = []
    for heading, (head, *rows) in tables(text):
        column = next((name for name in head if name in ANSWERS), "")
        if not column:
            wrong.append(f"{heading}: no column of answers")
            continue
        place = head.index(column)
        wrong += [f"{heading}: {row}" for row in rows if row[place] not in ANSWERS[column]]
    return wrong


def numbers(text: str, *, below: str) -> list[str]:
    """First cells of the tables below the heading of a section."""
    (section,) = re.findall(rf"^(## {re.escape(below)}\n.*?)(?=^## |\Z)", text, re.M | re.S)
    return [row[0] for _, (_, *rows) in tables(section) for row in rows]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    named = codes(text_of(page))
    assert len([code for code in named if code.startswith("tests/")]) >= 10
    assert {code: missing for code in named if (missing := faults(code))} == {}


@pytest.mark.parametrize("page", PAGES)
def test_every_row_has_an_answer(page: str) -> None:
    assert len(tables(text_of(page))) >= 8
    assert unanswered(text_of(page)) == []


def test_every_item_of_the_guidelines_is_answered_once() -> None:
    text = text_of("reporting_checklists.md")
    claim = numbers(text, below="CLAIM, 2024 update")
    assert claim == [str(number + 1) for number in range(CLAIM_ITEMS)]
    stard = numbers(text, below="STARD-AI")
    assert len(set(stard)) == len(stard)
    assert {int(item.rstrip("abcd")) for item in stard} == set(range(1, STARD_ITEMS + 1))
    assert len(numbers(text, below="FUTURE-AI")) == FUTURE_ITEMS


def test_what_is_said_to_hold_is_shown() -> None:
    """A claim that holds, if partly, stands on a test, a benchmark or a result."""
    for heading, (head, *rows) in tables(text_of("threat_model.md")):
        if head == ["holds", "meaning"]:
            continue
        for _, holds, shown in rows:
            evidence = [code for code in codes(shown) if code.startswith(("tests/", "benchmarks"))]
            assert evidence or holds not in {"yes", "partly"}, f"{heading}: {shown}"


def test_the_supported_versions_are_those_of_today() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    ((_, (_, *rows)),) = [table for table in tables(text) if table[0] == "Supported versions"]
    fixed = [what for what, _, answer in rows if answer == "yes"]
    versions = {what: version for what, version, _ in rows}
    assert versions["package `deepfakes-detector`"].startswith(__version__.rpartition(".")[0])
    for name in ("ct_lung_inpainting", "mri_chest_inpainting"):
        metadata = ROOT / "bundles" / name / "configs" / "metadata.json"
        said = versions[f"bundle `{name}`"]
        assert said == json.loads(metadata.read_text(encoding="utf-8"))["version"]
        assert f"bundle `{name}`" in fixed


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("tests/docs/test_trust.py", False),
        ("tests/docs/test_trust.py::test_what_a_page_names_is_there", False),
        ("tests/docs/test_trust.py::test_gone", True),
        ("tests/docs/gone.py", True),
        ("benchmarks.fuzz", False),
        ("python -m benchmarks.kills --runs 2", False),
        ("python -m benchmarks.gone", True),
        ("benchmarks/results/gone.md", True),
        ("dfd screen", False),
    ],
)
def test_a_name_that_is_gone_is_seen(code: str, seen: bool) -> None:
    assert bool(faults(code)) is seen


@pytest.mark.parametrize(
    ("row", "seen"), [("| a | yes |", False), ("| a | perhaps |", True), ("| a | |", True)]
)
def test_a_row_without_an_answer_is_seen(row: str, seen: bool) -> None:
    assert bool(unanswered(f"# A\n\n| item | answer |\n|---|---|\n{row}\n")) is seen


def test_a_table_without_answers_is_seen() -> None:
    assert unanswered("# A\n\n| item | what |\n|---|---|\n| a | b |\n")
