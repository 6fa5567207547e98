"""The study of duplicates: whose slices it looks at, and what was published of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.data import partition
from benchmarks.runner.cli import RESULTS
from benchmarks.speed import duplicate_index
from benchmarks.studies import duplicate_slices as study
from benchmarks.studies import duplicate_slices_data as data
from dfd.repository.duplicate_match import SHARED_NOISE, SOME_NOISE
from dfd.repository.fingerprint import TURNS, turned_bits
from dfd.repository.fingerprint_index import HASHES, LARGEST_FLAT, THRESHOLD

NAMES = ("duplicate_slices", "duplicate_slices_test")


def published(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("folder", ["ct", "mr"])
def test_only_development_patients_are_looked_at(folder: str) -> None:
    entries = json.loads(partition.SPLIT.read_text(encoding="utf-8"))[folder]
    sides = data.patients_of(folder, test=False)
    assert not any(sides.values())
    assert sides.keys() == {name for name, each in entries.items() if each["side"] != "test"}


@pytest.mark.parametrize("folder", ["ct", "mr"])
def test_patients_kept_for_the_test_are_held_out(
    folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = tmp_path / "opened.json"
    real = partition.open_test_patients
    monkeypatch.setattr(partition, "frozen_commit", lambda: "c0ffee")
    monkeypatch.setattr(
        partition, "open_test_patients", lambda *a, **k: real(*a, **k, record=record)
    )
    entries = json.loads(partition.SPLIT.read_text(encoding="utf-8"))[folder]
    sides = data.patients_of(folder, test=True)
    assert sides == {name: each["side"] == "test" for name, each in entries.items()}
    (opening,) = json.loads(record.read_text(encoding="utf-8"))
    assert opening["commit"] == "c0ffee"


def test_distances_are_those_of_each_turn() -> None:
    bits = np.random.default_rng(1).integers(0, 256, (3, 32), dtype=np.uint8)
    distances = study.all_distances(bits)
    for turn in range(len(TURNS)):
        for first in range(3):
            differ = turned_bits(bits[first : first + 1], turn)[0] ^ bits[2]
            assert distances[turn, first, 2] == np.bitwise_count(differ).sum()


@pytest.mark.parametrize("name", NAMES)
def test_no_two_patients_are_near_and_no_genuine_pair_is_listed(name: str) -> None:
    content = published(name)
    tail = content["false matches"]
    assert tail["pairs"] > 50_000
    assert tail["within threshold"] == 0
    assert tail["smallest"] > THRESHOLD
    assert tail["binomial"] < tail["exponential"] < 1e-9
    assert content["correlations"]["largest"] < SOME_NOISE < SHARED_NOISE
    assert sum(line["listed"] for line in content["kinds"]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_turned_slices_are_found_and_named(name: str) -> None:
    lines = [line for line in published(name)["recall"] if line["change"] in TURNS]
    assert len(lines) == 2 * (len(TURNS) - 1)
    assert {line["identical"] for line in lines} == {1.0}


def test_ten_million_are_computed_in_proportion() -> None:
    last = duplicate_index._line(4_000_000, 400.0, 30.0, 5.0)
    paper = duplicate_index.on_paper(last)
    assert paper["fingerprints"] == 10_000_000
    assert paper["milliseconds a query of eight turns"] == pytest.approx(12.5)
    assert paper["hours of one processor"] == pytest.approx(1e7 * 12.5 / 2 / 3.6e6)
    assert paper["gigabytes in all"] == pytest.approx(4.64)


def test_each_number_has_its_way_of_search() -> None:
    numbers = (LARGEST_FLAT, LARGEST_FLAT + 1, HASHES[0][0] + 1)
    assert [duplicate_index._line(number, 0.0, 0.0, 0.0)["compared"] for number in numbers] == [
        "each with each",
        "14 hashes of 18 bits",
        "12 hashes of 20 bits",
    ]


def test_the_published_search_keeps_its_limits() -> None:
    lines = {line["fingerprints"]: line for line in published("duplicate_index")["lines"]}
    assert all(line["bytes each, index"] <= 800 for line in lines.values())
    assert lines[10_000_000]["gigabytes in all"] < 8
    assert not lines[10_000_000]["measured"]
    night = 2 * duplicate_index.NIGHT_H
    assert lines[1_000_000]["measured"]
    assert lines[1_000_000]["hours of one processor"] < night


def test_the_limit_of_distance_is_that_of_its_rule() -> None:
    rates = {int(limit): rate for limit, rate in published("duplicate_slices")["limits"].items()}
    assert max(limit for limit, rate in rates.items() if rate < 1e-9) == THRESHOLD


def test_an_exponential_tail_is_continued() -> None:
    depth = np.random.default_rng(1).geometric(1 - np.exp(-1 / 3.0), 1_000_000)
    rate = study.exponential_tail((100 - depth).astype(np.int16), 64)
    # Depths of 36 and more: exp(-35 / 3).
    assert rate == pytest.approx(np.exp(-35 / 3.0), rel=0.6)
