"""The next batch is made while the current one is used, and is the same as without."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from dfd.bundle.training.read_ahead import ReadAheadLoader, read_ahead
from dfd.bundle.training.samplers import WeightedDraws

WAIT_S = 30.0


class Draws(Dataset):
    """Gives back what it is asked for."""

    def __getitem__(self, index):
        return torch.tensor(index)

    def __len__(self):
        return 100


def batches(loader):
    sampler = WeightedDraws([1.0] * 100, 50)
    sampler.generator.manual_seed(3)
    return list(loader(Draws(), batch_size=8, sampler=sampler, drop_last=True))


def test_it_draws_what_a_plain_loader_draws():
    ahead, plain = batches(ReadAheadLoader), batches(DataLoader)
    assert len(ahead) == len(plain) == 6
    assert all(torch.equal(one, other) for one, other in zip(ahead, plain, strict=True))


def test_the_next_item_is_made_while_the_current_one_is_used():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    ahead = read_ahead(items())
    assert next(ahead) == 1
    assert made.wait(WAIT_S)
    assert list(ahead) == [2]


def test_what_making_an_item_raises_is_raised_after_those_before_it():
    def items():
        yield 1
        raise ValueError("a slice is gone")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="a slice is gone"):
        next(ahead)


def test_items_that_count_as_false_are_given_too():
    assert list(read_ahead([0, None, ""])) == [0, None, ""]
