"""The network of BTD at its published size."""

from __future__ import annotations

import torch

from benchmarks.baselines.diffusion_unet import SIDE, DiffusionUNet

PUBLISHED_WEIGHTS = 9_196_161
"""Of denoising-diffusion-pytorch's Unet(dim=32, dim_mults=(1, 2, 4, 8), channels=1)."""


def test_it_has_as_many_weights_as_the_published_one():
    weights = sum(weight.numel() for weight in DiffusionUNet().parameters())
    assert weights == PUBLISHED_WEIGHTS


def test_it_gives_noise_in_the_shape_of_the_patch_that_depends_on_the_step():
    with torch.inference_mode():
        noise = DiffusionUNet().eval()(torch.zeros(2, 1, SIDE, SIDE), torch.tensor([0, 999]))
    assert noise.shape == (2, 1, SIDE, SIDE)
    assert not torch.allclose(noise[0], noise[1], atol=1e-3)
