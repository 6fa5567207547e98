"""The fuzzer sees what must not happen, makes its cases again, and finds nothing in a short run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.fuzz import __main__ as command
from benchmarks.fuzz import dicom, elements, models, nifti, tables, watch
from benchmarks.fuzz.cases import GROUP, Mutant, generator
from benchmarks.fuzz.damage import CHANGES, damaged
from benchmarks.fuzz.kinds import KINDS, SHARES, read_one
from benchmarks.fuzz.watch import Limits, Plan
from dfd.errors import DfdError
from tests.benchmarks import faulty_kinds

ROOT = Path(__file__).resolve().parents[2]
MAKERS: dict[str, Callable[..., Mutant]] = {
    "dicom": dicom.mutant,
    "nifti": nifti.mutant,
    "csv": tables.mutant,
    "model": models.mutant,
}


def plan(tmp_path: Path, kind: str, count: int, **more: object) -> Plan:
    return Plan(kind, 1, 0, count, tmp_path / "work", tmp_path / "kept", **more)


def test_every_fault_is_seen_and_its_file_kept(tmp_path: Path) -> None:
    count = 60
    limits = Limits(seconds=1.0, memory_bytes=300 * 2**20)
    module = faulty_kinds.__name__
    done: list[int] = []
    confirmed = plan(tmp_path, "faulty", count, module=module, limits=limits)
    tally = watch.run(confirmed, done.append)
    words = [faulty_kinds.mutant(generator(1, "faulty", case)).story[0] for case in range(count)]
    assert set(words) == set(faulty_kinds.FAULTS)
    assert (tally.files, sum(done)) == (count, count)
    expected = {
        case: told for case, word in enumerate(words) if (told := faulty_kinds.FAULTS[word][1])
    }
    found = {failure.case: failure for failure in tally.failures}
    assert Counter(failure.case for failure in tally.failures) == Counter(expected.keys())
    for case, failure in found.items():
        assert failure.what.startswith(expected[case]), (words[case], failure)
        assert failure.entry == "read"
        kept = tmp_path / "kept" / f"faulty-1-{case}" / f"file{case % GROUP}.txt"
        assert kept.read_text() == words[case]
    assert tally.outcomes == {
        "read": words.count("read"),
        "refused": words.count("refuse"),
        "failed": len(expected),
    }
    assert tally.slowest_s >= 1.0


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_case_hangs_on_seed_kind_and_number_alone(kind: str) -> None:
    make = MAKERS[kind]
    first = [make(generator(3, kind, case)) for case in range(12)]
    again = [make(generator(3, kind, case)) for case in reversed(range(12))]
    assert first == again[::-1]
    assert len({mutant.content for mutant in first}) > 6
    assert first != [make(generator(4, kind, case)) for case in range(12)]


@pytest.mark.parametrize("start", [*dicom.starts(), *nifti.starts()], ids=lambda start: start.name)
def test_what_is_damaged_was_intact(tmp_path: Path, start: dicom.Start) -> None:
    path = tmp_path / f"a{start.suffix}"
    path.write_bytes(start.file)
    if "two directions" in start.name or "4-D" in start.name:
        with pytest.raises(DfdError, match="has 4 axes"):
            read_one(path, 0)
    else:
        read_one(path, 0)


@pytest.mark.parametrize("start", models.starts(), ids=lambda start: start.name)
def test_model_files_are_intact_too(tmp_path: Path, start: models.Start) -> None:
    path = tmp_path / f"a{start.suffix}"
    path.write_bytes(start.file)
    assert models.read(path, None)


def test_every_encoding_is_there() -> None:
    names = {start.name for start in dicom.starts()}
    confirmed = (
        "implicit",
        "explicit",
        "big endian",
        "deflated",
        "RLE",
        "JPEG-LS",
        "JPEG 2000",
        "frames",
    )
    assert not [word for word in confirmed if not any(word in name for name in names)]


def test_elements_are_found_where_they_lie() -> None:
    start = next(each for each in dicom.starts() if each.name == "CT, frames, RLE")
    tags = Counter(part.tag for part in start.parts)
    assert tags[0x00280010] == tags[0x00020010] == tags[0x7FE00010] == 1
    assert tags[0x00200032] == 3  # one position in each group of a frame
    rows = next(part for part in start.parts if part.tag == 0x00280010)
    assert int.from_bytes(start.content[rows.value_at : rows.end], "little") == dicom.SIZE
    assert max(part.end for part in start.parts) == len(start.content)


def test_every_change_of_bytes_and_elements_happens() -> None:
    rng = generator(1, "changes", 0)
    told = " ".join(
        what for _ in range(400) for what in damaged(rng, bytes(range(256)) * 8, [b"other"])[1]
    )
    assert len(CHANGES) >= 9
    for word in (
        "flip",
        "overwrite",
        "number",
        "keep",
        "insert",
        "delete",
        "repeat",
        "swap",
        "splice",
    ):
        assert word in told
    start = dicom.starts()[1]
    told = " ".join(
        what for _ in range(400) for what in elements.changed(rng, start.content, start.parts)[1]
    )
    for word in ("value of", "length", "type", "tag", "left out", "twice", "after a new"):
        assert word in told


def test_files_are_shared_out_among_kinds() -> None:
    counts = command.counts(200_000, list(KINDS))
    assert sum(counts.values()) == pytest.approx(200_000, abs=4 * GROUP)
    assert sum(SHARES.values()) == pytest.approx(1.0)
    assert command.counts(100, ["csv"]) == {"csv": 100}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count"), [("dicom", 240), ("nifti", 60), ("csv", 80), ("model", 60)]
)
def test_a_short_run_finds_nothing(tmp_path: Path, kind: str, count: int) -> None:
    tally = watch.run(plan(tmp_path, kind, count), lambda _: None)
    assert not tally.failures
    assert tally.files == count
    assert tally.outcomes["read"] > 0.02 * count
    assert tally.outcomes["refused"] > 0.3 * count
    assert 0 < tally.peak_bytes < 2**30


def test_the_command_prints_a_table_and_writes_its_numbers(tmp_path: Path) -> None:
    words = ["--files", "16", "--kind", "csv", "--seed", "2", "--output", tmp_path / "fuzz.json"]
    line = [sys.executable, "-m", "benchmarks.fuzz", *map(str, words)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    heads, _, row = done.stdout.splitlines()
    assert heads == "| kind | files | refused | read | failures | slowest (s) | peak memory (MB) |"
    assert row.startswith("| csv | 16 | ")
    kept = json.loads((tmp_path / "fuzz.json").read_text())
    assert kept["seed"] == 2
    assert (
        kept["kinds"]["csv"]["files"]
        == kept["kinds"]["csv"]["read"] + kept["kinds"]["csv"]["refused"]
        == 16
    )
    assert not list((tmp_path).glob("*.part"))
