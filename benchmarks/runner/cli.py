"""What all benchmark commands share on the command line, and how they end."""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data.partition import ROOT
from dfd.errors import DfdError
from dfd.modalities import MODALITIES
from dfd.outputs.files import write_atomically

RESULTS = ROOT / "benchmarks" / "results"
QUICK_RESULTS = ROOT / "runs" / "quick"
"""Quick checks never overwrite committed numbers."""

TALKING = ("__main__", "benchmarks", "dfd")
"""Loggers whose progress is printed; the libraries' is not."""


def parser(doc: str | None, *, model: bool = True) -> argparse.ArgumentParser:
    """A parser with ``--modality``, ``--quick`` and, where wanted, ``--model``."""
    result = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    result.add_argument(
        "--modality",
        choices=list(MODALITIES),
        default="ct_lung",
        help="which bundle and which scans (default: %(default)s)",
    )
    if model:
        result.add_argument(
            "--model",
            help=(
                "a file written by training, or a bundle (default: the shipped one of the modality)"
            ),
        )
    result.add_argument(
        "--quick",
        action="store_true",
        help="a check of seconds on a few slices; its numbers mean nothing and go to runs/quick",
    )
    return result


def publish(
    name: str, content: Mapping[str, Any], markdown: str, *, quick: bool, folder: Path | None = None
) -> Path:
    """Writes ``<name>.json`` and ``<name>.md``, prints the latter, and gives the folder.

    ``folder``: another than that of committed numbers.
    """
    folder = QUICK_RESULTS if quick else folder or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(
        folder / f"{name}.json", (json.dumps(rounded(content), indent=1) + "\n").encode()
    )
    write_atomically(folder / f"{name}.md", (markdown.rstrip() + "\n").encode())
    print(markdown)
    print(f"written to {folder / name}.json and .md")
    return folder


def rounded(content: object, digits: int = 5) -> object:
    """Plain containers with floats of ``digits`` significant digits and NaN as None.

    Committed files stay small and valid.
    """
    if isinstance(content, Mapping):
        return {str(key): rounded(value, digits) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [rounded(value, digits) for value in content]
    if isinstance(content, float):
        return float(f"{content:.{digits}g}") if math.isfinite(content) else None
    return content


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def end(main: Callable[[], None]) -> None:
    """Runs a command; what is wrong with its input is one sentence and exit status 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in TALKING:
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        main()
    except DfdError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
