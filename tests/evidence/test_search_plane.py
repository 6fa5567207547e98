"""Which places of a slice a template can be compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter

from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.search_plane import REACH_PX, residual_window, search_plane
from dfd.evidence.window_features import SUPPORT


@pytest.mark.parametrize("radius", [6.9, 8.5])
def test_a_disk_of_which_just_the_share_is_measured_counts(
    rng: np.random.Generator, radius: float
) -> None:
    valid = gaussian_filter(rng.normal(size=(120, 130)), 6.0) > 0.0
    valid[0], valid[-1], valid[:, 0], valid[:, -1] = True, True, True, True
    planes = torch.from_numpy(rng.normal(size=(2, *valid.shape)))
    plane = search_plane(residual_window(planes, torch.from_numpy(valid)), radius)

    offsets = disk_offsets(radius)
    disk = np.zeros((2 * REACH_PX + 1,) * 2, dtype=np.int64)
    disk[tuple((offsets + REACH_PX).T)] = 1
    counts = convolve(valid.astype(np.int64), disk, mode="constant")
    share = round(SUPPORT * len(offsets))
    assert share == pytest.approx(SUPPORT * len(offsets))
    assert ((counts == share) & valid).sum() > 20
    np.testing.assert_array_equal((plane.terms.weight > 0).numpy(), (counts >= share) & valid)
