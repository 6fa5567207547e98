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


def test_hard_edits_are_listed_without_and_with_adjacent_slices() -> None:
    one = {"kind": "GAN inpainting", "auc": 0.9, "auc interval": [0.8, 0.95]}
    told = {
        "families": [one],
        "untouched": [],
        "beside": [{**one, "auc": 0.97, "auc interval": [0.9, 1.0]}],
    }
    lines = model_cards.limits_table({"ct_lung": told}).splitlines()
    assert "| fill by a GAN | 0.90 (0.80 to 0.95) | 0.97 (0.90 to 1.00) |" in lines
    assert "| harmonic fill | - | - |" in lines


def test_edits_that_differ_on_test_patients_are_listed() -> None:
    def run(**aucs: float) -> dict[str, object]:
        every = [
            {"kind": name, "auc": auc, "auc interval": [0.8, 0.9]} for name, auc in aucs.items()
        ]
        return {"families": every, "untouched": [], "beside": every}

    alike = {"harmonic fill": 0.85, "non-local means": 0.85}
    table = model_cards.differences_table(
        {"ct_lung": (run(**alike), run(**alike | {"harmonic fill": 0.95}))}
    )
    _, _, *rows = table.splitlines()
    assert [row.split(" | ")[1:] for row in rows] == [
        [f"harmonic fill{suffix}", "0.85 (0.80 to 0.90)", "0.95 (0.80 to 0.90) |"]
        for suffix in ("", ", with adjacent slices")
    ]


def test_the_metrics_of_a_card_are_in_few_numbers() -> None:
    form = {"form": "copy-move"} | {
        key: value
        for name in ("auc", "found at 0.05", "found at 0.01")
        for key, value in ((name, 0.9), (f"{name} interval", [0.8, 1.0]))
    }
    rates = {"patient left out, p <= 0.05": 0.03, "patient left out, p <= 0.01": 0.01}
    text = model_cards.metrics_table({"forms": [form], "false alarms": {"all": rates}})
    assert "| copy-move | 0.90 (0.80 to 1.00) |" in text
    assert "p <= 0.05 in 0.03 and p <= 0.01 in 0.01" in text
