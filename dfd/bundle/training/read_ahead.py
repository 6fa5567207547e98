"""The next batch is made while the current one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from torch.utils.data import DataLoader

T = TypeVar("T")


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """``items`` in order, one ahead of what is asked for, each made by a second thread.

    What making one raises is raised where it would have been given; MONAI's ``ThreadBuffer`` ends
    there instead, as if nothing were left.
    """
    ahead = iter(items)
    with ThreadPoolExecutor(max_workers=1) as second:
        coming = second.submit(_next, ahead)
        while found := coming.result():
            coming = second.submit(_next, ahead)
            yield found[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    """The next one, None after the last: StopIteration does not pass through a future."""
    for item in items:
        return (item,)
    return None


class ReadAheadLoader(DataLoader[Any]):
    """A ``DataLoader`` whose next batch is cut while the current one is learned.

    It draws in the same order as without. Takes the arguments of ``DataLoader``.
    """

    def __iter__(self) -> Any:
        yield from read_ahead(super().__iter__())
