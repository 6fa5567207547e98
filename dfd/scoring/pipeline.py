"""Stages that overlap: reading ahead of the work, writing behind it, each in threads of its own.

Decoding, torch and the encoding of pictures leave Python's lock for most of their time, so two
processors are in use. Order is kept and queues are short: results and memory are those of one
stage after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

AHEAD = 2
"""Slices that wait to be worked on."""
BEHIND = 1
"""Slices that wait for the one whose pictures are being drawn."""

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(
    make: Callable[[Item], Made],
    items: Iterable[Item],
    begin: Callable[[], object],
    threads: int = 1,
) -> Iterator[Made]:
    """``map(make, items)``, of which ``AHEAD`` are made before they are asked for.

    Args:
        make: called in ``threads`` threads, by each for one item after the other.
        items: in order.
        begin: called once in each thread.
        threads: how many items are made at once.
    """
    pool = ThreadPoolExecutor(threads, "ahead", begin)
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) >= AHEAD + threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Behind:
    """Does work in a thread, one piece after the other, while the caller goes on.

    An error of the work is raised at the next piece, or where the block is left. Where the block is
    left by an error, what has been begun is finished and the rest is dropped.
    """

    def __init__(self, begin: Callable[[], object]) -> None:
        """``begin`` is called once in the thread."""
        self._pool = ThreadPoolExecutor(1, "writing", begin)
        self._waiting: deque[Future[object]] = deque()

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def do(self, work: Callable[[], object]) -> None:
        """Hand over a piece of work; waits while ``BEHIND`` pieces wait."""
        while len(self._waiting) > BEHIND:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work))
