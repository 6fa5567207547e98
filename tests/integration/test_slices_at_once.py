"""Slices that are worked on at once, each on a core, give what they give one after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import dfd
from dfd.phantom import write_ct_series
from dfd.scoring.assessing import SliceAssessor

SLICES = 5


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A series with two points in each slice, and each slice screened."""
    root = tmp_path_factory.mktemp("series")
    files = write_ct_series(root, seed=3, slices=SLICES, size=192)
    places = ("60,90", "120,110", ",")
    lines = [f"{file.name},{place}" for file in files for place in places]
    (root / "test.csv").write_text("\n".join(["filename,X,Y", *lines]), encoding="utf-8")
    return root


def results(folder: Path) -> dict[str, bytes]:
    """What a run says, without what differs from run to run."""
    kinds = {".csv", ".png", ".tif"}
    files = (path for path in folder.rglob("*") if path.suffix in kinds)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_results_are_the_same_byte_for_byte(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers: dict[int, set[int]] = {}
    assess = SliceAssessor.assess

    def noted(self: SliceAssessor, *given: object) -> object:
        workers.setdefault(threads, set()).add(threading.get_ident())
        return assess(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(SliceAssessor, "assess", noted)
    for threads in (1, 3):
        torch.set_num_threads(threads)
        dfd.score(series, output_dir=tmp_path / str(threads))
        assert torch.get_num_threads() == threads
    assert (len(workers[1]), len(workers[3])) == (1, 3)
    alone = results(tmp_path / "1")
    assert len(alone) == 3 + 2 * SLICES + 2 * SLICES
    assert results(tmp_path / "3") == alone
