"""Which slices of a series lie beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dfd.context.stacks import stacks_of
from dfd.records import ScanFacts, Series, SliceRef


def series(
    positions: Sequence[float | None], phases: Sequence[int] = (), suffix: str = ".dcm"
) -> Series:
    refs = tuple(
        SliceRef(Path(f"{number}{suffix}"), position_mm=position, phase=phase)
        for number, (position, phase) in enumerate(
            zip(positions, phases or [0] * len(positions), strict=True)
        )
    )
    return Series("1.2", (), refs, ScanFacts(modality="CT"))


def names(one: Series) -> list[list[str]]:
    return [[ref.path.name.split(".")[0] for ref in stack] for stack in stacks_of(one)]


@pytest.mark.parametrize(
    ("positions", "wanted"),
    [
        ([0.0, 2.5, 5.0, 7.5], [["0", "1", "2", "3"]]),
        # One slice is missing.
        ([0.0, 2.5, 7.5, 10.0, 12.5], [["0", "1"], ["2", "3", "4"]]),
        # One was written twice, in two files that differ.
        ([0.0, 2.5, 2.6, 5.0, 7.5], [["0", "1"], ["2", "3", "4"]]),
        # The table was moved by a little more or less.
        ([0.0, 2.4, 5.1, 7.5], [["0", "1", "2", "3"]]),
        ([3.0], [["0"]]),
        ([], []),
    ],
)
def test_a_stack_ends_at_a_gap(positions: list[float], wanted: list[list[str]]) -> None:
    assert names(series(positions)) == wanted


def test_a_phase_is_a_stack_of_its_own() -> None:
    one = series([0.0, 5.0, 10.0, 0.0, 5.0, 10.0], [0, 0, 0, 1, 1, 1])
    assert names(one) == [["0", "1", "2"], ["3", "4", "5"]]


def test_phases_of_one_place_are_no_stack() -> None:
    assert names(series([7.0, 7.0, 7.0], [0, 1, 2])) == [["0"], ["1"], ["2"]]


def test_without_positions_nobody_knows_what_lies_beside_what() -> None:
    assert names(series([None, None])) == [["0"], ["1"]]
    assert names(series([0.0, None, 5.0])) == [["0"], ["1"], ["2"]]


def test_the_slices_of_a_volume_lie_beside_each_other() -> None:
    assert names(series([None, None, None], suffix=".nii.gz")) == [["0", "1", "2"]]
