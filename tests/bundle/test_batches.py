"""What engines are told, and what they do not tell."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from ignite.engine import Engine

from dfd.bundle import batches
from dfd.records import Point


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("boom")], ids=repr)
def test_ignite_tells_nothing_of_an_exception_that_somebody_catches(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def step(*_: object) -> None:
        raise error

    engine = Engine(step)
    with pytest.raises(type(error)):
        batches.run(SimpleNamespace(run=lambda: engine.run([1])))
    assert caplog.records == []
    engine.logger.warning("something else")
    with pytest.raises(type(error)):
        Engine(step).run([1])
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "something else"
    assert any("terminating" in words for words in said[1:])


def test_other_words_of_an_engine_pass(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        engine = Engine(lambda engine, _: engine.logger.warning("look"))
        batches.run(SimpleNamespace(run=lambda: engine.run([1])))
    assert [record.getMessage() for record in caplog.records] == ["look"]


def test_slices_that_are_done_are_left_out() -> None:
    items = [{"points": [Point(row, "a"), Point(row + 1, "a")]} for row in (2, 4, 6)]

    class Loader(list):
        dataset = SimpleNamespace(data=items)

        def __len__(self) -> int:
            return len(items)

    evaluator = SimpleNamespace(data_loader=Loader(), state=SimpleNamespace())
    assert batches.leave_out(evaluator, {2, 3, 4, 99})
    assert [[point.row for point in item["points"]] for item in items] == [[4, 5], [6, 7]]
    assert evaluator.state.epoch_length == 2
    assert not batches.leave_out(evaluator, {4, 5, 6, 7})
    assert items == []
