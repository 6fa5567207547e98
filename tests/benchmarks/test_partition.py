"""No benchmark can reach a patient of the test."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.data import partition
from benchmarks.models.training_folder import link
from dfd.errors import UsageError

TEST_PATIENTS = {
    modality: {
        name
        for name, entry in json.loads(partition.SPLIT.read_text())[key].items()
        if entry["side"] == "test"
    }
    for modality, key in partition.FOLDERS.items()
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with an empty folder for every patient, test patients included."""
    for key in partition.FOLDERS.values():
        for name in json.loads(partition.SPLIT.read_text())[key]:
            (tmp_path / "data" / key / name).mkdir(parents=True)
    monkeypatch.setenv("DFD_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.mark.parametrize("modality", partition.FOLDERS)
def test_development_patients_are_no_test_patients(modality):
    assert len(TEST_PATIENTS[modality]) >= 5
    assert not TEST_PATIENTS[modality] & set(partition.patients(modality))


@pytest.mark.parametrize("modality", partition.FOLDERS)
def test_patients_left_out_are_not_learned_from(modality):
    left_out, learned = (
        set(partition.patients(modality, partition.VALIDATION_FOLDS)),
        set(partition.patients(modality, partition.TRAINING_FOLDS)),
    )
    assert left_out
    assert learned
    assert not left_out & learned


def test_asking_for_the_test_side_is_an_error():
    with pytest.raises(UsageError, match="'test' is no fold of development"):
        partition.patients("ct_lung", ["fold0", "test"])


@pytest.mark.usefixtures("data")
def test_links_are_those_of_development_only(tmp_path):
    left_out = link("ct_lung", tmp_path / "links")
    linked = {path.name for path in (tmp_path / "links").iterdir()}
    assert linked == set(partition.patients("ct_lung"))
    assert not linked & TEST_PATIENTS["ct_lung"]
    assert left_out == partition.patients("ct_lung", partition.VALIDATION_FOLDS)
    assert link("ct_lung", tmp_path / "links") == left_out  # twice is the same


@pytest.mark.usefixtures("data")
def test_a_folder_that_holds_a_test_patient_is_refused(tmp_path):
    (tmp_path / "links" / min(TEST_PATIENTS["ct_lung"])).mkdir(parents=True)
    with pytest.raises(UsageError, match="is no development patient; name an empty folder"):
        link("ct_lung", tmp_path / "links")


def test_a_missing_data_folder_is_named(monkeypatch):
    monkeypatch.delenv("DFD_DATA", raising=False)
    with pytest.raises(UsageError, match="DFD_DATA is ''"):
        partition.data_root()


def test_what_was_trained_here_goes_before_what_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "ROOT", tmp_path)
    monkeypatch.setattr(partition, "COMMITTED_NETWORKS", tmp_path / "trained")
    own, committed = (
        tmp_path / "runs" / "forgers" / "a.pt",
        tmp_path / "trained" / "forgers" / "a.pt",
    )
    assert partition.network_file("forgers", "a.pt") == own
    for path in (committed, own):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
        assert partition.network_file("forgers", "a.pt") == path


@pytest.mark.parametrize(
    ("changed", "refused"), [("benchmarks/results/opened.json", False), ("dfd/a.py", True)]
)
def test_what_is_tested_is_what_is_committed_but_for_the_record_of_openings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, refused: bool
) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=tmp_path, check=True
        )

    for name in ("benchmarks/results/opened.json", "dfd/a.py", "bundles/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1", encoding="utf-8")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    monkeypatch.setattr(partition, "ROOT", tmp_path)
    assert len(partition.frozen_commit()) == 40
    (tmp_path / changed).write_text("2", encoding="utf-8")
    if refused:
        with pytest.raises(UsageError, match="differs from its commit"):
            partition.frozen_commit()
    else:
        assert len(partition.frozen_commit()) == 40
