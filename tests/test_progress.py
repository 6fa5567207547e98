"""Progress: a bar on a terminal, lines elsewhere, nothing where nobody asked or after a stop."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dfd import progress as module
from dfd.bundle.training.handlers import ProgressBar
from dfd.phantom import write_ct_series
from dfd.progress import Progress, progress, span
from dfd.reading import read_series
from tests.terminal import Ended, screen, show

ROOT = Path(__file__).resolve().parents[1]
TERMINAL = dict(os.environ) | {"TERM": "xterm"}
BEGIN = f"""
import logging, os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from dfd.progress import BAR_AFTER_S, ConsoleHandler, Progress, bars, progress
log = logging.getLogger("dfd")
log.addHandler(ConsoleHandler(sys.stderr))
log.setLevel(logging.INFO)
"""


class Clock:
    """Stands in for ``time`` in ``dfd.progress``: a moment passes whenever it is asked."""

    def __init__(self, step_s: float) -> None:
        self.now, self.step_s = 1000.0, step_s

    def monotonic(self) -> float:
        self.now += self.step_s
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(1.0)
    monkeypatch.setattr(module, "time", made)
    return made


def script(body: str, **env: str) -> Ended:
    return show([sys.executable, "-c", BEGIN + body], TERMINAL | env)


def heard(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dfd.progress"]


# --- lines


def test_lines_come_every_few_seconds_with_the_time_left(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dfd")
    assert list(progress(range(1000, 1020), "scoring points")) == list(range(1000, 1020))
    # One second a step; the twentieth ends the task, and needs no line.
    assert heard(caplog) == [
        f"scoring points: {done} of 20, about {20 - done} s left" for done in (5, 10, 15)
    ]


def test_what_is_done_soon_says_nothing(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    clock.step_s = 0.01
    caplog.set_level(logging.INFO, "dfd")
    assert sum(progress(range(400), "reading headers")) == sum(range(400))
    assert not heard(caplog)


def test_large_numbers_are_grouped_and_an_unknown_total_is_left_out(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.step_s = 6.0
    caplog.set_level(logging.INFO, "dfd")
    with Progress("reading headers", 12_000) as told:
        told.update(3_000)
    with Progress("looking for scans") as told:
        told.update(3_000)
    assert heard(caplog) == [
        "reading headers: 3,000 of 12,000, about 18 s left",
        "looking for scans: 3,000 so far",
    ]


def test_more_steps_than_predicted_do_no_harm(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.step_s = 6.0
    caplog.set_level(logging.INFO, "dfd")
    list(progress(iter(range(3)), "reading headers", total=2))
    assert heard(caplog)[-1] == "reading headers: 3 of 2, about 1 s left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (1.2, "2 s"),
        (89, "89 s"),
        (100, "2 min"),
        (3600, "60 min"),
        (5400, "1.5 h"),
        (86400, "24.0 h"),
    ],
)
def test_time_is_told_as_people_do(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_an_error_or_a_break_in_the_loop_ends_the_task(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dfd")
    for item in progress(range(100), "reading headers"):
        if item == 2:
            break
    with suppress(ValueError):
        for _ in progress(range(100), "reading headers"):
            raise ValueError
    assert not heard(caplog)


def test_from_python_nothing_is_printed(
    capfd: pytest.CaptureFixture[str], clock: Clock, tmp_path: Path
) -> None:
    clock.step_s = 6.0
    write_ct_series(tmp_path, seed=1, slices=3, size=32)
    assert len(read_series(tmp_path)[0]) == 1
    assert capfd.readouterr() == ("", "")


def test_from_python_nothing_is_drawn_on_a_terminal_either() -> None:
    ended = show(
        [sys.executable, "-c", BEGIN + "for _ in progress(range(8), 'reading'): time.sleep(0.1)"],
        TERMINAL,
    )
    assert (ended.code, ended.typed) == (0, "")


def test_reading_a_folder_says_how_far_it_is(
    clock: Clock, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    clock.step_s = 6.0
    write_ct_series(tmp_path / "p1", seed=1, slices=4, size=32)
    caplog.set_level(logging.INFO, "dfd")
    read_series(tmp_path)
    assert "looking for scans: 1 so far" in heard(caplog)
    assert "reading headers: 1 of 4, about 18 s left" in heard(caplog)
    assert not [line for line in heard(caplog) if "p1" in line or "file0" in line]


# --- bars


def test_a_bar_shows_share_and_time_left_and_goes_when_it_is_done() -> None:
    ended = script(
        "with bars():\n    for _ in progress(range(20), 'reading headers'): time.sleep(0.1)\n"
        "print('result')"
    )
    assert (ended.code, ended.output) == (0, "result\n")
    assert "reading headers:  50%|" in ended.typed
    assert "| 10/20 [00:00<00:01]" in ended.typed
    assert ended.rows == []


def test_a_short_task_draws_no_bar() -> None:
    assert (
        script("with bars():\n    for _ in progress(range(20), 'reading headers'): pass").typed
        == ""
    )


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TQDM_DISABLE": "1"}])
def test_where_no_bar_is_wanted_there_is_none(env: dict[str, str]) -> None:
    assert (
        script(
            "with bars():\n    for _ in progress(range(10), 'reading headers'): time.sleep(0.1)",
            **env,
        ).typed
        == ""
    )


def test_no_bar_goes_into_a_pipe() -> None:
    body = "with bars():\n    for _ in progress(range(10), 'reading headers'): time.sleep(0.1)"
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + body], capture_output=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_line_of_the_log_stands_alone_between_bars() -> None:
    ended = script("""
with bars():
    for number in progress(range(12), 'scoring points'):
        time.sleep(0.1)
        if number == 8: log.warning('a file was left out')
""")
    assert "scoring points:" in ended.typed.split("a file was left out")[1]
    assert ended.rows == ["a file was left out"]


def test_a_task_within_another_hides_its_bar_which_comes_back() -> None:
    ended = script("""
import dfd.progress
dfd.progress.BAR_AFTER_S, dfd.progress.INNER_BAR_AFTER_S = 0.05, 0.3
with bars():
    for number in progress(range(4), 'scoring points'):
        for _ in progress(range(6), 'reading headers'): time.sleep(0.1)
""")
    shown = [row for text in ended.typed.split("\r") if (row := text.strip())]
    order = [row.split(":")[0] for row in shown]
    assert "scoring points:   0%" in shown[0]
    changes = [name for name, before in zip(order, [None, *order], strict=False) if name != before]
    assert changes == ["scoring points", "reading headers"] * 4 + ["scoring points"]
    assert ended.rows == []


def test_a_task_that_an_error_left_open_does_not_stay() -> None:
    ended = script("""
import dfd.progress
dfd.progress.INNER_BAR_AFTER_S = 0.2
kept = []
with bars():
    for number in progress(range(10), 'scoring points'):
        try:
            for step in progress(range(9), 'reading headers'):
                time.sleep(0.1)
                if step == 4: raise ValueError
        except ValueError as error:
            kept.append(error)
""")
    assert ended.code == 0
    assert "scoring points:  80%|" in ended.typed
    assert ended.rows == []


def test_reader_processes_draw_nothing() -> None:
    ended = script("""
with bars():
    with Progress('scoring points', 10) as told:
        time.sleep(0.6)
        told.update()
        sys.stderr.flush()
        if os.fork() == 0:
            for _ in progress(range(8), 'reading headers'): time.sleep(0.1)
            told.update()
            told.close()
            os._exit(0)
        os.wait()
""")
    assert "reading headers" not in ended.typed
    assert ended.typed.count("scoring points") == 1


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_interrupted_nothing_of_a_bar_is_left(columns: int) -> None:
    body = """
try:
    with bars():
        for _ in progress(range(100), 'reading headers'): time.sleep(0.1)
except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
"""
    ended = show(
        [sys.executable, "-c", BEGIN + body],
        TERMINAL,
        lambda typed: "headers:   8%" in typed,
        columns,
    )
    assert "^C" in ended.typed
    assert ended.rows == ["interrupted"]


def test_a_terminal_too_narrow_for_a_bar_gets_lines() -> None:
    body = "with bars():\n    for _ in progress(range(10), 'reading headers'): time.sleep(0.1)"
    assert show([sys.executable, "-c", BEGIN + body], TERMINAL, columns=20).typed == ""


# --- the command


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans") / "Canary Identity"
    files = write_ct_series(folder / "p1", seed=5, slices=2, size=128)
    for number in range(3, 25):
        shutil.copy(files[number % 2], folder / "p1" / f"file{number:03d}.dcm")
    rows = [f"p1/file{number:03d},64,40" for number in range(1, 25)]
    (folder / "test.csv").write_text("filename,X,Y\n" + "\n".join(rows) + "\n")
    return folder


def environment() -> dict[str, str]:
    return TERMINAL | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_scoring_interrupted_on_a_terminal_ends_in_one_sentence(data: Path, tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "dfd",
        "score",
        "--data",
        data,
        "--output",
        tmp_path / "out",
        "--no-images",
        "--no-report",
        "--lone",
    ]
    ended = show(words, environment(), lambda typed: "scoring points:  " in typed)
    assert ended.code in {130, -2}
    assert ended.rows[-1] == "dfd: interrupted; what was written so far is valid"
    assert "Traceback" not in ended.typed
    assert not [row for row in ended.rows if "%|" in row]


def test_scoring_into_a_log_tells_lines_that_hold_no_names(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dfd.cli.entry import run

    monkeypatch.setattr(module, "time", Clock(6.0))
    words = [
        "score",
        "--data",
        str(data),
        "--output",
        str(tmp_path / "out"),
        "--no-images",
        "--lone",
        "--anonymous",
        "--device",
        "cpu",
    ]
    assert run(words) == 0
    out, errors = capsys.readouterr()
    told = [line for line in errors.splitlines() if line.startswith("scoring points: ")]
    assert len(told) == 23
    assert told[0].startswith("scoring points: 1 of 24, about ")
    assert "scoring points" not in out
    kept = (tmp_path / "out" / "run.log").read_text(encoding="utf-8")
    assert [
        line.split(" INFO ")[1] for line in kept.splitlines() if "scoring points: " in line
    ] == told
    assert "Canary" not in kept


# --- training


def test_an_epoch_says_how_far_it_is(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    from ignite.engine import Engine as IgniteEngine

    clock.step_s = 10.0
    caplog.set_level(logging.INFO, "dfd")
    engine = IgniteEngine(lambda *_: None)
    ProgressBar().attach(engine)
    engine.run(list(range(5)), max_epochs=2)
    assert heard(caplog) == [
        f"epoch {epoch} of 2, batches: {done} of 5, about {10 * (5 - done)} s left"
        for epoch in (1, 2)
        for done in (2, 4)
    ]


def test_slices_that_are_kept_for_training_are_counted(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    from monai.transforms import Lambda

    from dfd.bundle.training.samplers import CachedSlices

    clock.step_s = 6.0
    caplog.set_level(logging.INFO, "dfd")
    assert list(
        CachedSlices([1, 2, 3], Lambda(lambda x: 2 * x), cache_num=2, copy_cache=False)
    ) == [2, 4, 6]
    assert heard(caplog) == ["reading slices: 1 of 2, about 6 s left"]


@pytest.fixture(autouse=True)
def _no_bars_stay() -> Iterator[None]:
    yield
    assert module._shown_on is None


def test_the_terminal_of_the_tests_shows_what_a_terminal_does() -> None:
    assert screen("abc\rx\r\n12345678", 4) == ["xbc", "1234", "5678"]
