"""The ledger: whole parts count, damaged ones are said, and a changed series has none."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from dfd.repository.parts import Part, Wanted, make_folder, part_path, read_part, write_part

REGION = {
    "rank": 1,
    "p_value": 0.001,
    "expected_false_alarms": 0.02,
    "form": "AI edit",
    "reason": "odd",
    "x": 3.0,
    "y": 4.0,
    "radius_px": 5.0,
    "radius_mm": None,
    "first_slice": 2,
    "last_slice": 4,
    "strongest_slice": 3,
    "x_mm": None,
    "y_mm": None,
    "z_mm": None,
    "depth_mm": 7.5,
    "sop_uids": ["1.2", "1.3"],
}
PRINT = {"sop_uid": "1.2", "file": "a.dcm", "frame": 0, "bits": bytes(range(32))}
PART = Part(
    "0123456789abcdef",
    "fedcba9876543210",
    "ab" * 32,
    "scored",
    "a reason",
    0.1 + 0.2,
    0.5,
    3.25,
    "unusual",
    "AI edit",
    12,
    1.5,
    (REGION,),
    (PRINT,),
)
WANTED = Wanted(PART.series, PART.content, PART.model)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    write_part(tmp_path, PART)
    return tmp_path


def test_a_part_comes_back_as_it_was(output: Path) -> None:
    assert [path.name for path in (output / "parts").iterdir()] == [
        "0123456789abcdef-abababababab.parquet"
    ]
    assert read_part(output, WANTED) == PART


def test_a_failed_series_has_no_numbers(output: Path) -> None:
    failed = Part(PART.series, PART.content, PART.model, "failed", "why")
    write_part(output, failed)
    back = read_part(output, WANTED)
    assert back == failed
    assert back.p_value is None


def test_what_is_not_done_has_no_part(output: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_part(output, replace(WANTED, content="0" * 16)) is None
    assert read_part(output, replace(WANTED, model="cd" * 32)) is None
    assert read_part(output, replace(WANTED, series="0" * 16)) is None
    assert not caplog.records


@pytest.mark.parametrize("kind", ["cut", "empty", "flipped", "another", "no parquet"])
def test_a_damaged_part_is_said(output: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    path = part_path(output, PART.series, PART.model)
    content = path.read_bytes()
    if kind == "another":
        write_part(output, replace(PART, series="f" * 16))
        part_path(output, "f" * 16, PART.model).rename(path)
    else:
        flipped = bytearray(content)
        flipped[40] ^= 1
        damaged = {"cut": content[:-9], "empty": b"", "flipped": bytes(flipped), "no parquet": b"x"}
        path.write_bytes(damaged[kind])
    with caplog.at_level(logging.WARNING):
        assert read_part(output, WANTED) is None
    assert caplog.messages == [f"the part {path.name} is damaged: its series is screened again"]
