"""The ledger: what was kept is there, whatever became of the last line."""

import errno
import json
import os

import pytest

from dfd.errors import OutputError
from dfd.outputs.files import SCRATCH
from dfd.outputs.ledger import FILE_NAME, FORMAT, Ledger

RUN = {"data": "a", "model": "b"}


@pytest.fixture
def kept(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.start(RUN)
    for number in range(3):
        ledger.add({"n": number})
    yield ledger
    ledger.close()


def test_what_was_added_is_read_in_order(tmp_path, kept):
    again = Ledger(tmp_path)
    assert again.identity() == RUN
    assert [entry["n"] for entry in again.entries()] == [0, 1, 2]
    again.add({"n": 3})
    again.secure()
    assert [entry["n"] for entry in again.entries()] == [0, 1, 2, 3]
    again.close()


def test_a_last_line_that_was_cut_off_at_any_byte_counts_for_nothing(tmp_path, kept):
    kept.close()
    whole = kept.path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for size in range(len(whole)):
        kept.path.write_bytes(whole[:size])
        again = Ledger(tmp_path)
        lines = sum(end <= size for end in ends)
        assert (again.identity() is not None) == (lines > 0)
        assert [entry["n"] for entry in again.entries()] == list(range(lines - 1))
        if lines:
            again.add({"n": "more"})
            assert [entry["n"] for entry in Ledger(tmp_path).entries()] == [
                *range(lines - 1),
                "more",
            ]
            again.close()


@pytest.mark.parametrize(
    "damage", [b"\0\0\0\n", b"[1]\n", b"{\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"]
)
def test_nothing_after_a_damaged_line_counts(tmp_path, kept, damage):
    kept.close()
    with kept.path.open("ab") as stream:
        stream.write(damage + b'{"n": 9}\n')
    assert [entry["n"] for entry in Ledger(tmp_path).entries()] == [0, 1, 2]


@pytest.mark.parametrize(
    "head",
    [
        "",
        "{}",
        "null",
        json.dumps({"format": FORMAT + 1, "run": RUN}),
        json.dumps({"format": FORMAT, "run": 1}),
    ],
)
def test_without_its_head_there_is_no_ledger_and_it_is_tidied_away(tmp_path, head):
    (tmp_path / SCRATCH).mkdir()
    (tmp_path / SCRATCH / FILE_NAME).write_text(f"{head}\n")
    ledger = Ledger(tmp_path)
    assert ledger.identity() is None
    ledger.tidy()
    assert list(tmp_path.iterdir()) == []
    assert list(ledger.entries()) == []


def test_a_full_disk_leaves_no_half_line(tmp_path, kept, monkeypatch):
    stream = kept._opened()
    size = kept.path.stat().st_size

    class Full:
        def __init__(self):
            self.wrote = False

        def __getattr__(self, name):
            return getattr(stream, name)

        def write(self, data):
            if self.wrote:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.wrote = True
            return stream.write(bytes(data[:4]))

    kept._stream = Full()
    with pytest.raises(OutputError, match=r"ledger.jsonl cannot be written: the disk is full"):
        kept.add({"n": "does not fit"})
    assert kept.path.stat().st_size == size
    kept._stream = stream
    kept.add({"n": "fits"})
    assert [entry["n"] for entry in Ledger(tmp_path).entries()] == [0, 1, 2, "fits"]


def test_pictures_are_kept_by_row_and_dropped(tmp_path, kept):
    for row in (1, 2, 3):
        kept.keep_pictures(row, {"row": row})
    (kept.folder / "pictures-3.json").write_text('{"row": ')
    assert [kept.pictures(row) for row in (1, 2, 3, 4)] == [{"row": 1}, {"row": 2}, None, None]
    kept.drop_pictures([1, 7])
    assert kept.pictures(1) is None
    kept.drop_pictures()
    assert [path.name for path in kept.folder.iterdir()] == [FILE_NAME]


def test_leftovers_go_and_the_ledger_stays(tmp_path, kept):
    (kept.folder / ".dfd-0123456789ab.tmp").write_text("half")
    Ledger(tmp_path).tidy()
    assert [path.name for path in kept.folder.iterdir()] == [FILE_NAME]


def test_at_the_end_nothing_is_left(tmp_path, kept):
    kept.keep_pictures(1, {})
    kept.remove()
    assert list(tmp_path.iterdir()) == []
