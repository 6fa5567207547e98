"""Of a file that has not changed no header is read again, and the plan is that of a fresh look."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dfd.reading.summary import FileSummary, HeaderSummaries
from dfd.repository.models import PlannedModel
from dfd.repository.plan import Plan, make_plan, write_plan
from dfd.repository.source import Source, source_of
from tests.dicom_maker import make_pixels, make_slice

CT = PlannedModel("ct", "ct_lung", "a" * 64)
MR = PlannedModel("mr", "mri_chest", "b" * 64)
HOUR_NS = 3600 * 10**9


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose header was read."""
    names: list[str] = []
    summary_of = HeaderSummaries.of

    def of(self: HeaderSummaries, path: Path) -> FileSummary:
        names.append(path.name)
        return summary_of(self, path)

    monkeypatch.setattr(HeaderSummaries, "of", of)
    return names


@pytest.fixture
def root(repository: Path) -> Path:
    """Files that were written an hour ago."""
    (repository / "notes.txt").write_text("no scan")
    (repository / "cut.dcm").write_bytes((repository / "p1" / "0.dcm").read_bytes()[:300])
    make_slice(repository / "p1" / "2.dcm", make_pixels(), SliceThickness="9", Modality="PT")
    make_slice(repository / "p2" / "9.dcm", make_pixels(seed=5), SeriesInstanceUID="1.2.77")
    for path in repository.rglob("*.*"):
        age(path)
    return repository


def age(path: Path, hours: int = 1) -> None:
    written = path.stat().st_mtime_ns - hours * HOUR_NS
    os.utime(path, ns=(written, written))


def plan(source: Path | Source, output: Path, *models: PlannedModel) -> Plan:
    """A plan that is written, so that the next one may use it."""
    output.mkdir(exist_ok=True)
    source = source_of(source) if isinstance(source, Path) else source
    made = make_plan(source, output, models or (CT, MR))
    write_plan(made, output)
    return made


def test_what_has_not_changed_is_not_read_again(
    root: Path, tmp_path: Path, read: list[str]
) -> None:
    first = plan(root, tmp_path / "out")
    assert len(read) == first.counts()["files"] - 1 == 11
    read.clear()
    # A third time too: the second plan hands on what it took over. A file that could not be read
    # is tried again.
    for _ in range(2):
        assert plan(root, tmp_path / "out") == first
    assert read == ["cut.dcm"] * 2
    tables = [(tmp_path / "out" / "plan" / name) for name in ("series.parquet", "files.parquet")]
    before = [path.read_bytes() for path in tables]
    plan(root, tmp_path / "fresh")
    assert before == [(tmp_path / "fresh" / "plan" / path.name).read_bytes() for path in tables]


def grow(root: Path) -> None:
    make_slice(root / "p1" / "0.dcm", make_pixels((50, 60)), SeriesInstanceUID="1.2.5")
    age(root / "p1" / "0.dcm")


CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "written anew": (grow, ["0.dcm"]),
    "touched": (lambda root: age(root / "p2" / "1.dcm"), ["1.dcm"]),
    "added": (lambda root: shutil.copy(root / "p2" / "0.dcm", root / "new.dcm"), ["new.dcm"]),
    # It spoke for its series.
    "gone": (lambda root: (root / "p1" / "0.dcm").unlink(), []),
    "moved": (lambda root: (root / "p1" / "0.dcm").rename(root / "p1" / "8.dcm"), ["8.dcm"]),
    "a folder": (lambda root: (root / "p2").rename(root / "q"), ["0.dcm", "1.dcm", "9.dcm"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_read(root: Path, tmp_path: Path, read: list[str], change: str) -> None:
    plan(root, tmp_path / "out")
    alter, expected = CHANGES[change]
    alter(root)
    read.clear()
    second = plan(root, tmp_path / "out")
    assert sorted(read) == sorted([*expected, "cut.dcm"])
    assert second == plan(root, tmp_path / "fresh")


def test_what_was_just_written_is_read_again(root: Path, tmp_path: Path, read: list[str]) -> None:
    os.utime(root / "p1" / "0.dcm")
    ahead = (root / "p1" / "1.dcm").stat().st_mtime_ns + 48 * HOUR_NS
    os.utime(root / "p1" / "1.dcm", ns=(ahead, ahead))
    plan(root, tmp_path / "out")
    read.clear()
    plan(root, tmp_path / "out")
    assert sorted(read) == ["0.dcm", "1.dcm", "cut.dcm"]


def test_other_models_or_a_damaged_plan_read_all(
    root: Path, tmp_path: Path, read: list[str]
) -> None:
    plan(root, tmp_path / "out")
    read.clear()
    assert plan(root, tmp_path / "out", CT) == plan(root, tmp_path / "fresh", CT)
    assert len(read) == 2 * 11
    headers = tmp_path / "out" / "plan" / "headers.parquet"
    whole = headers.read_bytes()
    for damaged in (
        b"",
        whole[:-20],
        whole[: len(whole) // 2] + b"\0\1" + whole[len(whole) // 2 :],
    ):
        headers.write_bytes(damaged)
        read.clear()
        plan(root, tmp_path / "out", CT)
        assert len(read) == 11


def test_what_a_manifest_does_not_name_is_not_held_against_it_later(
    root: Path, tmp_path: Path, read: list[str]
) -> None:
    source = source_of(root)
    named = plan(Source(source.root, source.starts, frozenset({"1.2.77"})), tmp_path / "out")
    assert named.counts()["series planned"] == 1
    read.clear()
    assert plan(root, tmp_path / "out") == plan(root, tmp_path / "fresh")
    assert read[0] == "cut.dcm"
