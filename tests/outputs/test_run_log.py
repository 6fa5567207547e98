"""run.log: all that was said in a run and nothing of another.

Without moving what the caller set.
"""

from __future__ import annotations

import ast
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dfd.errors import OutputError
from dfd.exit_messages import TerminationError
from dfd.outputs import run_log
from dfd.outputs.run_log import RunLog

PACKAGE = Path(__file__).resolve().parents[2] / "dfd"
DFD, CHILD = logging.getLogger("dfd"), logging.getLogger("dfd.some.room")


class Ear(logging.Handler):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@pytest.fixture(params=["root", "dfd"])
def ear(request: pytest.FixtureRequest) -> Iterator[Ear]:
    """A handler of the caller, on the root logger or on ``dfd``, which asked for warnings only."""
    log, heard = logging.getLogger(None if request.param == "root" else "dfd"), Ear()
    before = (log.level, DFD.level, DFD.propagate)
    log.addHandler(heard)
    log.setLevel(logging.WARNING)
    yield heard
    log.removeHandler(heard)
    log.setLevel(before[0])
    DFD.setLevel(before[1])
    DFD.propagate = before[2]


def texts(log: RunLog, *, anonymous: bool = False) -> list[str]:
    return [line.split(" ", 2)[2] for line in log.lines(anonymous=anonymous)]


def test_all_is_collected_and_the_caller_hears_what_it_asked_for(ear: Ear) -> None:
    log, before = RunLog(), (DFD.level, DFD.propagate, list(DFD.handlers), DFD.getEffectiveLevel())
    CHILD.info("before")
    with log.listening():
        CHILD.debug("too small")
        CHILD.info("%d of %d points done", 20, 40)
        CHILD.warning("left out: %s", "a.dcm")
        DFD.error("last")
    CHILD.info("after")
    assert texts(log) == ["20 of 40 points done", "left out: a.dcm", "last"]
    assert ear.heard == ["left out: a.dcm", "last"]
    assert (DFD.level, DFD.propagate, DFD.handlers, DFD.getEffectiveLevel()) == before
    assert not CHILD.isEnabledFor(logging.INFO)


def test_a_caller_that_wants_more_gets_it(ear: Ear) -> None:
    DFD.setLevel(logging.DEBUG)
    with (log := RunLog()).listening():
        CHILD.debug("small")
        CHILD.info("larger")
    assert ear.heard == ["small", "larger"]
    assert texts(log) == ["larger"]


def test_a_logger_that_does_not_propagate_stays_so(ear: Ear) -> None:
    DFD.propagate = False
    with (log := RunLog()).listening():
        CHILD.warning("here")
    assert texts(log) == ["here"]
    assert ear.heard == (["here"] if ear in DFD.handlers else [])
    assert not DFD.propagate


def test_a_handler_added_meanwhile_stays() -> None:
    ear = Ear()
    with RunLog().listening():
        DFD.addHandler(ear)
    assert ear in DFD.handlers
    DFD.removeHandler(ear)


def test_an_error_in_the_block_leaves_nothing_behind() -> None:
    before = list(DFD.handlers)
    with pytest.raises(KeyboardInterrupt), RunLog().listening():
        raise KeyboardInterrupt
    assert DFD.handlers == before


def test_runs_do_not_mix() -> None:
    first, second, third = RunLog(), RunLog(), RunLog()
    for log, word in ((first, "one"), (second, "two")):
        with log.listening():
            CHILD.info(word)

    def other() -> None:
        with third.listening():
            CHILD.info("three")

    with first.listening():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        CHILD.info("four")
        helper = threading.Thread(target=CHILD.info, args=("from a thread of the run",))
        helper.start()
        helper.join()
    assert [texts(log) for log in (first, second, third)] == [
        ["one", "four", "from a thread of the run"],
        ["two"],
        ["three"],
    ]
    assert DFD.level == logging.NOTSET


def test_one_message_is_one_line_with_time_and_level(tmp_path: Path) -> None:
    with (log := RunLog()).listening():
        CHILD.warning("%s left out", "a\nb\x1b[31m\u202e\udcff=1")
    log.take(logging.LogRecord("dfd", logging.ERROR, "", 0, "bad template %d", ("x",), None))
    path = run_log.write(tmp_path, log)
    assert path == tmp_path / "run.log"
    first, second = path.read_text(encoding="utf-8").splitlines()
    time, level, text = first.split(" ", 2)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()) < 60
    assert time.endswith("+00:00")
    assert (level, text) == ("WARNING", "a b[31m=1 left out")
    assert second.endswith("ERROR bad template %d")


def test_tracebacks_are_left_out() -> None:
    with (log := RunLog()).listening():
        try:
            raise ValueError("Canary^Identity")
        except ValueError:
            CHILD.exception("failed")
    assert texts(log) == ["failed"]


def test_anonymous_lines_hold_the_program_s_words_and_numbers_only() -> None:
    with (log := RunLog()).listening():
        CHILD.info(
            "%s: %d of %.1f (%s)", Path("/data/My Canary/a.dcm"), 3, 4.0, ValueError("Canary")
        )
        CHILD.info("%(who)s at %(when)d", {"who": "Canary", "when": 5})
        CHILD.info(ValueError("Canary"))
        CHILD.info("100% done")
    log.end(OutputError("/data/My Canary/a.png cannot be written"))
    log.end(ValueError("Canary"))
    assert texts(log, anonymous=True)[:5] == [
        "(hidden): 3 of 4.0 ((hidden))",
        "(hidden) at 5",
        "(hidden)",
        "100% done",
        "error: OutputError (hidden)",
    ]
    assert sum("Canary" in text for text in texts(log)) == 4
    assert not [text for text in texts(log, anonymous=True) if "Canary" in text]


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (KeyboardInterrupt(), "interrupted; what was written so far is valid"),
        (TerminationError(), "terminated; what was written so far is valid"),
        (
            MemoryError(),
            (
                "error: the memory of this machine ran out; use fewer workers (in training also a "
                "smaller batch) and run again"
            ),
        ),
        (OutputError("the disk\nis full"), "error: the disk is full"),
        (
            RuntimeError("Canary^Identity"),
            "error: a fault of this program (RuntimeError in dfd/outputs/run_log.py, line ",
        ),
    ],
)
def test_the_last_line_says_what_stopped_the_run(
    tmp_path: Path, stop: BaseException, words: str
) -> None:
    def work() -> None:
        CHILD.info("begun")
        raise stop

    with pytest.raises(type(stop)), run_log.kept(RunLog(), tmp_path):
        work()
    begun, end = (tmp_path / "run.log").read_text().splitlines()
    assert begun.endswith("INFO begun")
    assert end.split(" ", 1)[1].startswith(f"ERROR {words}")
    assert "Canary" not in end


def test_templates_of_the_package_are_plain_text() -> None:
    """Anonymous logs keep the template of a message and hide what is put into it.

    So nothing may be put in before.
    """
    calls = [
        (path, node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) in {"logger", "_log", "LOG"}
    ]
    assert len(calls) > 10
    assert not [
        f"{path.name}:{node.lineno}"
        for path, node in calls
        if not isinstance(node.args[0], ast.Constant | ast.Name)
    ]
