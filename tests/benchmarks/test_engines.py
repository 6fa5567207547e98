"""Other ways to run the same weights give the same numbers, or nearly so in fewer bits."""

from __future__ import annotations

import pytest
import torch

from benchmarks.speed import engines
from dfd.prediction.masks import lattice
from tests.bundle.training.test_finalize import small_network


def lattice_input(height, width):
    hidden = torch.from_numpy(lattice(height, width, 0)).float()
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(height, width, generator=generator)
    return torch.stack([image * (1.0 - hidden), hidden])[None]


def test_plain_ways_give_the_same(tmp_path):
    network, image = small_network().eval(), lattice_input(32, 48)
    with torch.inference_mode():
        expected = network(image)
        assert torch.allclose(engines.channels_last(network)(image), expected, atol=1e-5)
        assert torch.allclose(engines.bfloat16(network)(image), expected, atol=0.5)
    assert {"torch float32", "torch bfloat16"} <= set(engines.engines(network, tmp_path))


@pytest.mark.parametrize(
    ("make", "library", "tolerance"),
    [
        (engines.onnx_session, "onnxruntime", 1e-4),
        (engines.int8_session, "onnxruntime", 0.5),
        (engines.openvino_session, "openvino", 1e-4),
        (engines.openvino_int8_session, "nncf", 0.5),
    ],
)
def test_exported_networks_give_the_same_for_every_size(tmp_path, make, library, tolerance):
    pytest.importorskip("onnx")
    pytest.importorskip(library)
    network = small_network().eval()
    run = engines.Exported(network, tmp_path, make)
    with torch.inference_mode():
        for side in (32, 48):
            image = lattice_input(32, side)
            assert torch.allclose(run(image), network(image), atol=tolerance)
