"""Imports flow down.

Each heavy library has its place, files and functions stay small.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import dfd
from dfd.modalities import MODALITIES

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dfd"

LAYERS = (
    {"__main__"},
    {"cli"},
    {"demo", "remote"},
    {"__init__"},
    {"api"},
    {"workflow"},
    {"bundle"},
    {"repository"},
    {"scoring"},
    {"assessment", "outputs"},
    {"context", "evidence", "calibration", "dicomweb", "phantom", "points"},
    {"prediction", "reading", "regions", "suitability", "population"},
    {"models", "model_paths"},
    {"intensity", "alterations", "hounsfield"},
    {"modalities", "settings", "exit_messages", "image_kinds"},
    {"records", "errors", "progress"},
    {"options", "sentences", "version"},
)
"""Layers from the top down. A part of the package may import from the layers below it only."""

PLACES = {
    "torch": {"models", "prediction", "evidence", "assessment", "scoring", "repository", "bundle"},
    "monai": {"bundle"},
    "ignite": {"bundle"},
    "pydicom": {"reading", "phantom", "outputs", "dicomweb"},
    "highdicom": {"outputs"},
    "dicomweb_client": {"dicomweb"},
    "requests": {"dicomweb"},
    "nibabel": {"reading"},
    "PIL": {"outputs"},
    "filelock": {"outputs"},
    "jinja2": {"outputs", "repository"},
    "markupsafe": {"outputs", "repository"},
    "argparse": {"cli"},
    "tqdm": {"progress"},
    "dask": {"repository"},
    "distributed": {"repository"},
    "pyarrow": {"repository"},
    "pandas": {"outputs", "points", "api", "repository"},
    "faiss": {"repository"},
    # Unpickling runs code: no file of a user may pass through these (pickle itself has its own test
    # below).
    "joblib": set(),
    "cloudpickle": set(),
    "dill": set(),
}

MAX_LINES, MAX_BODY = 300, 40
BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "tools"}

# Put together here so that this file does not hold them: places that exist on one machine only.
MACHINE_PATHS = ["/" + name + "/" for name in ("work", "root")] + [
    ".lib" + "rary",
    "/opt/" + "wheels",
    "/opt/" + "pypi",
]
REGISTRY_HOSTS = ["py" + "pi.org", "pythonhosted" + ".org", "download." + "pytorch.org"]

BUNDLE_FILES = (
    *(
        f"configs/{name}.json"
        for name in ("metadata", "train", "inference", "evaluate", "multi_gpu_train")
    ),
    "configs/logging.conf",
    "models/model.pt",
    "models/calibration.json",
    "docs/README.md",
    "docs/data_license.txt",
    "LICENSE",
)


def sources(*folders: str) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Dotted names of everything imported in a module, late imports included.

    ``package`` is where relative imports begin.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_of_parts() -> set[tuple[str, str]]:
    """(part, dotted name) for every import in ``dfd``."""
    found = set()
    for path in sources("dfd"):
        package = ("dfd", *path.relative_to(PACKAGE).parts[:-1])
        found |= {
            (part_of(path), name)
            for name in imported(ast.parse(path.read_text(encoding="utf-8")), package)
        }
    return found


def part_imports() -> set[tuple[str, str]]:
    """(part, part it imports) between different parts of ``dfd``."""
    known = {part_of(path) for path in sources("dfd")}
    arrows = set()
    for part, name in imports_of_parts():
        parts = name.split(".")
        if parts[0] != "dfd":
            continue
        # `import dfd` and `from dfd import score` are arrows to the face of the package.
        target = parts[1] if len(parts) > 1 and parts[1] in known else "__init__"
        if target != part:
            arrows.add((part, target))
    return arrows


def strays(arrows: set[tuple[str, str]]) -> list[str]:
    layer = {part: number for number, parts in enumerate(LAYERS) for part in parts}
    arrows = {
        arrow for arrow in arrows if layer.keys() >= set(arrow)
    }  # a part without a layer has a test of its own
    return sorted(
        f"{who} imports {whom}, which is {'above it' if layer[whom] < layer[who] else 'beside it'}"
        for who, whom in arrows
        if layer[whom] <= layer[who]
    )


def test_every_part_has_a_layer() -> None:
    parts = {part_of(path) for path in sources("dfd")}
    assert parts <= set().union(*LAYERS), "say in LAYERS where the new part stands"


def test_imports_flow_down() -> None:
    assert not strays(part_imports())


@pytest.mark.parametrize(
    ("arrow", "text"),
    [
        (("records", "settings"), "above it"),
        (("reading", "prediction"), "beside it"),
        (("outputs", "assessment"), "beside it"),
    ],
)
def test_a_wrong_arrow_would_be_seen(arrow: tuple[str, str], text: str) -> None:
    assert text in strays({arrow})[0]


def test_late_and_relative_imports_are_seen() -> None:
    tree = ast.parse(
        "import os\ndef f():\n    from torch import nn\n    from ..records import Point\n    "
        "from . import table\n"
    )
    assert set(imported(tree, ("dfd", "outputs"))) == {
        "os",
        "torch.nn",
        "dfd.records.Point",
        "dfd.outputs.table",
    }


def test_each_outside_library_has_its_place() -> None:
    wrong = {
        (part, name)
        for part, name in imports_of_parts()
        if part not in PLACES.get(name.split(".")[0], {part})
    }
    assert not wrong


def test_no_module_hides_a_verb() -> None:
    """A module ``dfd/score.py``, once imported.

    Would take the place of the function ``dfd.score``.
    """
    parts = {part_of(path) for path in sources("dfd")}
    assert not parts & set(dfd.__all__)


def test_files_are_short() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources("dfd", "benchmarks", "apps")
    }
    assert not {name: length for name, length in lengths.items() if length > MAX_LINES}


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {node.name} has {body_lines(node)} lines"
        for path in sources("dfd", "benchmarks", "apps")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > MAX_BODY
    ]
    assert not long


def test_no_module_holds_odds_and_ends() -> None:
    names = [path.relative_to(ROOT) for path in sources("dfd", "benchmarks", "tests", "apps")]
    assert not [
        name for name in names if {part.removesuffix(".py") for part in name.parts} & BANNED_NAMES
    ]


def test_input_is_not_checked_by_assert() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("dfd")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert not found


def unpickling(tree: ast.AST) -> list[int]:
    """Lines that may run code out of a file.

    Pickle's own readers, and loaders that are not told to refuse.
    """
    refusing = {"torch.load": "weights_only=True", "np.load": "allow_pickle=False"}
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"pickle", "torch"}:
            lines += [
                node.lineno for alias in node.names if alias.name in {"load", "loads", "Unpickler"}
            ]
        if not isinstance(node, ast.Call):
            continue
        called, words = ast.unparse(node.func), {ast.unparse(word) for word in node.keywords}
        if called in {
            "pickle.load",
            "pickle.loads",
            "pickle.Unpickler",
            "pd.read_pickle",
        } or refusing.get(called, "") not in words | {""}:
            lines.append(node.lineno)
    return lines


def test_no_file_is_unpickled() -> None:
    unsafe = {
        path.relative_to(ROOT).as_posix(): unpickling(ast.parse(path.read_text(encoding="utf-8")))
        for path in sources("dfd", "benchmarks", "apps")
    }
    assert not {name: lines for name, lines in unsafe.items() if lines}


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("torch.load(f)", True),
        ("torch.load(f, weights_only=False)", True),
        ("torch.load(f, map_location='cpu', weights_only=True)", False),
        ("from pickle import loads", True),
        ("pickle.load(f)", True),
        ("try:\n    f()\nexcept pickle.UnpicklingError:\n    pass", False),
    ],
)
def test_unpickling_would_be_seen(code: str, seen: bool) -> None:
    assert bool(unpickling(ast.parse(code))) is seen


def kept_files() -> list[Path]:
    """Files that are tracked, or would be by the next `git add`."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout: the words in its files are not looked at")
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def test_no_file_names_this_machine_or_a_registry() -> None:
    forbidden = re.compile(
        "|".join(f"(?<![\\w.]){re.escape(word)}" for word in [*MACHINE_PATHS, *REGISTRY_HOSTS])
    )
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in kept_files()
        if path.suffix not in {".pt", ".png", ".ts", ".onnx", ".zip"}
        if (match := forbidden.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert not found


@pytest.mark.parametrize("name", sorted(MODALITIES))
def test_each_modality_has_its_bundle(name: str) -> None:
    modality = MODALITIES[name]
    assert modality.name == name
    if not (ROOT / "bundles").is_dir():
        pytest.skip("there are no bundles yet")
    missing = [
        file for file in BUNDLE_FILES if not (ROOT / "bundles" / modality.bundle / file).is_file()
    ]
    assert not missing


def test_modalities_do_not_share_names() -> None:
    for field in ("name", "bundle", "checkpoint"):
        assert len({getattr(modality, field) for modality in MODALITIES.values()}) == len(
            MODALITIES
        )
