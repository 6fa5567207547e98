"""Stages that overlap keep their order, stay short, and end as one stage after the other would."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from dfd.scoring.pipeline import AHEAD, BEHIND, Behind, ahead


def nothing() -> None:
    """What is called at the beginning of a thread."""


def test_what_is_made_ahead_comes_in_order_and_from_one_thread() -> None:
    begun: list[int] = []

    def make(number: int) -> tuple[int, int]:
        time.sleep(0.002 * (number % 3))
        return number, threading.get_ident()

    made = list(ahead(make, range(20), lambda: begun.append(threading.get_ident())))
    assert [number for number, _ in made] == list(range(20))
    assert {thread for _, thread in made} == set(begun)
    assert begun != [threading.get_ident()]


def test_several_threads_make_in_order_and_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def make(number: int) -> int:
        both.wait()  # never left by one thread alone
        return number

    begun: list[int] = []
    made = ahead(make, range(20), lambda: begun.append(threading.get_ident()), 2)
    assert list(made) == list(range(20))
    assert len(begun) == 2


def test_no_more_is_made_than_will_soon_be_needed() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number

    taken = ahead(make, range(50), nothing)
    for number in range(10):
        assert next(taken) == number
        time.sleep(0.02)
        assert len(made) <= number + 1 + AHEAD
    assert len(made) == 10 + AHEAD


def test_an_error_comes_in_the_place_of_what_was_to_be_made() -> None:
    def make(number: int) -> int:
        if number == 3:
            raise ValueError("the fourth")
        return number

    taken = ahead(make, range(9), nothing)
    assert [next(taken) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(taken)


def test_nothing_to_make() -> None:
    assert list(ahead(int, [], nothing)) == []


def gate() -> tuple[threading.Event, Callable[[], None]]:
    """Work that lasts until the event is set."""
    event = threading.Event()

    def work() -> None:
        assert event.wait(20)

    return event, work


def test_work_behind_is_done_in_order_before_the_block_is_left() -> None:
    done: list[int] = []
    with Behind(nothing) as behind:
        for number in range(20):
            behind.do(partial(done.append, number))
    assert done == list(range(20))


def test_the_caller_waits_where_too_much_is_left_to_do() -> None:
    event, work = gate()
    done: list[int] = []
    with Behind(nothing) as behind:
        for _ in range(1 + BEHIND):
            behind.do(work)
        threading.Timer(0.2, event.set).start()
        behind.do(partial(done.append, 1))
        assert event.is_set()
    assert done == [1]


@pytest.mark.parametrize("pieces", [1, 9])
def test_an_error_of_the_work_is_raised(pieces: int) -> None:
    def fails() -> None:
        raise OSError("the disk is full")

    def all_of_it() -> None:
        with Behind(nothing) as behind:
            for _ in range(pieces):
                behind.do(fails)

    with pytest.raises(OSError, match="the disk is full"):
        all_of_it()


def test_an_error_of_the_caller_lets_what_has_begun_end_and_drops_the_rest() -> None:
    event, work = gate()
    begun, done = threading.Event(), []

    def first() -> None:
        begun.set()
        work()
        done.append("first")

    def interrupted() -> None:
        with Behind(nothing) as behind:
            behind.do(first)
            behind.do(partial(done.append, "second"))
            assert begun.wait(20)
            threading.Timer(0.1, event.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["first"]
