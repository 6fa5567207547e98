"""run.json: plain JSON in the order given, floats that read back, and versions."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from dfd.errors import OutputError
from dfd.outputs import run_record


@dataclass
class Facts:
    where: Path
    count: int


def test_everything_becomes_plain_json_in_order(tmp_path):
    record = {
        "z": np.float32(0.1),
        "a": 0.1 + 0.2,
        "count": np.int64(3),
        "flag": np.bool_(True),
        "nan": math.nan,
        "none": None,
        "where": Path("a/b"),
        "array": np.arange(2),
        "nested": {"facts": Facts(Path("c"), 1), 5: (1, "é\udc80")},
        "when": datetime(2026, 11, 22, tzinfo=UTC),
    }
    path = run_record.write(tmp_path, record)
    assert path == tmp_path / "run.json"
    read = json.loads(path.read_text("ascii"))
    assert list(read) == [*record, "notice"]
    assert read["z"] == float(np.float32(0.1))
    assert read["a"] == 0.1 + 0.2
    assert (read["count"], read["flag"], read["nan"], read["none"]) == (3, True, None, None)
    assert (read["where"], read["array"], read["when"]) == (
        "a/b",
        [0, 1],
        "2026-11-22 00:00:00+00:00",
    )
    assert read["nested"] == {"facts": {"where": "c", "count": 1}, "5": [1, "é\udc80"]}
    assert run_record.write(tmp_path, record).read_bytes() == path.read_bytes()


def test_the_notice_is_in_every_record(tmp_path):
    assert (
        "not a medical device" in json.loads(run_record.write(tmp_path, {}).read_text())["notice"]
    )
    assert "does not show that an image is genuine" in run_record.NOTICE


def test_what_has_no_form_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"record\.config\.parts\[1\] is a object"):
        run_record.write(tmp_path, {"config": {"parts": [1, object()]}})
    assert list(tmp_path.iterdir()) == []


def test_versions(monkeypatch):
    found = run_record.versions()
    assert list(found) == ["dfd", "monai", "torch", "ignite", "pydicom", "numpy", "pandas"]
    assert found["numpy"] == np.__version__

    def missing(name):
        raise run_record.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(run_record.metadata, "version", missing)
    assert set(run_record.versions().values()) == {"not installed"}
