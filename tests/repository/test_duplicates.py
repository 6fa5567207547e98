"""Planted pairs are found among many, and said for what they are."""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dfd.errors import OutputError, UsageError
from dfd.repository import duplicates, fingerprint_index
from dfd.repository.duplicate_match import (
    ANOTHER_PATIENT,
    NOT_COMPARED,
    SAME_PATIENT,
    SAME_SERIES,
    SAME_STUDY,
    UNKNOWN,
)
from dfd.repository.duplicates import write_duplicates
from dfd.repository.fingerprint import INVERSE, TURNS, turned_bits
from dfd.repository.fingerprint_index import Bits, Pair, nearest_pairs
from tests.repository.tables import write_fingerprints

OWNERS = {"a": ("P1", "S1"), "b": ("P1", "S1"), "c": ("P2", "S2"), "d": ("", ""), "e": ("P1", "S3")}


def random_bits(number: int, seed: int = 0) -> Bits:
    return np.random.default_rng(seed).integers(0, 256, (number, 32), dtype=np.uint8)


def changed(bits: Bits, number: int, seed: int = 1) -> Bits:
    """One fingerprint with that many bits flipped."""
    grid = np.unpackbits(bits)
    grid[np.random.default_rng(seed).choice(256, number, replace=False)] ^= 1
    return np.packbits(grid)


def write_part(folder: Path, series: str, bits: Bits | Sequence[Bits]) -> Path:
    rows = [
        {
            "sop_uid": f"1.2.{series}.{number}",
            "file": f"{series}/{number}.dcm",
            "frame": 0,
            "bits": np.asarray(each, np.uint8).tobytes(),
        }
        for number, each in enumerate(bits)
    ]
    return write_fingerprints(folder, series, rows)


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "duplicates.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("flat", [True, False], ids=["flat", "hashed"])
@pytest.mark.parametrize("turn", range(8), ids=TURNS)
def test_each_turn_is_found_and_named(turn: int, flat: bool) -> None:
    bits = random_bits(500)
    bits[300] = changed(turned_bits(bits[40:41], turn)[0], 20)
    with patch.object(fingerprint_index, "LARGEST_FLAT", 20_000 if flat else 0):
        assert nearest_pairs(bits) == [Pair(20, 40, 300, turn)]


def test_the_turn_is_that_of_the_later_slice() -> None:
    bits = random_bits(2)
    bits[0] = turned_bits(bits[1:], 1)[0]
    assert nearest_pairs(bits) == [Pair(0, 0, 1, INVERSE[1])]


@pytest.mark.parametrize(("flipped", "found"), [(64, True), (65, False)])
def test_the_threshold_is_the_last_distance_that_counts(flipped: int, found: bool) -> None:
    bits = random_bits(50)
    bits[7] = changed(bits[3], flipped)
    assert bool(nearest_pairs(bits)) is found


def test_a_group_is_written_as_pairs_with_its_first() -> None:
    bits = random_bits(30)
    bits[[4, 9, 20]] = bits[2]
    assert nearest_pairs(bits) == [Pair(0, 2, row, 0) for row in (4, 9, 20)]


def test_thousands_of_equal_slices_give_as_many_pairs() -> None:
    bits = np.repeat(random_bits(1), 30_000, axis=0)
    pairs = nearest_pairs(bits)
    assert {pair.first for pair in pairs} == {0}
    assert [pair.second for pair in pairs] == list(range(1, 30_000))


def test_a_chain_is_joined_by_its_nearest_pairs() -> None:
    bits = random_bits(3)
    bits[1] = changed(bits[0], 40, seed=1)
    bits[2] = changed(bits[1], 10, seed=2)
    assert nearest_pairs(bits) == [Pair(10, 1, 2, 0), Pair(40, 0, 1, 0)]


@pytest.mark.parametrize("flat", [True, False], ids=["flat", "hashed"])
def test_planted_pairs_are_found_among_many_and_nothing_else(flat: bool) -> None:
    """Over several batches and chunks, all turns, as far apart as strong compression puts them."""
    number, planted = 6_000, {}
    bits = random_bits(number)
    firsts, seconds = np.random.default_rng(3).permutation(number)[:400].reshape(2, 200)
    for turn, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        bits[second] = changed(turned_bits(bits[first : first + 1], turn % 8)[0], 26, turn)
        planted[min(first, second), max(first, second)] = 26
    with (
        patch.object(fingerprint_index, "LARGEST_FLAT", number if flat else 0),
        patch.object(fingerprint_index, "CHUNK", 2_000),
        patch.object(fingerprint_index, "BATCH", 500),
        patch.object(fingerprint_index, "MOST_HELD", 10),
    ):
        pairs = nearest_pairs(bits)
    assert {(pair.first, pair.second): pair.distance for pair in pairs} == planted
    for pair in pairs:
        turned_first = turned_bits(bits[pair.first : pair.first + 1], pair.turn)[0]
        assert np.bitwise_count(turned_first ^ bits[pair.second]).sum() == 26


@pytest.mark.parametrize("number", [1_000_000, 10_000_000])
@pytest.mark.parametrize(("distance", "found"), [(26, 0.995), (40, 0.8), (64, 0.2)])
def test_hashes_find_the_share_of_pairs_that_they_should(
    number: int, distance: int, found: float
) -> None:
    """The tables that are taken for so many fingerprints, asked for copies of 400 of them."""
    index = fingerprint_index.index_of(number)
    bits = random_bits(400)
    index.add(bits)
    copies = np.stack([changed(each, distance, seed) for seed, each in enumerate(bits)])
    limits, _, rows = index.range_search(copies, fingerprint_index.THRESHOLD + 1)
    own = np.repeat(np.arange(len(bits)), np.diff(limits.astype(np.int64)))
    assert (rows == own).mean() == 1.0
    assert len(set(own.tolist())) / len(bits) >= found


def test_a_large_group_is_joined_while_pairs_are_found() -> None:
    """A thousand slices that are alike are half a million pairs, and stay 999."""
    one = random_bits(1)[0]
    bits = np.stack([changed(one, 10, seed) for seed in range(1_000)])
    with patch.object(fingerprint_index, "MOST_HELD", 20_000):
        pairs = nearest_pairs(bits)
    assert len(pairs) == len(np.unique(bits, axis=0)) - 1 + len(bits) - len(np.unique(bits, axis=0))
    assert max(pair.distance for pair in pairs) <= 20


def test_an_index_of_ten_million_takes_less_than_eight_gigabytes() -> None:
    """Growth of a process by fingerprints in tables that are as full as those of ten million.

    Shorter hashes make fewer buckets. Fingerprints themselves are held three times meanwhile.
    """
    code = (
        "import psutil, numpy as np\n"
        "from dfd.repository import fingerprint_index\n"
        "number, tables, width = 160_000, *fingerprint_index.HASHES[-1][1:]\n"
        "assert width - 6 == 14 and 10_000_000 / 2**20 < number / 2**14\n"
        "fingerprint_index.HASHES = ((number, tables, width - 6),)\n"
        "index = fingerprint_index.index_of(number)\n"
        "bits = np.random.default_rng(0).integers(0, 256, (number, 32), dtype=np.uint8)\n"
        "before = psutil.Process().memory_info().rss\n"
        "index.add(bits)\n"
        "after = psutil.Process().memory_info().rss\n"
        "print((after - before) / index.ntotal)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 32 < float(run.stdout) < 800 - 3 * 32


def test_relations_are_told_apart(tmp_path: Path) -> None:
    bits = random_bits(6)
    parts = [
        write_part(tmp_path, "a", [bits[0], bits[0], bits[1], bits[2], bits[3], bits[4]]),
        write_part(tmp_path, "b", [changed(bits[1], 3)]),
        write_part(tmp_path, "c", [turned_bits(bits[2:3], 4)[0]]),
        write_part(tmp_path, "d", [changed(bits[3], 30)]),
        write_part(tmp_path, "e", [changed(bits[4], 5)]),
    ]
    assert write_duplicates(parts, OWNERS, tmp_path) == 5
    rows = {row["relation"]: row for row in lines(tmp_path)}
    assert list(rows) == [ANOTHER_PATIENT, SAME_PATIENT, UNKNOWN, SAME_STUDY, SAME_SERIES]
    assert rows[SAME_SERIES]["other_sop_uid"] == "1.2.a.1"
    assert rows[SAME_STUDY]["distance"] == "3"
    copied = rows[ANOTHER_PATIENT]
    assert (copied["file"], copied["other_file"]) == ("a/3.dcm", "c/0.dcm")
    assert copied["transform"] == "mirrored left to right"
    assert not any(patient in (tmp_path / "duplicates.csv").read_text() for patient in ("P1", "P2"))


def test_nothing_is_claimed_without_the_pixels(tmp_path: Path) -> None:
    bits = random_bits(1)
    parts = [write_part(tmp_path, name, bits) for name in ("a", "c")]
    assert write_duplicates(parts, OWNERS, tmp_path) == 1
    (row,) = lines(tmp_path)
    assert row["match"] == NOT_COMPARED
    assert row["reason"].endswith("the pixels could not be compared, so nothing is shown.")


def test_no_parts_and_no_fingerprints_give_a_table_without_rows(tmp_path: Path) -> None:
    assert write_duplicates([], {}, tmp_path) == 0
    assert write_duplicates([write_part(tmp_path, "a", [])], OWNERS, tmp_path) == 0
    assert (tmp_path / "duplicates.csv").read_text() == ",".join(duplicates.COLUMNS) + "\n"


def test_damaged_parts_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bits = random_bits(1)
    parts = [write_part(tmp_path, name, bits) for name in ("a", "b", "c")]
    for name, data in {
        "empty": b"",
        "text": b"series,bits\n",
        "cut": parts[0].read_bytes()[:-9],
    }.items():
        parts.append(tmp_path / f"{name}.parquet")
        parts[-1].write_bytes(data)
    parts.append(tmp_path / "other.parquet")
    pq.write_table(pa.table({"series": ["x"]}), parts[-1])
    parts.append(tmp_path / "null.parquet")
    pq.write_table(pa.table({"series": ["x"], "fingerprints": pa.nulls(1)}), parts[-1])
    parts.append(tmp_path / "vanished.parquet")
    with caplog.at_level(logging.WARNING):
        assert write_duplicates(parts, OWNERS, tmp_path) == 2
    for name in ("empty", "text", "cut", "other", "null", "vanished"):
        assert f"the part {name}.parquet is left out" in caplog.text


def test_a_formula_in_a_name_is_neutralised(tmp_path: Path) -> None:
    bits = random_bits(1)
    parts = [write_part(tmp_path, "=a", bits), write_part(tmp_path, "b", bits)]
    write_duplicates(parts, {}, tmp_path)
    assert lines(tmp_path)[0]["series"] == "'=a"


def test_missing_files_leave_the_correlation_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bits = random_bits(1)
    parts = [write_part(tmp_path, name, bits) for name in ("a", "b")]
    assert write_duplicates(parts, OWNERS, tmp_path, tmp_path / "source") == 1
    assert lines(tmp_path)[0]["correlation"] == ""
    assert "not confirmed on its pixels" in caplog.text


def test_without_faiss_one_sentence_names_the_extra(tmp_path: Path) -> None:
    part = write_part(tmp_path, "a", random_bits(2))
    with (
        patch.dict(sys.modules, {"faiss": None}),
        pytest.raises(UsageError, match=r"faiss, which is not installed: pip install .*\[screen\]"),
    ):
        write_duplicates([part], {}, tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"duplicates\.csv cannot be written"):
        write_duplicates([], {}, tmp_path / "missing")
