"""What an anonymous run leaves behind can be passed on: nothing in it names anybody."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfd.errors import SeriesError
from dfd.repository.names import below
from dfd.repository.parts import Part
from dfd.repository.series_task import SeriesTask
from tests.dicom_maker import make_pixels, make_slice
from tests.repository.conftest import Evidence, log_of, screen

CANARY = "canary"
UID = "1.2.826.0.1.3680043.8.498.777"
TO_KEEP = ("plan", "parts", "pictures")
BITS = random.Random(1).randbytes(32)


def make_canaries(root: Path) -> None:
    """Scans whose paths, UIDs and headers name somebody wherever that can be."""
    headers: dict[str, dict[str, Any]] = {
        "Canary A. von Smith/ct": {},
        "Canary B, born 19991231": {"ManufacturerModelName": "Canary 64"},
        "canary-c 'quoted' \\x": {"Manufacturer": "Canary", "ConvolutionKernel": "Canary"},
        "pet": {"Modality": "CANARY"},
        "head": {"BodyPartExamined": "HEAD CANARY"},
        "colour": {"SamplesPerPixel": 3, "PhotometricInterpretation": "CANARY"},
    }
    for number, (folder, tags) in enumerate(headers.items()):
        pixels = make_pixels((40, 48, 3)) if folder == "colour" else make_pixels(seed=number)
        make_slice(
            root / folder / "Canary's 1.dcm",
            pixels,
            StudyInstanceUID=f"{UID}.1.{number}",
            SeriesInstanceUID=f"{UID}.2.{number}",
            SOPInstanceUID=f"{UID}.3.{number}",
            PatientID=f"Canary {number}",
            SeriesDescription="Canary",
            StudyDescription="Canary",
            InstitutionName="Canary",
            StudyDate="19991231",
            **tags,
        )
    (root / "Canary list.csv").write_text("Canary")
    (root / "Canary link").symlink_to(root / "Canary nowhere")
    cut = (root / "pet" / "Canary's 1.dcm").read_bytes()[:300]
    (root / "pet" / "Canary\tcut off.dcm").write_bytes(cut)


class Naming(Evidence):
    """Answers with sentences, regions and fingerprints that hold names."""

    def screen_series(self, task: SeriesTask) -> Part:
        path = below(Path(task.root), task.files[0])
        sentence = str(SeriesError(f"{path} does not exist: copy the file there"))
        print_of = {"sop_uid": f"{UID}.3", "file": task.files[0], "frame": 0, "bits": BITS}
        part = replace(super().screen_series(task), fingerprints=(print_of,))
        if "quoted" in task.files[0]:
            reason = f"none of its slices could be read: {sentence}"
            return replace(part, status="failed", reason=reason, p_value=None, regions=())
        said = "; 1 could not be read, the first: "
        region = part.regions[0] | {"sop_uids": [f"{UID}.3"], "x": 3.0, "y": 4.0}
        return replace(part, reason=f"odd{said}{sentence}", p_value=1e-4, regions=(region,))


@pytest.fixture
def naming(monkeypatch: pytest.MonkeyPatch) -> Naming:
    made = Naming()
    monkeypatch.setitem(__import__("sys").modules, made.__name__, made)
    return made


def texts(output: Path) -> dict[str, str]:
    """Every file that is passed on, with its name."""
    files = [path for path in output.rglob("*") if path.is_file()]
    shared = [path for path in files if path.relative_to(output).parts[0] not in TO_KEEP]
    return {
        str(path.relative_to(output)): path.name + path.read_bytes().decode("utf-8", "replace")
        for path in shared
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_no_file_of_an_anonymous_run_names_anybody(tmp_path: Path, naming: Naming) -> None:
    root, output = tmp_path / "Canary scans of Smith", tmp_path / "out"
    make_canaries(root)
    screen(root, output)
    named = texts(output)
    # The canaries do reach the results of a run with names.
    assert {"series.csv", "duplicates.csv", "report.html", "run.json"} <= {
        name for name, text in named.items() if CANARY in text.lower()
    }
    digests = {row["series"] for row in rows(output / "series.csv")}

    table = screen(root, output, anonymous=True)
    shared = texts(output)
    log = f"shards{'/'}1-of-1/run.log"
    words = (CANARY, "Smith", "born", UID, "1999", str(tmp_path), "quoted")
    seen = [
        (name, word)
        for name, text in shared.items()
        for word in (*words, *(digests if name != log else ()))
        if word.lower() in text.lower()
    ]
    assert seen == []
    assert {"series.csv", "series.parquet", "duplicates.csv", "run.json", log} <= set(shared)

    assert len(table) == len(digests)
    assert {row["series"] for row in table} == {f"series-{n:05d}" for n in range(1, 6)}
    reasons = {row["reason"] for row in rows(output / "series.csv")}
    missing = "(hidden) does not exist: copy the file there"
    assert f"odd; 1 could not be read, the first: {missing}" in reasons
    assert f"none of its slices could be read: {missing}" in reasons
    assert any(each.startswith("The slice is (hidden) and there is no model") for each in reasons)
    assert any(each.startswith("The slice shows (hidden) but the model") for each in reasons)


def test_the_lists_of_an_anonymous_run_agree_on_its_local_names(
    tmp_path: Path, naming: Naming
) -> None:
    make_canaries(tmp_path / "scans")
    output = tmp_path / "out"
    screen(tmp_path / "scans", output, anonymous=True)
    series = {row["series"] for row in rows(output / "series.csv")}
    planned = {row["series"] for row in rows(output / "series.csv") if row["bundle"]}
    duplicates = rows(output / "duplicates.csv")
    assert duplicates
    assert {row[name] for row in duplicates for name in ("series", "other_series")} <= planned
    assert all(not row["file"] and not row["sop_uid"] for row in duplicates)
    regions = rows(output / "suspicious_regions.csv")
    assert {row["series"] for row in regions} <= planned
    assert {(row["x"], row["y"], row["sop_uids"]) for row in regions} == {("3.0", "4.0", "")}
    logged = {line["series"] for line in log_of(output / "shards" / "1-of-1")} - {None}
    assert logged == planned <= series
    record = json.loads((output / "run.json").read_text())
    assert record["anonymous"] is True
    assert record["source"] == "(hidden)"


def test_defined_values_of_headers_stay(tmp_path: Path, naming: Naming) -> None:
    make_slice(tmp_path / "scans" / "a.dcm", make_pixels(), Modality="PT")
    make_slice(tmp_path / "scans" / "b" / "b.dcm", make_pixels(), BodyPartExamined="HEAD")
    table = screen(tmp_path / "scans", tmp_path / "out", anonymous=True)
    reasons = sorted(row["reason"] for row in table)
    assert reasons[0].startswith("The slice is PT and there is no model for it")
    assert reasons[1].startswith("The slice shows HEAD but the model")
