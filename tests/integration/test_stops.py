"""Killed, terminated, out of disk.

What is on the disk afterwards is whole, and the same command goes on or starts again.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import kills
from dfd.cli.entry import run
from dfd.models import model_file
from dfd.scoring.collected import NOT_REACHED
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
"""Kills a process while it writes its so manieth file: the bytes are in a temporary file, the name
is still the old one's."""
MANY = 24
BEFORE_EPOCHS, PER_EPOCH = 3, 3
"""Files that a training writes: two probes of folders and scans.json, then best.pt, history.csv and
last.pt in each epoch."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_training_killed_while_it_writes_a_checkpoint_ends_as_if_it_had_not_been(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "train",
        "--data",
        str(data / "train"),
        "--model",
        str(tmp_path / "m.ckpt"),
        "--epochs",
        str(TRAINING["epochs"]),
    ]
    words += ["--batch-size", str(TRAINING["batch_size"]), "--device", "cpu"]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        KILLED_IN_WRITE.format(number=BEFORE_EPOCHS + 2 * PER_EPOCH)
    )
    killed = finish([*DFD, *words], tmp_path, site=tmp_path / "site")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    state = tmp_path / "m.ckpt.training"
    assert not (tmp_path / "m.ckpt").exists()
    assert torch.load(state / "last.pt", weights_only=True)["epoch"] == 1

    assert run(words) == 0
    assert f"resumed from {state / 'last.pt'} after epoch 1" in capsys.readouterr().err
    history, whole = (
        rows(state / "history.csv"),
        rows(model.with_name(f"{model.name}.training") / "history.csv"),
    )
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
    (folder / "test.csv").write_text(
        "filename,X,Y\n" + "".join(f"slice{number:03d},64,40\n" for number in range(MANY))
    )
    return folder


def begun(output: Path) -> Callable[[], bool]:
    return lambda: next(output.glob("**/*.png"), None) is not None


def scoring(data: Path, model: Path, output: Path) -> list[str]:
    return [
        "score",
        "--data",
        str(data),
        "--model",
        str(model),
        "--output",
        str(output),
        "--device",
        "cpu",
    ]


@pytest.fixture(scope="module")
def whole(many: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results that nobody disturbed."""
    output = tmp_path_factory.mktemp("whole") / "out"
    assert run(scoring(many, model, output)) == 0
    return output


def test_a_run_killed_at_random_moments_ends_in_the_same_files(
    many: Path, model: Path, whole: Path, tmp_path: Path
) -> None:
    job = kills.Job(many, str(model))
    seconds = json.loads((whole / "run.json").read_text(encoding="utf-8"))["seconds"]
    finished = kills.kill_and_go_on(job, tmp_path / "out", 2, random.Random(3), seconds)
    assert finished == sorted(finished)
    assert kills.differences(tmp_path / "out", whole) == []


def test_numbers_survive_a_kill_and_the_same_command_goes_on(
    many: Path, model: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    words = scoring(many, model, output)
    code, _ = stop_when([*DFD, *words], tmp_path, signal.SIGKILL, begun(output))
    assert code == -signal.SIGKILL
    assert len(rows(output / "scores.csv")) == MANY
    finished = kills.rows_in_ledger(output)
    assert 0 < finished < MANY
    assert run(words) == 0
    assert f"the run in {output} goes on where it was stopped" in capsys.readouterr().err
    assert json.loads((output / "run.json").read_text(encoding="utf-8"))["rows_taken_over"] in (
        finished - 1,
        finished,
    )
    assert kills.differences(output, whole) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("early", [False, True])
def test_a_signal_leaves_whole_files_and_the_same_command_goes_on(
    many: Path, model: Path, whole: Path, tmp_path: Path, number: signal.Signals, early: bool
) -> None:
    output = tmp_path / "out"
    words = scoring(many, model, output)
    ready = (lambda: (output / "scores.csv").exists()) if early else begun(output)
    code, errors = stop_when([*DFD, *words], tmp_path, number, ready)
    told, expected = {
        signal.SIGTERM: ("terminated", 128 + signal.SIGTERM),
        signal.SIGINT: ("interrupted", 128 + signal.SIGINT),
    }[number]
    assert (code, last_line(errors)) == (expected, f"dfd: {told}; what was written so far is valid")
    assert not [
        word for word in ("Engine run", "no slice could be read", "Traceback") if word in errors
    ]
    missing = check_partial(output, told, early)
    assert (
        f"{missing} of {MANY} rows were not reached; to go on, run the same command again "
        f"with {output} as its output folder"
    ) in errors
    if not early:
        assert run(words) == 0
        assert kills.differences(output, whole) == []


def test_a_parent_that_blocks_sigterm_does_not_keep_the_run_from_ending(
    many: Path, model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        code, _ = stop_when(
            [*DFD, *scoring(many, model, output)],
            tmp_path,
            signal.SIGTERM,
            lambda: (output / "scores.csv").exists(),
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert code == 128 + signal.SIGTERM


def check_partial(output: Path, told: str, early: bool = False) -> int:
    """Gives how many rows were not reached."""
    partial = rows(output / "scores.csv")
    assert len(partial) == MANY
    done = [row for row in partial if row["score"]]
    assert early or 0 < len(done) < MANY
    assert {(row["verdict"], row["error"]) for row in partial if not row["score"]} == {
        ("not reached", NOT_REACHED)
    }
    counts = json.loads((output / "run.json").read_text(encoding="utf-8"))["counts"]
    missing = MANY - len(done)
    assert counts == {
        "rows": MANY,
        "scored": len(done),
        "not assessable": 0,
        "unreadable": 0,
        "not reached": missing,
    }
    assert last_line((output / "run.log").read_text(encoding="utf-8")).endswith(
        f" ERROR {told}; what was written so far is valid"
    )
    return missing


def test_the_bundle_command_ends_as_well_on_sigterm_and_goes_on_in_any_form(
    many: Path, model: Path, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    words = [
        "inference",
        "--config_file",
        "configs/inference.json",
        "--data_path",
        many,
        "--model_path",
        model,
        "--output_dir",
        output,
    ]
    code, errors = stop_when([*MONAI, *words], CT_BUNDLE, signal.SIGTERM, begun(output))
    assert (code, last_line(errors)) == (
        128 + signal.SIGTERM,
        "dfd: terminated; what was written so far is valid",
    )
    assert not [
        word for word in ("Engine run", "no slice could be read", "Traceback") if word in errors
    ]
    missing = check_partial(output, "terminated")
    assert (
        run(
            [
                "-mode",
                "Test",
                "-model_path",
                str(model),
                "-data_path",
                str(many),
                "-output_dir",
                str(output),
                "-device",
                "cpu",
            ]
        )
        == 0
    )
    assert (
        json.loads((output / "run.json").read_text(encoding="utf-8"))["rows_taken_over"]
        >= MANY - missing - 1
    )
    assert kills.differences(output, whole) == []


def test_two_runs_do_not_mix_in_one_folder(
    many: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    words = scoring(many, model, output)
    told = []

    def second() -> bool:
        if begun(output)():
            told.append(run([*words, "--no-images", "--no-report"]))
        return bool(told)

    stop_when([*DFD, *words], tmp_path, signal.SIGTERM, second)
    assert told == [2]
    message = last_line(capsys.readouterr().err)
    assert message.startswith(f"dfd: error: {output} is in use by another run since 20")
    assert message.endswith("; wait until it has ended, or choose another output folder")


def test_two_trainings_do_not_mix_in_one_model(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "train",
        "--data",
        str(data / "train"),
        "--model",
        str(tmp_path / "m.ckpt"),
        "--epochs",
        "50",
        "--batch-size",
        "4",
        "--device",
        "cpu",
    ]
    state, told = tmp_path / "m.ckpt.training", []

    def second() -> bool:
        if (state / "last.pt").exists():
            told.append(run(words))
        return bool(told)

    code, errors = stop_when([*DFD, *words], tmp_path, signal.SIGTERM, second)
    assert (code, told) == (128 + signal.SIGTERM, [2])
    assert "Engine run" not in errors
    message = last_line(capsys.readouterr().err)
    assert message.startswith(f"dfd: error: {state} is in use by another run since 20")
    assert message.endswith("; wait until it has ended, or train into another file")
    assert sorted(path.name for path in state.iterdir()) == [
        "best.pt",
        "history.csv",
        "last.pt",
        "scans.json",
    ]


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
    data: Path,
    model: Path,
    tmp_path: Path,
    full_disk: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    full_disk(1)
    assert (
        run(
            [
                "score",
                "--data",
                str(data / "test"),
                "--model",
                str(model),
                "--output",
                str(tmp_path / "out"),
                "--no-images",
            ]
        )
        == 4
    )
    message = last_line(capsys.readouterr().err)
    assert message == (
        f"dfd: error: {tmp_path / 'out' / 'scores.csv'} cannot be written: the disk is full; "
        "free space or choose another output folder"
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def two_megabytes(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", place], capture_output=True, check=True)


def test_on_a_small_disk_scores_are_complete_and_pictures_are_left_out(
    many: Path, model: Path, whole: Path, two_megabytes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = two_megabytes / "out"
    words = scoring(many, model, output)
    assert run(words) == 4
    message = last_line(capsys.readouterr().err)
    assert message.startswith("dfd: error: the disk is full: ")
    assert "while scores.csv is complete; make room and run the same command again" in message
    record = json.loads((output / "run.json").read_text(encoding="utf-8"))
    assert record["counts"]["scored"] == MANY
    pictures = list(output.glob("overlay-*.png"))
    assert record["files_left_out"] == MANY - len(pictures) + 1
    for path in [output / "scores.csv", *pictures]:
        assert path.read_bytes() == (whole / path.name).read_bytes()
    assert not (output / "report.html").exists()

    subprocess.run(["mount", "-o", "remount,size=100m", two_megabytes], check=True)
    assert run(words) == 0
    assert kills.differences(output, whole) == []


def test_a_full_disk_stops_training_with_nothing_half_written(
    data: Path, tmp_path: Path, full_disk: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "train",
        "--data",
        str(data / "train"),
        "--model",
        str(tmp_path / "m.ckpt"),
        "--epochs",
        "1",
        "--device",
        "cpu",
    ]
    full_disk(BEFORE_EPOCHS)
    assert run(words) == 4
    state = tmp_path / "m.ckpt.training"
    assert last_line(capsys.readouterr().err).startswith(
        f"dfd: error: {state / 'best.pt'} cannot be written: the disk is full;"
    )
    assert [path.name for path in state.iterdir()] == ["scans.json"]
    assert not (tmp_path / "m.ckpt").exists()


def test_a_state_of_other_scans_is_not_resumed(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / model.name
    shutil.copytree(f"{model}.training", f"{mine}.training")
    assert (
        run(
            ["train", "--data", str(data / "train" / "p1"), "--model", str(mine), "--device", "cpu"]
        )
        == 2
    )
    assert last_line(capsys.readouterr().err).startswith(
        f"dfd: error: {mine}.training is the state of a run on other scans"
    )
    assert not mine.exists()
