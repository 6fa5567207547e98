"""Leave-one-out prediction of a batch, and the maps of what it leaves unexplained."""

from __future__ import annotations

import numpy as np
import torch

from dfd.prediction.residual_maps import LARGEST_Z, MAPS, blind_spot_prediction, residual_maps


def neighbours(shown: torch.Tensor) -> torch.Tensor:
    """Mean of the visible pixels of a 3 x 3 neighbourhood, spread 1."""
    pixels, seen = shown[:, :1], 1 - shown[:, 1:]
    pooled = torch.nn.functional.avg_pool2d(
        pixels * seen, 3, 1, 1
    ) / torch.nn.functional.avg_pool2d(seen, 3, 1, 1).clamp_min(1e-3)
    return torch.cat([pooled, torch.zeros_like(pooled)], dim=1)


def test_no_pixel_is_seen_by_its_own_prediction() -> None:
    pixels = torch.randn(2, 1, 20, 22)
    changed = pixels.clone()
    changed[0, 0, 7, 9] += 100.0
    before, after = (
        blind_spot_prediction(pixels, neighbours)[0],
        blind_spot_prediction(changed, neighbours)[0],
    )
    assert before[0, 0, 7, 9] == after[0, 0, 7, 9]
    assert (before[0, 0, 6:9, 8:11] != after[0, 0, 6:9, 8:11]).sum() == 8
    assert torch.equal(before[1], after[1])


def test_maps_by_hand() -> None:
    pixels = torch.zeros(1, 1, 9, 9)
    pixels[0, 0, 4, 4] = 3.0
    maps = residual_maps(
        pixels, torch.ones_like(pixels), torch.full_like(pixels, float(np.log(2.0)))
    )
    assert maps.shape == (1, len(MAPS), 9, 9)
    z = (3.0 - 1.0) / 2.0
    assert np.isclose(maps[0, 0, 4, 4], 0.5 * z)
    assert np.isclose(maps[0, 1, 4, 4], np.log(z + 0.1) + 0.8)
    assert np.isclose(maps[0, 2, 4, 4], np.arcsinh(4 * 3.0 / 6.0), atol=1e-6)
    assert np.isclose(maps[0, 3, 4, 4], 0.5 * np.arcsinh(4 * 3.0 / 6.0 / 2.0), atol=1e-6)
    assert np.isclose(maps[0, 4, 4, 4], np.log(2.0) + 0.5)


def test_a_plane_has_no_second_difference() -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    plane = (2 * rows - columns)[None, None]
    maps = residual_maps(plane, plane, torch.zeros_like(plane))
    assert maps[0, 2, 1:-1, 1:-1].abs().max() < 1e-5


def test_one_wild_pixel_is_cut() -> None:
    pixels = torch.zeros(1, 1, 8, 8)
    pixels[0, 0, 3, 3] = 1e6
    maps = residual_maps(pixels, torch.zeros_like(pixels), torch.zeros_like(pixels))
    assert maps[0, 0].max() == 0.5 * LARGEST_Z
    assert torch.isfinite(maps).all()
