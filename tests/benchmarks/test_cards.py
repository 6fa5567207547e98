"""Pages say what the committed numbers say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import cards
from dfd.errors import UsageError
from dfd.modalities import MODALITIES

PAGES = cards.pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.parent.name)
def test_committed_pages_hold_the_committed_numbers(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert PAGES[page](text) == text, "run python -m benchmarks.cards"


def test_what_stands_around_the_marks_stays() -> None:
    begin = cards.BEGIN.format("x")
    assert cards.filled(f"before\n{begin}\nold\n{cards.END}\nafter", "x", "new", Path("p")) == f"before\n{begin}\nnew\n{cards.END}\nafter"
    with pytest.raises(UsageError, match="has no line"):
        cards.filled("before", "x", "new", Path("p"))


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_is_hard_was_measured(modality: str) -> None:
    known = {kind["kind"] for kind in cards.results_of(modality)["kinds"]}
    assert {name for name in cards.HARD.values() if "parenchyma" not in name and "lesion" not in name} <= known
