"""One process for each GPU, and each on its own; a stand-in counts the GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dfd.repository import gpus, work
from dfd.settings import ScreenSettings


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "version", lambda _: "2.13.0+cu130")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def settings(**changed: object) -> ScreenSettings:
    return ScreenSettings(Path("scans"), Path("out"), **changed)  # type: ignore[arg-type]


@pytest.mark.usefixtures("four")
def test_there_are_as_many_workers_as_gpus_unless_said_otherwise() -> None:
    cores = work.cores_here()
    assert work.workers_for(settings()) == 4
    assert work.workers_for(settings(device="cuda")) == 4
    assert work.workers_for(settings(device="cuda", workers=8)) == 8
    assert work.workers_for(settings(device="cpu")) == cores
    assert work.workers_for(settings(device="cuda:1")) == 1


@pytest.mark.usefixtures("four")
def test_each_worker_has_its_gpu() -> None:
    devices = [gpus.device_for("cuda", worker) for worker in range(8)]
    assert devices == [f"cuda:{number}" for number in (0, 1, 2, 3, 0, 1, 2, 3)]
    assert gpus.device_for("auto", 2) == "cuda:2"
    assert gpus.device_for("cpu", 2) == "cpu"
    assert gpus.device_for("cuda:3", 2) == "cuda:3"
    assert gpus.device_for("cuda", "tcp://10.0.0.1:4000") == "cuda"


@pytest.mark.parametrize(("build", "count"), [("2.13.0+cpu", 4), ("2.13.0", 0)])
def test_without_gpus_workers_are_those_of_the_processors(
    build: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "version", lambda _: build)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert work.workers_for(settings(device="auto")) == work.cores_here()
    # What is asked for and not there is an error of the worker that says so.
    assert gpus.device_for("cuda", 0) == "cuda"
