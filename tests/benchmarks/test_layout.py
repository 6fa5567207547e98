"""The packages of the benchmarks import downwards only, so there is no circle between them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "benchmarks"

LAYERS = (
    {"studies", "kills", "repository_kills"},
    {"speed"},
    {"detection"},
    {"baselines", "predictor"},
    {"attacks", "models", "fuzz"},
    {"runner", "metrics"},
    {"data"},
)
"""Layers from the top down. A package may import from the layers below it only."""


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_between_packages() -> set[tuple[str, str]]:
    """(package, package it imports), imports inside of functions included."""
    arrows = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path} has a relative import; write the whole name"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            targets = [name.split(".")[1] for name in names if name.startswith("benchmarks.")]
            arrows |= {(part_of(path), target) for target in targets}
    return {(part, target) for part, target in arrows if part != target}


def wrong_arrows(arrows: set[tuple[str, str]]) -> list[str]:
    layer = {part: number for number, parts in enumerate(LAYERS) for part in parts}
    return sorted(
        f"{part} imports {target}, which is not below it"
        for part, target in arrows
        if layer[target] <= layer[part]
    )


def test_every_package_has_a_layer() -> None:
    parts = {part_of(path) for path in ROOT.rglob("*.py")} - {"__init__"}
    assert parts == set().union(*LAYERS), "say in LAYERS where the package stands"


def test_imports_flow_down() -> None:
    assert not wrong_arrows(imports_between_packages())


@pytest.mark.parametrize(
    "arrow", [("data", "runner"), ("attacks", "models"), ("runner", "studies")]
)
def test_a_wrong_arrow_is_refused(arrow: tuple[str, str]) -> None:
    assert wrong_arrows({arrow})


def test_training_folder_belongs_to_models() -> None:
    """In ``data`` it would close a circle: it needs ``runner``, which imports ``data``."""
    assert (ROOT / "models" / "training_folder.py").is_file()
    assert ("data", "runner") not in imports_between_packages()
