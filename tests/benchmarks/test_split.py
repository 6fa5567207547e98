"""The check of the split against the scans: what it compares, and what it is silent about."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import pytest
from pydicom import dcmread

from benchmarks.data import split
from tests.dicom_maker import make_pixels, make_slice


@pytest.fixture(params=["1.2.03", "1." + "2" * 70], ids=["leading zero", "too long"])
def scans(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, dict[str, object]]:
    """One slice whose UID is none, and the split that names it."""
    make_slice(tmp_path / "a.dcm", make_pixels(), SOPInstanceUID=request.param)
    digest = hashlib.sha256(make_pixels().tobytes()).hexdigest()
    rows = [{"file": "a.dcm", "sop_uid": request.param, "sha256_pixels": digest}]
    return tmp_path, {"ct": {"p1": {"slices": rows}}, "mr": {}}


def test_invalid_uids_are_compared_in_silence(scans: tuple[Path, dict[str, object]]) -> None:
    root, made = scans
    with pytest.warns(UserWarning, match=split.INVALID_UID):
        str(dcmread(root / "a.dcm").SOPInstanceUID)
    assert split.check(root, made) == []
    made["ct"]["p1"]["slices"][0]["sop_uid"] = "1.2.3"
    assert split.check(root, made) == ["a.dcm of p1 is not the slice that was split"]


def test_other_warnings_are_heard(
    scans: tuple[Path, dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, made = scans
    read = split.pydicom.dcmread

    def warned(path: Path) -> object:
        warnings.warn("Invalid value for VR DS: 'x'.", UserWarning, stacklevel=1)
        return read(path)

    monkeypatch.setattr(split.pydicom, "dcmread", warned)
    with pytest.warns(UserWarning, match="VR DS"):
        split.check(root, made)


def test_a_later_folder_changes_nobody_s_side() -> None:
    def patients(prefix: str, count: int) -> dict[str, list[dict[str, str]]]:
        row = {"manufacturer": "SIEMENS", "kernel": "B30f"}
        return {f"{prefix}{n}": [{**row, "patient": f"{prefix}{n}"}] for n in range(count)}

    before = split.place(patients("old", 8), "ct")
    placed = sum(side != "test" for side in before.values())
    later = split.place(patients("new", 9), "ct", placed)
    sides = [*before.values(), *later.values()]
    folds = [sides.count(f"fold{number}") for number in range(split.FOLDS)]
    assert max(folds) - min(folds) <= 1
    assert sides.count("test") == 4
    assert split.place(patients("old", 8), "ct") == before
