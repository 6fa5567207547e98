"""How large the files and functions of this project are, and how its packages depend on each other.

    python -m benchmarks.studies.code_measures              # this checkout
    python -m benchmarks.studies.code_measures --root DIR   # another one

Functions are counted by the lines of their body without the docstring. An arrow is an import from
one package (a folder, or a module directly below dfd, benchmarks or apps) to another one of the
same three; a circle is a set of packages that import each other in a ring.
"""

from __future__ import annotations

import argparse
import ast
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.data.partition import ROOT
from benchmarks.runner import cli

Function = ast.FunctionDef | ast.AsyncFunctionDef
FOLDERS = ("dfd", "benchmarks", "apps")


def sources(root: Path, folder: str) -> list[Path]:
    """Python files below a folder, sorted."""
    return sorted(p for p in (root / folder).rglob("*.py") if "__pycache__" not in p.parts)


def functions_in(path: Path) -> Iterator[Function]:
    """All functions and methods of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def body_lines(node: Function) -> int:
    """Lines of a function without signature, decorators and docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


def parameters(node: Function) -> list[ast.arg]:
    """Of a function, without ``self`` and ``cls``."""
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [each for each in given if each.arg not in {"self", "cls"}]


def is_typed(node: Function) -> bool:
    """Whether all parameters and the result have an annotation."""
    return node.returns is not None and all(each.annotation for each in parameters(node))


def share_at(values: Sequence[int], share: float) -> int:
    """The value below which ``share`` of ``values`` lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def row_of(root: Path, folder: str) -> list[str]:
    """One line of the table."""
    paths = sources(root, folder)
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in paths]
    functions = [node for path in paths for node in functions_in(path)]
    bodies = [body_lines(node) for node in functions]
    return [
        folder,
        f"{len(paths)} / {sum(lines)}",
        f"{statistics.median(lines):g} / {sum(each > 300 for each in lines)}",
        f"{statistics.median(bodies):g} / {share_at(bodies, 0.9)} / {max(bodies)}",
        str(sum(each > 40 for each in bodies)),
        f"{sum(map(is_typed, functions)) / len(functions):.0%}",
        str(sum(len(parameters(node)) > 5 for node in functions)),
    ]


def package_of(module: Sequence[str], packages: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The package that a dotted name belongs to: at most two parts below one of ``FOLDERS``."""
    for length in (3, 2):
        if tuple(module[:length]) in packages:
            return tuple(module[:length])
    return tuple(module[:1])


def arrows_in(root: Path, folder: str) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(package, package that it imports) within a folder."""
    paths = sources(root, folder)
    names = {path: path.relative_to(root).with_suffix("").parts for path in paths}
    packages = {parts[:2] for parts in names.values()}
    arrows = set()
    for path, parts in names.items():
        own = package_of(parts, packages)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if isinstance(node, ast.ImportFrom) and node.module
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            targets = {package_of(name.split("."), packages) for name in imported}
            arrows |= {(own, each) for each in targets if each[0] == folder and each != own}
    return arrows


def circles(arrows: set[tuple[tuple[str, ...], tuple[str, ...]]]) -> int:
    """Sets of packages of which each reaches every other."""
    reach = {one: {two for who, two in arrows if who == one} for one, _ in arrows}
    changed = True
    while changed:
        changed = False
        for targets in reach.values():
            more = set().union(*(reach.get(each, set()) for each in targets)) - targets
            targets |= more
            changed = changed or bool(more)
    rings = {
        frozenset({one, *(two for two in targets if one in reach.get(two, set()))})
        for one, targets in reach.items()
        if one in targets
    }
    return len(rings)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout (default: this one)")
    root = parser.parse_args().root
    head = [
        "folder",
        "files / lines",
        "file: median / over 300",
        "function: median / p90 / max",
        "over 40",
        "typed",
        "over 5 parameters",
        "packages, arrows, circles",
    ]
    rows = []
    for folder in FOLDERS:
        arrows = arrows_in(root, folder)
        packages = {each for arrow in arrows for each in arrow}
        rows.append([*row_of(root, folder), f"{len(packages)}, {len(arrows)}, {circles(arrows)}"])
    print(cli.table(head, rows))


if __name__ == "__main__":
    main()
