"""Every tutorial runs, block by block, and prints what its page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import tutorials

VERDICTS = re.compile(r"no anomaly found|strongly unusual|unusual|not assessable|unreadable")
AGAIN = "make them anew: python -m tests.docs.tutorials"
SHIPPED_MODEL = {"score_a_slice", "screen_a_folder"}
"""Pages whose numbers come from a shipped model: a training gives others on another processor."""


@pytest.mark.slow
@pytest.mark.parametrize("name", tutorials.NAMES)
def test_a_tutorial_prints_what_its_page_shows(name: str, tmp_path: Path) -> None:
    printed = tutorials.run_page(name, tmp_path / "empty")
    shown = tutorials.shown_outputs(name)
    assert shown
    for number, path in shown:
        kept = path.read_text(encoding="utf-8")
        assert outline(printed[number]) == outline(kept), f"{path.name} is old; {AGAIN}"
        if name in SHIPPED_MODEL:
            assert numbers(printed[number]) == pytest.approx(numbers(kept), rel=0.1, abs=0.05)
    for picture, source in tutorials.PICTURES.items():
        if picture.startswith(f"{name}-"):
            assert (tmp_path / "empty" / source).is_file()


def outline(text: str) -> list[str]:
    """What a reader compares: the verdict of each line, or the name before a colon."""
    return [
        found[0] if (found := VERDICTS.search(line)) else line.partition(":")[0]
        for line in _rows(text)
    ]


def numbers(text: str) -> list[float]:
    """The numbers before the verdict of each line."""
    tables = [VERDICTS.split(line)[0] for line in _rows(text) if VERDICTS.search(line)]
    words = [word.rstrip("*") for line in tables for word in line.split()]
    return [float(word) for word in words if re.fullmatch(r"[\d.]+(e-\d+)?", word)]


def _rows(text: str) -> list[str]:
    return [re.sub(r"^\d+ screened.*", "", line) for line in text.splitlines()]


def test_every_tutorial_is_run() -> None:
    pages = {path.stem for path in tutorials.FOLDER.glob("*.md")} - {"index"}
    assert pages == set(tutorials.NAMES)


def test_pages_show_every_picture_and_output_and_no_other() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in tutorials.FOLDER.glob("*.md"))
    kept = [*(tutorials.FOLDER / "pictures").iterdir(), *(tutorials.FOLDER / "output").iterdir()]
    shown = set(re.findall(r"(?:pictures|output)/[\w.-]+", text))
    assert {f"{path.parent.name}/{path.name}" for path in kept} == shown
    assert {path.name for path in kept if path.suffix == ".png"} == set(tutorials.PICTURES)


def test_a_block_that_fails_is_seen(tmp_path: Path) -> None:
    variables = tutorials.environment(tmp_path / "bin")
    wrong = tutorials.Block(2, "bash", "dfd scroe --data scans | cat\n")
    with pytest.raises(RuntimeError, match="block 2 fails"):
        tutorials.run(wrong, tmp_path, variables)
