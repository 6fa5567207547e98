"""The README is short and its numbers are the committed ones; links of all pages lead to files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MOST_LINES, MOST_COLUMNS = 120, 100
RESULTS = ROOT / "benchmarks" / "results"
MODALITIES = ("ct_lung", "mri_chest")
SITE = ROOT / "docs" / "conf.py"
SITE_FOLDERS = ("tutorials", "howto", "reference")
"""Folders whose pages come with the site: until it is there, links to them are not checked."""
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "apps/*/*.md", "bundles/*/docs/*.md")
    for path in sorted(ROOT.glob(pattern))
    if "_build" not in path.parts
]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def names_of(pages: list[Path]) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


def targets_of(page: Path) -> list[str]:
    return [
        target
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target)
    ]


def comes_with_the_site(path: Path) -> bool:
    return not SITE.exists() and any(
        path.is_relative_to(ROOT / "docs" / folder) for folder in SITE_FOLDERS
    )


def headings_of(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_the_readme_can_be_read_in_three_minutes() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > MOST_COLUMNS] == []


def test_the_readme_says_what_a_user_must_know() -> None:
    text = README.read_text(encoding="utf-8")
    for needed in (
        "Not a medical device",
        "make demo",
        "make test",
        "dfd score --data",
        "Python 3.11, 3.12 or 3.13",
    ):
        assert needed in text


def auc_of(modality: str, edit: str) -> str:
    families = json.loads(
        (RESULTS / f"benchmark_{modality}_test.json").read_text(encoding="utf-8")
    )["families"]
    return next((f"{family['auc']:.2f}" for family in families if family["kind"] == edit), "-")


def test_the_numbers_of_the_readme_are_those_of_the_test_patients() -> None:
    text = README.read_text(encoding="utf-8")
    rows = [
        line.strip("| ").split(" | ")
        for line in text.splitlines()
        if re.search(r"\| (\d\.\d\d|-) \|$", line)
    ]
    assert len(rows) >= 5
    for name, *said in rows:
        edit = name.partition(" (")[2].removesuffix(")")
        assert said == [auc_of(modality, edit) for modality in MODALITIES], name
    patients = [
        json.loads((RESULTS / f"benchmark_{modality}_test.json").read_text(encoding="utf-8"))[
            "patients"
        ]
        for modality in MODALITIES
    ]
    assert "({} in CT, {} in MR)".format(*patients) in text


@pytest.mark.parametrize("page", PAGES, ids=names_of(PAGES))
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    for target in targets_of(page):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if comes_with_the_site(path):
            continue
        assert path.exists(), f"{target} leads nowhere"
        if anchor and path.suffix == ".md":
            assert anchor in headings_of(path), f"{target}: there is no such heading"
