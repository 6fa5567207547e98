"""The scheme of PatchCore on the masked predictor.

Is there anything in genuine slices that looks, to the network, like this place?

Roth, Pemula, Zepeda, Schoelkopf, Brox, Gehler 2022, Towards Total Recall in Industrial Anomaly
Detection, CVPR, section 3: locally averaged features of several depths, a greedy coreset of those
of genuine images, and the distance to the nearest. Ours differs: the features are of our own
network, each is divided by its deviation (that network has no norm), and the largest distance is
not reweighted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from benchmarks.baselines import state
from benchmarks.baselines.base import Centre, SliceView
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training.crops import normalised
from dfd.errors import UsageError
from dfd.intensity import body_mask
from dfd.modalities import Modality
from dfd.prediction.predict import window_of
from dfd.records import BoolImage, FloatImage

SOURCE = "after Roth et al. 2022, PatchCore, CVPR, section 3"
STATE = "patchcore"
LEVELS = 3
"""Depths of the encoder whose features are joined: all but the bottom."""
CELL_PX = 4
"""Side of the cells in which features are compared: the stride of the middle depth."""
LOCAL = 3
"""Cells along each side over which features are averaged (section 3.1)."""
PER_SLICE = 200
"""Cells of a genuine slice that may come into the memory."""
CANDIDATES, MEMORY_SIZE = 16_000, 2_000
"""Of which so many are kept: an eighth, within the paper's 1 to 25 %."""
PROJECTED = 32
"""Dimensions of the random projection in which the coreset is sought (section 3.2)."""
VALID_SHARE = 0.5
"""Of a cell's pixels that must be measured and of the body."""


def _encoder(network: MaskedPredictor) -> list[nn.Module]:
    """The first layer of each depth of MONAI's U-Net.

    Its model holds (down, skip around the next depth, up).
    """
    layers, model = [], network.backbone.model
    for _ in range(LEVELS):
        layers.append(model[0])
        model = model[1].submodule
    return layers


def features(shown: FloatImage, network: MaskedPredictor) -> torch.Tensor:
    """Features ``[C, h, w]`` in cells of ``CELL_PX`` of a slice ``[H, W]``.

    The slice is in units of its noise, and no pixel of it is hidden.
    """
    outputs: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, output: outputs.append(output))
        for layer in _encoder(network)
    ]
    try:
        image = torch.from_numpy(np.ascontiguousarray(shown))
        with torch.inference_mode():
            network(torch.stack([image, torch.zeros_like(image)])[None])
    finally:
        for hook in hooks:
            hook.remove()
    size = (-(-shown.shape[0] // CELL_PX), -(-shown.shape[1] // CELL_PX))
    levels = []
    for number, level in enumerate(outputs):
        side = 2 ** (number + 1)
        level = functional.avg_pool2d(level, LOCAL, 1, LOCAL // 2, count_include_pad=False)
        level = functional.avg_pool2d(level, CELL_PX // side) if side < CELL_PX else level
        level = (
            functional.interpolate(level, scale_factor=float(side // CELL_PX), mode="bilinear")
            if side > CELL_PX
            else level
        )
        levels.append(level[0, :, : size[0], : size[1]].float())
    return torch.cat(levels)


def _valid_cells(valid: BoolImage) -> NDArray[np.bool_]:
    """``[h, w]``: cells of which at least ``VALID_SHARE`` is valid."""
    pad = [(0, -side % CELL_PX) for side in valid.shape]
    padded = np.pad(valid, pad)
    shares = padded.reshape(padded.shape[0] // CELL_PX, CELL_PX, -1, CELL_PX).mean(axis=(1, 3))
    return np.asarray(shares >= VALID_SHARE)


def fit(
    slices: Iterable[FloatImage],
    network: MaskedPredictor,
    modality: Modality,
    rng: np.random.Generator,
) -> Mapping[str, Any]:
    """The memory of genuine ``slices`` (``[H, W]`` each, in HU or stored units).

    The content is that of ``state.save``.
    """
    vectors = []
    for pixels in slices:
        shown, measured, _ = normalised(pixels, modality.name)
        valid = measured & body_mask(pixels, measured, modality)
        if not valid.any():
            continue
        window = window_of(valid)
        cells = torch.from_numpy(np.argwhere(_valid_cells(valid[window])))
        sample = cells[torch.from_numpy(rng.permutation(len(cells))[:PER_SLICE])]
        vectors.append(features(shown[window], network)[:, sample[:, 0], sample[:, 1]].T)
    pool = torch.cat(vectors)
    pool = pool[torch.from_numpy(rng.permutation(len(pool))[:CANDIDATES])]
    deviation = pool.std(dim=0).clamp_min(1e-6)
    pool = pool / deviation
    memory = pool[coreset(pool, min(MEMORY_SIZE, len(pool)), rng)]
    return {"memory": memory.clone(), "deviation": deviation, "network": digest(network)}


def coreset(pool: torch.Tensor, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Indices ``[count]`` of vectors ``[n, d]``, each the farthest from those before it.

    Algorithm 1 of the paper, in a random projection.
    """
    projection = torch.from_numpy(
        rng.normal(size=(pool.shape[1], min(PROJECTED, pool.shape[1]))).astype(np.float32)
    )
    points = pool @ projection
    indices = [int(rng.integers(len(points)))]
    away = ((points - points[indices[0]]) ** 2).sum(dim=1)
    for _ in range(count - 1):
        indices.append(int(away.argmax()))
        away = torch.minimum(away, ((points - points[indices[-1]]) ** 2).sum(dim=1))
    return torch.tensor(indices)


def digest(network: MaskedPredictor) -> str:
    """SHA-256 of the weights that make the features."""
    digest_of = hashlib.sha256()
    for name, weights in sorted(network.backbone.state_dict().items()):
        digest_of.update(name.encode() + weights.detach().cpu().contiguous().numpy().tobytes())
    return digest_of.hexdigest()


@dataclass(frozen=True)
class Prepared:
    """How far each cell of a slice lies from the memory."""

    distances: NDArray[np.float64]
    """``[h, w]``, NaN where a cell is not valid."""
    corner: tuple[int, int]
    """(row, column) of the first pixel of the first cell."""


def prepare(view: SliceView) -> Prepared:
    """Compares every cell of the slice with the memory.

    Raises:
        UsageError: there is no memory yet, or it was made with another network.
    """
    learned = state.load(STATE, view.modality.name)
    if learned["network"] != digest(view.network):
        path = state.place(STATE, view.modality.name)
        raise UsageError(
            f"{path} was made with another network; delete it and make it again with the "
            "network that is measured."
        )
    shown, _, _ = normalised(view.pixels, view.modality.name)
    if not view.prediction.assessed.any():
        return Prepared(np.full((1, 1), np.nan), (0, 0))
    window = window_of(view.prediction.assessed)
    valid = _valid_cells(view.prediction.assessed[window])
    cells = (
        features(shown[window], view.network)[:, torch.from_numpy(valid)].T / learned["deviation"]
    )
    distances = np.full(valid.shape, np.nan)
    distances[valid] = torch.cat(
        [torch.cdist(part, learned["memory"]).min(dim=1).values for part in cells.split(1024)]
    ).numpy()
    return Prepared(distances, (window[0].start, window[1].start))


def measure(prepared: Prepared, centre: Centre, radius: float) -> float:
    """Largest distance to the memory over the cells whose middle lies in the region.

    In deviations of a feature, >= 0.
    """
    rows, columns = (
        start + CELL_PX * np.arange(size) + (CELL_PX - 1) / 2 - at
        for start, size, at in zip(
            prepared.corner, prepared.distances.shape, centre[::-1], strict=True
        )
    )
    inside = prepared.distances[rows[:, None] ** 2 + columns[None] ** 2 <= radius**2]
    return float(np.nanmax(inside)) if np.isfinite(inside).any() else float("nan")
