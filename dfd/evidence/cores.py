"""Independent work on every core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def on_cores(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], device: torch.device
) -> list[Result]:
    """``work`` of each of ``pieces``, in order, on as many cores as torch may use.

    Each piece stays on one core. Pieces that fit its cache are quicker so than operations that are
    split over cores one by one, and do not wait for a core that other work holds. On an accelerator
    the pieces follow each other.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or len(pieces) < 2:
        return [work(piece) for piece in pieces]
    try:
        with ThreadPoolExecutor(
            max_workers=min(threads, len(pieces)), initializer=partial(torch.set_num_threads, 1)
        ) as pool:
            return list(pool.map(work, pieces))
    finally:
        # Besides its own thread's number each worker has set that of threads begun later.
        torch.set_num_threads(threads)


def side_by_side(works: Sequence[Callable[[], Result]], device: torch.device) -> list[Result]:
    """What each of a few works gives, in order: at the same time, with a share of the cores each.

    Much of the work is of operations too small to be split over cores. On an accelerator, and on
    one core, the works follow each other.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or len(works) < 2:
        return [work() for work in works]
    share = max(1, threads // len(works))
    try:
        with ThreadPoolExecutor(
            max_workers=min(threads, len(works)), initializer=partial(torch.set_num_threads, share)
        ) as pool:
            return list(pool.map(lambda work: work(), works))
    finally:
        torch.set_num_threads(threads)


def chunks(count: int, size: int) -> list[slice]:
    """Slices of at most ``size`` that cover ``count`` items."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
