"""The entry point ``python -m monai.bundle run``.

The real process is opened in ``tests/integration``.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfd.cli import runner
from dfd.errors import InterruptedRunError, UsageError

MONAI = "/somewhere/monai/bundle/__main__.py"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    hook, handler = sys.excepthook, signal.getsignal(signal.SIGTERM)
    dropped = sys.unraisablehook
    yield
    sys.excepthook = hook
    sys.unraisablehook = dropped
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "configs").mkdir()
    content = {
        "epochs": 3,
        "train": {"trainer": {"_target_": "Trainer", "max_epochs": 1}, "list": [{"rate": 1}]},
        "network": "$1",
    }
    (tmp_path / "configs" / "train.json").write_text(json.dumps(content))
    return str(tmp_path)


def call(monkeypatch: pytest.MonkeyPatch, root: str, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [MONAI, "run", "training", *words])
    runner.enter(root, "train")


@pytest.mark.parametrize(
    "words",
    [
        ("--epochs", "4"),
        ("--epochs=4", "--config_file", "configs/train.json"),
        ("-epochs", "-4"),
        ("--train#trainer#max_epochs", "2"),
        ("--train::list::0::rate", "2"),
        ("--train#trainer#an_argument_it_may_have", "2"),
    ],
)
def test_keys_of_the_configuration_may_be_set(
    monkeypatch: pytest.MonkeyPatch, root: str, words: tuple[str, ...]
) -> None:
    call(monkeypatch, root, *words)


@pytest.mark.parametrize(
    "word",
    [
        "--epoch",
        "-epoch",
        "--train#trainr#max_epochs",
        "--train#list#1#rate",
        "--network#channels",
        "--train#lists",
    ],
)
def test_other_keys_may_not(monkeypatch: pytest.MonkeyPatch, root: str, word: str) -> None:
    with pytest.raises(UsageError, match=f"^--{word.lstrip('-')} is no key of configs/train.json"):
        call(monkeypatch, root, word, "4")


def test_nor_by_an_args_file(monkeypatch: pytest.MonkeyPatch, root: str, tmp_path: Path) -> None:
    (tmp_path / "args.json").write_text('{"config_file": "configs/train.json", "epoch": 4}')
    with pytest.raises(
        UsageError, match=r"--epoch is no key of configs/train\.json; did you mean --epochs\?"
    ):
        call(monkeypatch, root, "--args_file", str(tmp_path / "args.json"))


def test_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/server", "--epoch", "4"])
    before = sys.excepthook, signal.getsignal(signal.SIGTERM)
    runner.enter(root, "train")
    assert (sys.excepthook, signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("no such flag"), 2), (InterruptedRunError("no time left"), 4)]
)
def test_an_error_ends_in_one_line_and_its_code(
    monkeypatch: pytest.MonkeyPatch,
    root: str,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
) -> None:
    call(monkeypatch, root)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    wrapper = RuntimeError("Failed to evaluate")
    wrapper.__cause__ = error
    with pytest.raises(SystemExit) as ended:
        sys.excepthook(RuntimeError, wrapper, None)
    assert ended.value.code == code
    assert capfd.readouterr().err == f"dfd: error: {error}\n"


def test_a_fault_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, root: str, capfd: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, root)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    with pytest.raises(SystemExit) as ended:
        sys.excepthook(ZeroDivisionError, ZeroDivisionError("by zero"), None)
    assert ended.value.code == 1
    assert (
        "ZeroDivisionError: by zero\ndfd: error: a fault of this program" in capfd.readouterr().err
    )
