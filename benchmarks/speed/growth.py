"""The part of ``benchmarks.speed.bench`` that lets the work grow, and its picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.data import partition
from benchmarks.speed import workload
from benchmarks.speed.stages import score
from dfd.outputs.files import write_atomically
from dfd.phantom import write_ct_series

SLICES = (1, 2, 4, 8, 16)
POINTS = (1, 10, 100)
SIDES = (128, 256, 512, 768)
"""Of the matrix of a screened phantom, in pixels."""
WORKERS = (0, 1, 2)
"""For the longest of ``SLICES``."""
QUICK = 2
"""Steps of each that a quick check takes."""
DPI = 100


def growth(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """Seconds of a scoring run with all outputs against what it has to do.

    Axis -> size -> seconds, in a process that is warm.
    """
    slices, points, sides = (each[:QUICK] if quick else each for each in (SLICES, POINTS, SIDES))
    jobs = {
        "screened slices": {count: workload.study(folder, count, 0) for count in slices},
        "points in a slice": {count: workload.study(folder, 1, count) for count in points},
        "side of a screened slice, pixels": {side: _phantom(folder, side) for side in sides},
    }
    score(jobs["screened slices"][slices[0]], model, folder / "warm")
    seconds = {
        axis: {size: score(root, model, _new(folder)) for size, root in sizes.items()}
        for axis, sizes in jobs.items()
    }
    seconds[f"workers, {slices[-1]} screened slices"] = {
        workers: score(jobs["screened slices"][slices[-1]], model, _new(folder), workers=workers)
        for workers in WORKERS
    }
    return {"growth": seconds}


def _new(folder: Path) -> Path:
    """An output folder that nothing was written to."""
    return folder / f"grown{len(list(folder.glob('grown*')))}"


def _phantom(folder: Path, side: int) -> Path:
    """A data folder with one phantom of ``side`` x ``side`` pixels, asked about as a whole."""
    root = folder / f"phantom_{side}"
    write_ct_series(root / "p1", seed=partition.SEED, slices=1, size=side)
    return root


def draw(growth: Mapping[str, Mapping[str, float]], path: Path) -> Path:
    """Seconds against size, a panel for each axis, as a PNG."""
    figure = Figure(figsize=(3.4 * len(growth), 3.2), layout="constrained")
    for axes, (axis, seconds) in zip(figure.subplots(1, len(growth)), growth.items(), strict=True):
        sizes = [int(size) for size in seconds]
        axes.plot(sizes, list(seconds.values()), "o-", color="#0072B2")
        axes.set(xlabel=axis, ylabel="seconds", ylim=(0, None), xticks=_ticks(sizes))
        axes.grid(alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    write_atomically(path, stream.getvalue())
    return path


def _ticks(sizes: Sequence[int]) -> list[int]:
    """The sizes that are labelled: those that do not stand too close to the next."""
    return [size for size in sizes if size == sizes[-1] or size < 0.9 * sizes[-1]][-3:]
