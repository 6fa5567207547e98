"""Runs the tutorials as a reader would, and makes the outputs and pictures that stand in them.

``python -m tests.docs.tutorials`` writes ``docs/tutorials/output`` and ``docs/tutorials/pictures``
anew. The tests run the same blocks and compare.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "docs" / "tutorials"
NAMES = ("score_a_slice", "screen_a_folder", "train_your_own_model")
PICTURES = {
    "score_a_slice-overlay.png": "one_place/overlay-0001.png",
    "score_a_slice-report.png": "all_places/report.html",
    "screen_a_folder-map.png": "results/maps/0002.png",
    "train_your_own_model-overlay.png": "results/overlay-0001.png",
}
"""Picture of a page -> what the page's commands leave in their folder."""
WIDTH_PX = 700
LIMIT_S = 600
_FENCE = re.compile(r"^```(bash|console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Something that the reader types."""

    number: int
    """From 1, in the order of the page."""
    language: str
    text: str


def blocks(name: str) -> list[Block]:
    """What a page asks its reader to type."""
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    fences = enumerate(_FENCE.findall(page), start=1)
    return [Block(number, language, text) for number, (language, text) in fences]


def environment(folder: Path) -> dict[str, str]:
    """The variables of a terminal in which ``dfd`` and ``python`` are those of this checkout."""
    folder.mkdir(parents=True, exist_ok=True)
    for command, words in {"python": "", "dfd": " -m dfd"}.items():
        script = folder / command
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{words} "$@"\n')
        script.chmod(0o755)
    path = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(block: Block, folder: Path, variables: Mapping[str, str]) -> str:
    """Type one block in a folder, and give what it prints.

    Raises:
        RuntimeError: the block fails.
    """
    prompts = re.compile(r"^\$ ", re.MULTILINE)
    words = {
        "python": ["python", "-c", block.text],
        "bash": ["bash", "-euo", "pipefail", "-c", block.text],
        "console": ["bash", "-euo", "pipefail", "-c", prompts.sub("", block.text)],
    }[block.language]
    done = subprocess.run(
        words,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"block {block.number} fails:\n{block.text}\n{done.stderr}")
    return done.stdout


def run_page(name: str, folder: Path) -> dict[int, str]:
    """Type all blocks of a page in an empty folder: number of the block -> what it prints."""
    variables = environment(folder.parent / f"{folder.name}-bin")
    folder.mkdir(parents=True)
    return {block.number: run(block, folder, variables) for block in blocks(name)}


def shown_outputs(name: str) -> list[tuple[int, Path]]:
    """The outputs that a page shows: number of the block, and the file that holds it."""
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    numbers = map(int, re.findall(rf"output/{name}-(\d+)\.txt", page))
    return [(number, FOLDER / "output" / f"{name}-{number}.txt") for number in numbers]


def main() -> None:
    """Make the outputs and pictures of every page anew."""
    for name in NAMES:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, name)
            printed = run_page(name, folder)
            for number, path in shown_outputs(name):
                path.parent.mkdir(exist_ok=True)
                path.write_text(printed[number], encoding="utf-8")
            for picture, source in PICTURES.items():
                if picture.startswith(f"{name}-"):
                    make_picture(folder / source, FOLDER / "pictures" / picture)


def make_picture(source: Path, target: Path) -> None:
    """A small PNG of a picture, or of a page in a browser."""
    target.parent.mkdir(exist_ok=True)
    if source.suffix == ".html":
        source = photograph(source)
    with Image.open(source) as picture:
        small = picture.convert("RGB")
    small.thumbnail((WIDTH_PX, WIDTH_PX), Image.Resampling.LANCZOS)
    small.quantize(256).save(target, optimize=True)


def photograph(page: Path) -> Path:
    """A picture of a page of HTML as a browser shows it.

    Raises:
        RuntimeError: there is no chromium.
    """
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise RuntimeError("a picture of the report needs chromium; install it")
    picture = page.with_suffix(".png")
    options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1200,900"]
    subprocess.run(
        [browser, *options, f"--screenshot={picture}", page.as_uri()],
        capture_output=True,
        timeout=LIMIT_S,
        check=True,
    )
    return picture


if __name__ == "__main__":
    main()
