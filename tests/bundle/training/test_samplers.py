"""What an epoch draws hangs on its seed alone; slices of fixed crops are decoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader

from dfd.bundle.batches import stacked
from dfd.bundle.training.crops import HideCropd
from dfd.bundle.training.samplers import DrawnCrops, FixedCrops, WeightedDraws


def slices(count: int = 4) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {
            "pixels": rng.normal(4, 1, (32, 32)).astype(np.float32),
            "measured": np.ones((32, 32), bool),
        }
        for _ in range(count)
    ]


def epoch(seed: int, workers: int = 0) -> list[dict[str, np.ndarray]]:
    sampler = WeightedDraws([1.0, 2.0, 3.0, 1.0], num_samples=6)
    sampler.generator.manual_seed(seed)
    crops = DrawnCrops(slices(), HideCropd(size=16, varied=True))
    return list(
        DataLoader(crops, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=stacked)
    )


def same(one: list[dict[str, np.ndarray]], two: list[dict[str, np.ndarray]]) -> bool:
    return all(
        np.array_equal(left[key], right[key])
        for left, right in zip(one, two, strict=True)
        for key in left
    )


def test_an_epoch_hangs_on_its_seed_alone() -> None:
    first = epoch(5)
    assert [batch["image"].shape for batch in first] == [(2, 2, 16, 16)] * 3
    torch.manual_seed(99)  # what anything else has drawn does not matter
    assert same(first, epoch(5))
    assert same(first, epoch(5, workers=2))
    assert not same(first, epoch(6))


def test_drawing_leaves_torchs_own_generator_alone() -> None:
    sampler = WeightedDraws([1.0, 2.0], num_samples=50)
    before = torch.get_rng_state()
    pairs = list(sampler)
    assert torch.equal(torch.get_rng_state(), before)
    assert len({seed for _, seed in pairs}) == 50
    assert list(sampler) != pairs


def test_slices_are_drawn_by_weight() -> None:
    counts = Counter(place for place, _ in WeightedDraws([1.0, 0.0, 3.0], num_samples=4000))
    assert counts[1] == 0
    assert counts[2] / counts[0] == pytest.approx(3.0, rel=0.15)


def test_fixed_crops_decode_each_slice_once() -> None:
    files = ["a", "b", "a", "a", "b"]
    frames = [0, 0, 0, 1, 0]
    items = [
        {"image": file, "frame": frame, "draw": draw}
        for draw, (file, frame) in enumerate(zip(files, frames, strict=True))
    ]
    read = slices(3)
    decoded: list[tuple[str, int]] = []

    def transform(item: Mapping[str, Any]) -> Mapping[Any, Any]:
        decoded.append((item["image"], item["frame"]))
        return {**read[len(decoded) - 1], "draw": item["draw"]}

    hide = HideCropd(size=16)
    crops = FixedCrops(items, transform, hide)
    assert decoded == [("a", 0), ("b", 0), ("a", 1)]
    assert len(crops) == 5
    for number, source in enumerate([0, 1, 0, 2, 1]):
        expected = hide({**read[source], "draw": number})
        assert all(torch.equal(crops[number][key], expected[key]) for key in expected)
