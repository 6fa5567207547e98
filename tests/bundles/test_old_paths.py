"""Bundles that version 0.1 wrote name parts of dfd by old paths: these work, with a warning."""

from __future__ import annotations

import importlib
import logging
import re
from pathlib import Path

import pytest

from dfd.bundle import old_paths

CONFIGS = sorted((Path(__file__).parent / "version_0_1").rglob("*.json"))
TARGET = re.compile(r'"_target_": "(dfd\.[\w.]+)"')
IMPORT = re.compile(r"\$import (dfd\.[\w.]+) as (\w+)")


def named(config: Path) -> set[tuple[str, str]]:
    """(module, name) of every part of dfd that a config names."""
    text = config.read_text(encoding="utf-8")
    parts = {tuple(target.rsplit(".", 1)) for target in TARGET.findall(text)}
    for module, alias in IMPORT.findall(text):
        parts |= {(module, name) for name in re.findall(rf"(?<![\w.]){alias}\.(\w+)", text)}
    return parts  # type: ignore[return-value]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_name_of_an_old_config_is_found(config: Path) -> None:
    for module, name in named(config):
        assert getattr(importlib.import_module(module), name) is not None


def test_old_configs_name_old_modules() -> None:
    modules = {module for config in CONFIGS for module, _ in named(config)}
    assert modules & old_paths.MODULES.keys() == old_paths.MODULES.keys()


def test_it_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(old_paths, "_warned", [])
    with caplog.at_level(logging.WARNING, "dfd"):
        for name in ("ProgressBar", "TrainingJournal"):
            old_paths.moved("dfd.bundle.training", name)
    (record,) = caplog.records
    assert "will not with the next release" in record.getMessage()


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        old_paths.moved("dfd.bundle.items", "nothing")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("dfd.bundle.never_there")
