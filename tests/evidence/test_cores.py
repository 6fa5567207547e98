"""Pieces of work on every core: in order, one thread each, and nothing changed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from dfd.evidence.cores import chunks, on_cores, side_by_side
from dfd.evidence.window_features import CPU


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_are_in_order_and_each_piece_has_one_thread() -> None:
    made = on_cores(lambda piece: (piece, torch.get_num_threads()), range(9), CPU)
    assert made == [(piece, 1) for piece in range(9)]
    assert torch.get_num_threads() == 2


def test_an_error_is_raised_and_leaves_the_threads_as_they_were() -> None:
    def work(piece: int) -> int:
        if piece == 3:
            raise ValueError("the fourth")
        return piece

    with pytest.raises(ValueError, match="the fourth"):
        on_cores(work, range(9), CPU)
    assert torch.get_num_threads() == 2
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == 2


@pytest.mark.parametrize(("count", "size", "number"), [(0, 3, 0), (3, 3, 1), (7, 3, 3)])
def test_chunks_cover_everything_once(count: int, size: int, number: int) -> None:
    parts = chunks(count, size)
    assert len(parts) == number
    assert [item for part in parts for item in range(count)[part]] == list(range(count))


def test_works_run_at_the_same_time_with_a_share_of_the_threads_each() -> None:
    together = Barrier(2, timeout=30)

    def work(name: str) -> tuple[str, int]:
        together.wait()
        return name, torch.get_num_threads()

    made = side_by_side([lambda: work("first"), lambda: work("second")], CPU)
    assert made == [("first", 1), ("second", 1)]
    assert torch.get_num_threads() == 2


def test_works_follow_each_other_on_one_core() -> None:
    torch.set_num_threads(1)
    order: list[str] = []
    side_by_side([lambda: order.append("first"), lambda: order.append("second")], CPU)
    assert order == ["first", "second"]


def test_an_error_of_one_work_is_raised_and_leaves_the_threads_as_they_were() -> None:
    def fails() -> None:
        raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        side_by_side([fails, lambda: None], CPU)
    assert torch.get_num_threads() == 2
