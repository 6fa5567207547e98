"""Misspelt flags and devices that are not there are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from dfd.bundle.checks import device_of, refuse_unknown_flags
from dfd.errors import BundleError, UsageError


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "configs").mkdir()
    content = {
        "max_epochs": 1,
        "data_path": "x",
        "train": {"trainer": {"_target_": "Trainer", "max_epochs": 2}, "handlers": [{"a": 1}]},
    }
    (tmp_path / "configs" / "train.json").write_text(json.dumps(content))
    return str(tmp_path)


def run_as_monai(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(
        sys, "argv", ["/somewhere/monai/bundle/__main__.py", "run", "training", *words]
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--max_epochs", "3", "--data_path=here", "--config_file", "c.json"],
        ["--train#trainer#max_epochs", "3"],
        ["--train::trainer::max_epochs=3"],
        ["--train#handlers#0#a", "2"],
        ["--data_path", "folder--with--dashes", "plain"],
        [],
    ],
)
def test_known_keys_pass(monkeypatch: pytest.MonkeyPatch, root: str, words: list[str]) -> None:
    run_as_monai(monkeypatch, *words)
    refuse_unknown_flags(root, "train")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "--max_epoch",
            r"--max_epoch is no key of configs/train\.json; did you mean --max_epochs\?",
        ),
        ("--zzzzzz=3", r"--zzzzzz is no key of configs/train\.json$"),
        ("--train#nothing", "--train#nothing is no key"),
        ("--train#handlers#7", "--train#handlers#7 is no key"),
    ],
)
def test_unknown_keys_are_refused(
    monkeypatch: pytest.MonkeyPatch, root: str, word: str, message: str
) -> None:
    run_as_monai(monkeypatch, word, "3")
    with pytest.raises(UsageError, match=message):
        refuse_unknown_flags(root, "train")


def test_keys_of_an_arguments_file_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    arguments = Path(root) / "args.json"
    arguments.write_text(json.dumps({"max_epoch": 3}))
    run_as_monai(monkeypatch, "--args_file", str(arguments))
    with pytest.raises(UsageError, match="--max_epoch is no key"):
        refuse_unknown_flags(root, "train")


def test_other_programs_are_not_looked_at(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "--never-heard-of"])
    refuse_unknown_flags(root, "train")


def test_devices_that_are_there() -> None:
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cpu:", "meta", "mps"])
def test_devices_that_do_not_exist(name: str) -> None:
    with pytest.raises(BundleError, match=r"there is no device .*; use auto, cpu, cuda or cuda:N"):
        device_of(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:3"])
def test_cuda_without_a_card_is_an_error_and_not_the_processor(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BundleError, match="no CUDA device can be used here"):
        device_of(name)
    assert device_of("auto") == torch.device("cpu")


def test_auto_takes_the_first_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == torch.device("cuda:0")
