"""Pages say what the committed numbers say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.detection import model_cards
from benchmarks.detection.measurements import TABLE
from dfd.errors import UsageError

PAGES = model_cards.pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.parent.name)
def test_committed_pages_hold_the_committed_numbers(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert PAGES[page](text) == text, "run python -m benchmarks.detection.model_cards"


def test_what_stands_around_the_marks_stays() -> None:
    begin = model_cards.BEGIN.format("x")
    assert (
        model_cards.filled(f"before\n{begin}\nold\n{model_cards.END}\nafter", "x", "new", Path("p"))
        == f"before\n{begin}\nnew\n{model_cards.END}\nafter"
    )
    with pytest.raises(UsageError, match="has no line"):
        model_cards.filled("before", "x", "new", Path("p"))


def test_what_is_hard_is_what_the_benchmark_tries() -> None:
    assert set(model_cards.HARD.values()) <= set(TABLE)


def test_hard_edits_are_told_alone_and_with_neighbours() -> None:
    one = {"kind": "GAN inpainting", "auc": 0.9, "auc interval": [0.8, 0.95]}
    told = {
        "families": [one],
        "untouched": [],
        "beside": [{**one, "auc": 0.97, "auc interval": [0.9, 1.0]}],
    }
    lines = model_cards.limits_table({"ct_lung": told}).splitlines()
    assert "| fill by a GAN | 0.90 (0.80 to 0.95) | 0.97 (0.90 to 1.00) |" in lines
    assert "| harmonic fill | - | - |" in lines
