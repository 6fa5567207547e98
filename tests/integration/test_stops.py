"""Killed, terminated, out of disk: what is on the disk afterwards is whole, and the same command goes on or starts again."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from dfd.bundle import model_file
from dfd.cli.entry import run
from tests.integration.conftest import TRAINING
from tests.integration.processes import CT_BUNDLE, DFD, MONAI, finish, last_line, stop_when

KILLED_IN_WRITE = """
import os, signal
count, fsync = 0, os.fsync
def watched(descriptor):
    global count
    count += 1
    if count == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = watched
"""
"""Kills a process while it writes its so manieth file: the bytes are in a temporary file, the name is still the old one's."""
MANY = 24
BEFORE_EPOCHS, PER_EPOCH = 3, 3
"""Files that a training writes: two probes of folders and scans.json, then best.pt, history.csv and last.pt in each epoch."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_training_killed_while_it_writes_a_checkpoint_ends_as_if_it_had_not_been(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--data", str(data / "train"), "--model", str(tmp_path / "m.ckpt"), "--epochs", str(TRAINING["epochs"])]
    words += ["--batch-size", str(TRAINING["batch_size"]), "--device", "cpu"]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLED_IN_WRITE.format(number=BEFORE_EPOCHS + 2 * PER_EPOCH))
    killed = finish([*DFD, *words], tmp_path, site=tmp_path / "site")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    state = tmp_path / "m.ckpt.training"
    assert not (tmp_path / "m.ckpt").exists()
    assert torch.load(state / "last.pt", weights_only=True)["epoch"] == 1

    assert run(words) == 0
    assert f"resumed from {state / 'last.pt'} after epoch 1" in capsys.readouterr().err
    history, whole = rows(state / "history.csv"), rows(model.with_name(f"{model.name}.training") / "history.csv")
    for name in ("epoch", "train_loss", "val_nll", "rate"):
        assert [row[name] for row in history] == [row[name] for row in whole]
    best = min(float(row["val_nll"]) for row in history)
    assert torch.load(state / "last.pt", weights_only=True)["best"] == best
    assert model_file.load(tmp_path / "m.ckpt").sha256 == model_file.load(model).sha256


@pytest.fixture(scope="module")
def many(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slices as many files, with a point in each: enough to be stopped midway."""
    folder = tmp_path_factory.mktemp("many") / "scans"
    folder.mkdir()
    sources = sorted((data / "test" / "p1").glob("*.dcm"))
    for number in range(MANY):
        shutil.copy(sources[number % 2], folder / f"slice{number:03d}.dcm")
    (folder / "test.csv").write_text("filename,X,Y\n" + "".join(f"slice{number:03d},64,40\n" for number in range(MANY)))
    return folder


def begun(output: Path) -> Callable[[], bool]:
    return lambda: next(output.glob("**/*.png"), None) is not None


def test_scoring_stopped_at_any_moment_leaves_whole_files_and_starts_again(many: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = ["score", "--data", str(many), "--model", str(model), "--output", str(output), "--device", "cpu"]
    code, _ = stop_when([*DFD, *words], tmp_path, signal.SIGKILL, begun(output))
    assert code == -signal.SIGKILL
    assert not (output / "scores.csv").exists()
    shutil.rmtree(output)

    code, errors = stop_when([*DFD, *words], tmp_path, signal.SIGTERM, begun(output))
    assert (code, last_line(errors)) == (128 + signal.SIGTERM, "dfd: terminated; what was written so far is valid")
    check_partial(output)

    assert run([*words, "--no-images"]) == 0
    whole = rows(output / "scores.csv")
    assert [row["error"] for row in whole] == [""] * MANY
    assert len({(row["score"], row["p_value"]) for row in whole[::2]}) == len({(row["score"], row["p_value"]) for row in whole[1::2]}) == 1


def check_partial(output: Path) -> None:
    partial = rows(output / "scores.csv")
    assert len(partial) == MANY
    done = [row for row in partial if row["score"]]
    assert 0 < len(done) < MANY
    assert {row["error"] for row in partial if not row["score"]} == {"the run was stopped before this row was reached; run it again"}
    counts = json.loads((output / "run.json").read_text(encoding="utf-8"))["counts"]
    assert counts == {"rows": MANY, "scored": len(done), "not assessable": 0, "unreadable": MANY - len(done)}
    assert last_line((output / "run.log").read_text(encoding="utf-8")).endswith(" ERROR terminated; what was written so far is valid")


def test_the_bundle_command_ends_as_well_on_sigterm(many: Path, model: Path, tmp_path: Path) -> None:
    words = ["inference", "--config_file", "configs/inference.json", "--data_path", many, "--model_path", model, "--output_dir", tmp_path / "out"]
    code, errors = stop_when([*MONAI, *words], CT_BUNDLE, signal.SIGTERM, begun(tmp_path / "out"))
    assert (code, last_line(errors)) == (128 + signal.SIGTERM, "dfd: terminated; what was written so far is valid")
    assert "Traceback" not in errors
    check_partial(tmp_path / "out")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Call it with how many more files the disk takes."""
    fsync = os.fsync

    def fill(room: int) -> None:
        left = iter(range(room))

        def write(descriptor: int) -> None:
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", write)

    yield fill
    monkeypatch.setattr(os, "fsync", fsync)


def test_a_full_disk_stops_scoring_with_nothing_half_written(
    data: Path, model: Path, tmp_path: Path, full_disk: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    full_disk(1)
    assert run(["score", "--data", str(data / "test"), "--model", str(model), "--output", str(tmp_path / "out"), "--no-images"]) == 4
    message = last_line(capsys.readouterr().err)
    assert message == f"dfd: error: {tmp_path / 'out' / 'scores.csv'} cannot be written: the disk is full; free space or choose another output folder"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_stops_training_with_nothing_half_written(
    data: Path, tmp_path: Path, full_disk: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--data", str(data / "train"), "--model", str(tmp_path / "m.ckpt"), "--epochs", "1", "--device", "cpu"]
    full_disk(BEFORE_EPOCHS)
    assert run(words) == 4
    state = tmp_path / "m.ckpt.training"
    assert last_line(capsys.readouterr().err).startswith(f"dfd: error: {state / 'best.pt'} cannot be written: the disk is full;")
    assert [path.name for path in state.iterdir()] == ["scans.json"]
    assert not (tmp_path / "m.ckpt").exists()


def test_a_state_of_other_scans_is_not_resumed(data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / model.name
    shutil.copytree(f"{model}.training", f"{mine}.training")
    assert run(["train", "--data", str(data / "train" / "p1"), "--model", str(mine), "--device", "cpu"]) == 2
    assert last_line(capsys.readouterr().err).startswith(f"dfd: error: {mine}.training is the state of a run on other scans")
    assert not mine.exists()
