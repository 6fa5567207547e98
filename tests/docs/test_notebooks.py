"""Every notebook runs in a fresh kernel, shows what its text says, and is committed tidily."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.docs.test_links import broken

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "notebooks"
NAMES = ("score_and_explain_a_point", "train_on_own_scans", "screen_a_folder")
MOST_COLUMNS = 100
LIMIT_S = 300
"""For one cell."""
OWN_FOLDERS = (
    *("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
    *("JUPYTER_PATH", "TMPDIR"),
)
"""Variables that name folders of the user, for which the kernel gets new ones."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Ran:
    """A notebook with its outputs, and the tables that its kernel held at the end."""

    cells: dict[str, NotebookNode]
    tables: dict[str, list[Row]]

    def printed(self, cell: str) -> str:
        """What a cell wrote to its standard output."""
        return "".join(each.text for each in self.cells[cell].outputs if each.get("text"))

    def shows_a_picture(self, cell: str) -> bool:
        """Whether a PNG stands below a cell."""
        return any("image/png" in each.get("data", {}) for each in self.cells[cell].outputs)


def read(name: str) -> NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def run(book: NotebookNode, folder: Path, *tables: str) -> Ran:
    """Run a notebook in a kernel of its own that starts in ``folder``.

    Args:
        book: the notebook; its outputs are filled in.
        folder: where the kernel starts.
        *tables: variables to bring back, pandas tables.

    Raises:
        CellExecutionError: a cell fails.
    """
    rows = ", ".join(f"{name!r}: json.loads({name}.to_json(orient='records'))" for name in tables)
    question = new_code_cell(f"import json\nprint(json.dumps({{{rows}}}))", id="question")
    book.cells.append(question)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(book, timeout=LIMIT_S, kernel_name="python3", resources=place).execute()
    ran = Ran({cell.id: cell for cell in book.cells}, {})
    ran.tables.update(json.loads(ran.printed("question")))
    return ran


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for a kernel that knows this checkout and no settings of the user."""
    for name in OWN_FOLDERS:
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.mark.slow
def test_a_point_is_scored_and_explained(empty: Path) -> None:
    ran = run(read("score_and_explain_a_point"), empty, "table", "missed")
    assert not list(empty.iterdir())
    copied, untouched, air = ran.tables["table"]
    assert (copied["what"], untouched["what"], air["what"]) == ("copied", "untouched", "air")
    assert copied["verdict"] == "strongly unusual"
    assert copied["extrapolated"]
    families = {name: copied[name] for name in copied if name.startswith("p_") if copied[name]}
    assert min(families.keys() - {"p_value"}, key=families.__getitem__) == "p_copy_move"
    assert copied["form"] == "copy-move"
    assert copied["source_x"] is not None
    assert copied["p_neighbours"] is not None
    assert untouched["verdict"] == "no anomaly found"
    assert not untouched["form"]
    assert air["verdict"] == "not assessable"
    assert air["p_value"] is None
    assert air["reason"]
    patients, smallest = re.findall(r": ([\d.]+)$", ran.printed("extrapolated"), re.MULTILINE)
    assert int(patients) >= 19
    assert copied["p_value"] < float(smallest) < 0.05
    assert ran.tables["missed"][0]["verdict"] == "strongly unusual"
    assert ran.tables["missed"][-1]["verdict"] == "no anomaly found"
    assert ran.shows_a_picture("overlay")
    assert ran.shows_a_picture("overlay-of-untouched")


@pytest.mark.slow
def test_a_model_is_trained_and_calibrated(empty: Path) -> None:
    ran = run(read("train_on_own_scans"), empty, "history", "table", "again")
    assert not list(empty.iterdir())
    assert len(ran.tables["history"]) == 2
    for loss in ("train_loss", "val_nll"):
        assert ran.tables["history"][-1][loss] < ran.tables["history"][0][loss]
    assert ran.shows_a_picture("curve")
    assert "\ncalibration patients: 1\n" in ran.printed("calibration")
    assert "\nsmallest p-value supported: 0.5\n" in ran.printed("calibration")
    assert {row["verdict"] for row in ran.tables["table"]} == {"no anomaly found"}
    assert all(row["extrapolated"] for row in ran.tables["table"])
    assert ran.shows_a_picture("overlay")
    assert "\ncalibration patients: 4\n" in ran.printed("calibrate")
    assert ran.printed("score-calibrated").splitlines()[-2:] == [
        "calibration patients: 4",
        "smallest p-value they support: 0.2",
    ]
    assert len(ran.tables["again"]) == len(ran.tables["table"]) == 4


@pytest.mark.slow
def test_the_edited_series_of_a_folder_ranks_first(empty: Path) -> None:
    ran = run(read("screen_a_folder"), empty, "series", "table", "regions")
    assert not list(empty.iterdir())
    first, *others = ran.tables["table"]
    assert [row["folder"] for row in ran.tables["series"]] == [
        row["folder"] for row in ran.tables["table"]
    ]
    assert first["folder"] == "patient3"
    assert first["verdict"] in {"unusual", "strongly unusual"}
    assert {row["verdict"] for row in others} == {"no anomaly found"}
    assert all(row["p_empirical"] == row["p_value"] for row in [first, *others])
    assert ran.tables["regions"][0]["folder"] == "patient3"
    (pixels,) = re.findall(r"patient3: (\d+) pixels", ran.printed("distance"))
    assert int(pixels) <= 16
    assert ran.shows_a_picture("picture")
    counts = dict(re.findall(r"^(\w[\w ]*\w) +(\d+)$", shown(ran.cells["counts"]), re.MULTILINE))
    assert counts["files"] == "9"
    assert counts["series"] == counts["scored"] == "3"
    assert counts["failed"] == counts["series skipped"] == "0"


def shown(cell: NotebookNode) -> str:
    """The last value of a cell as text."""
    return str(cell.outputs[-1].data["text/plain"])


def test_a_cell_that_fails_is_seen(empty: Path) -> None:
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(new_notebook(cells=[new_code_cell("1 / 0", id="wrong")]), empty)


def test_no_notebook_is_left_out() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NAMES)
    page = (ROOT / "docs" / "tutorials" / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"notebooks/(\w+)\.ipynb", page)) == set(NAMES)


def faults(book: NotebookNode) -> list[str]:
    """What a reader or the next change would stumble over in a notebook as it is committed."""
    nbformat.validate(book)
    found = [] if (book.nbformat, book.nbformat_minor) == (4, 5) else ["not nbformat 4.5"]
    if extra := set(book.metadata) - {"kernelspec", "language_info"}:
        found.append(f"metadata of an editor: {', '.join(sorted(extra))}")
    for before, cell in pairwise([new_markdown_cell(id="top"), *book.cells]):
        found += [f"{cell.id}: {fault}" for fault in _faults_of(cell, before)]
    return found


def _faults_of(cell: NotebookNode, before: NotebookNode) -> list[str]:
    found = [f"too long: {line}" for line in cell.source.splitlines() if len(line) > MOST_COLUMNS]
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", cell.id):
        found.append("an id is words and dashes")
    if cell.metadata:
        found.append("metadata")
    if cell.cell_type == "markdown":
        return [*found, *(f"leads nowhere: {link}" for link in broken(FOLDER / "x", cell.source))]
    if cell.outputs or cell.execution_count is not None:
        found.append("outputs")
    if before.cell_type != "markdown" or not before.source:
        found.append("no text before it")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_committed_tidily(name: str) -> None:
    assert faults(read(name)) == []


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ([], []),
        ([new_markdown_cell("x" * 100, id="text")], []),
        ([new_markdown_cell("x" * 101, id="text")], ["text: too long: " + "x" * 101]),
        ([new_markdown_cell("[a](gone.md)", id="text")], ["text: leads nowhere: gone.md"]),
        ([new_markdown_cell("", id="a1b2")], ["a1b2: an id is words and dashes"]),
        ([new_code_cell("f()", id="code")], ["code: no text before it"]),
        (
            [
                new_markdown_cell("Run it.", id="text"),
                new_code_cell("1", id="code", outputs=[new_output("stream", text="1")]),
            ],
            ["code: outputs"],
        ),
        (
            [
                new_markdown_cell("Run it.", id="text"),
                new_code_cell("1", id="code", execution_count=1),
            ],
            ["code: outputs"],
        ),
    ],
)
def test_an_untidy_notebook_is_seen(cells: list[NotebookNode], fault: list[str]) -> None:
    assert faults(new_notebook(cells=cells)) == fault
