"""The benchmark of a GPU, in small on the CPU."""

from __future__ import annotations

import pytest
import torch

from benchmarks.speed import gpu, workload
from dfd.errors import UsageError


def test_without_a_cuda_device_it_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="there is no CUDA device here"):
        gpu.device_named("cuda")
    assert gpu.device_named("cpu").type == "cpu"


def test_the_cpu_lies_where_the_cpu_lies(tmp_path, monkeypatch):
    monkeypatch.delenv("DFD_DATA", raising=False)
    monkeypatch.setattr(workload, "SIDE", 128)
    result = gpu.measured(tmp_path, torch.device("cpu"), quick=True)
    families = result["drift"]
    assert {"noise", "copy_move", "texture"} <= set(families)
    assert all(each["largest"] <= 1e-6 and each["places"] > 10 for each in families.values())
    assert result["slices per second"]["1"] > 0.0
    content = {"device": "the CPU", "material": "phantoms", **result}
    assert "| noise |" in gpu.markdown(content)


def test_another_network_lies_elsewhere(tmp_path, monkeypatch):
    """The comparison sees a network whose answers are a thousandth off."""
    monkeypatch.delenv("DFD_DATA", raising=False)
    monkeypatch.setattr(workload, "SIDE", 128)
    file = next((workload.study(tmp_path, 1, 0) / "p1").iterdir())
    network = gpu.registry.load(None, gpu.MODALITY).network
    cpu = torch.device("cpu")

    def off(image):
        return network(image) * 1.01

    off.statistic = network.statistic
    one, other = gpu.Screener(network, cpu), gpu.Screener(off, cpu)
    assert gpu.drift([file], one, other)["noise"]["beyond"] > 10
