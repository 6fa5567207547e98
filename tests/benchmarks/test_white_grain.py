"""Copies where neighbouring pixels are independent: interpolation keeps little of z there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from benchmarks.models import registry
from dfd.evidence import copy_move
from dfd.evidence.copy_transforms import Transform, back_matrices, parameters_of
from dfd.modalities import MODALITIES
from dfd.phantom import draw_anatomy
from dfd.phantom.ct import WATER_PER_MM, CtScan, project, reconstruct
from dfd.prediction.masks import disk
from dfd.prediction.predict import predict_slice
from dfd.records import FloatImage, Prediction, Region

CT = MODALITIES["ct_lung"]
NOISE_HU, COPY_PX, REGION_PX = 3.0, 16.0, 12.0
APART_PX = 45.0
LEAST_SHARE = 0.7
"""Of the copies; a plain geometric mean of both correlations reaches 0.56 of the hardest two."""
SLICES, COPIES, GENUINE = (4, 5, 6, 7, 8, 9), 3, 24


@dataclass
class Slice:
    """A phantom with white noise."""

    pixels: FloatImage
    prediction: Prediction
    network: torch.nn.Module
    rng: np.random.Generator

    def places(self, count: int, apart: float) -> NDArray[np.float64]:
        """``[count, 2]`` (row, column) within the body."""
        inside = np.argwhere(distance_transform_edt(self.prediction.assessed) > 20.0)
        chosen: list[NDArray[np.int64]] = []
        for each in self.rng.permutation(inside):
            if all(np.hypot(*(each - other)) >= apart for other in chosen):
                chosen.append(each)
            if len(chosen) == count:
                break
        return np.array(chosen, dtype=np.float64)

    def statistics(
        self, places: NDArray[np.float64], prediction: Prediction
    ) -> NDArray[np.float64]:
        regions = [Region(x, y, REGION_PX) for y, x in places.tolist()]
        return copy_move.find_copies(
            regions, copy_move.prepare(prediction, REGION_PX, CT)
        ).statistics


@pytest.fixture(scope="module")
def slices() -> list[Slice]:
    network = registry.load(None, CT.name).network
    made = []
    for seed in SLICES:
        rng, scan = np.random.default_rng(seed), CtScan(size=256)
        anatomy = draw_anatomy(rng)
        exact = reconstruct(project(anatomy.section(-20.0), anatomy.hu, scan), scan)
        hu = 1000.0 * (exact / WATER_PER_MM - 1.0)
        pixels = np.rint(hu + rng.normal(0.0, NOISE_HU, hu.shape)).astype(np.float32)
        made.append(Slice(pixels, predict_slice(pixels, network, CT), network, rng))
    return made


@pytest.fixture(scope="module")
def limit(slices: list[Slice]) -> float:
    """What 95 % of genuine places stay below."""
    values = [each.statistics(each.places(GENUINE, 0.0), each.prediction) for each in slices]
    return float(np.nanquantile(np.concatenate(values), 0.95))


def of_copies(slice_: Slice, transform: Transform) -> NDArray[np.float64]:
    """Statistics of some copies, each taken from its source by ``transform``."""
    places = slice_.places(2 * COPIES, APART_PX)
    back = np.linalg.inv(back_matrices(parameters_of((transform,)))[0].numpy())
    exact = np.allclose(back, np.rint(back))
    pixels = slice_.pixels.copy()
    for middle, source in zip(places[::2], places[1::2], strict=True):
        mask = disk(*pixels.shape, (middle[1], middle[0]), COPY_PX)
        steps = np.argwhere(mask).T - middle[:, None]
        there = source[:, None] + back @ steps
        pixels[mask] = np.rint(map_coordinates(slice_.pixels, there, order=0 if exact else 3))
    return slice_.statistics(places[::2], predict_slice(pixels, slice_.network, CT))


@pytest.mark.parametrize(
    "transform",
    [
        Transform(),
        Transform(True),
        Transform(False, 25.0),
        Transform(False, 0.0, 0.85),
        Transform(True, 40.0, 1.1),
        Transform(False, -130.0, 1.18),
    ],
)
def test_copies_stand_out(slices: list[Slice], limit: float, transform: Transform) -> None:
    for number, each in enumerate(slices):
        each.rng = np.random.default_rng(100 + number)
    values = np.concatenate([of_copies(each, transform) for each in slices])
    assert (values > limit).mean() >= LEAST_SHARE
