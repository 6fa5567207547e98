"""What the command line prints, and how it ends.

What its words mean is tested in ``test_words.py``.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import dfd
from dfd.cli import verbs
from dfd.cli.entry import run
from dfd.cli.jobs import table
from dfd.errors import BundleError, DfdError, InterruptedRunError, SeriesError
from dfd.exit_messages import TerminationError
from dfd.records import Finding, Point
from dfd.settings import CalibrateSettings, ScoreSettings, TrainSettings

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = {
    "numpy",
    "pandas",
    "torch",
    "monai",
    "ignite",
    "pydicom",
    "nibabel",
    "scipy",
    "PIL",
    "fire",
    "tqdm",
}


def finding(row: int = 2, **fields: object) -> Finding:
    values = {
        "verdict": "no anomaly found",
        "score": 0.25,
        "p_value": 0.5,
        "reason": "like its surroundings",
    } | fields
    return Finding(point=Point(row=row, filename="p1/file011.dcm", x=10.0, y=20.5), **values)


class Workflow(ModuleType):
    """Stands in for ``dfd.workflow``: keeps what it was asked and answers from a list."""

    def __init__(self) -> None:
        super().__init__("dfd.workflow")
        self.asked: list[object] = []
        self.findings = [finding()]
        self.raises: BaseException | None = None

    def _answer(self, asked: object, answer: object) -> object:
        self.asked.append(asked)
        if self.raises:
            raise self.raises
        return answer

    def score(self, settings: ScoreSettings) -> object:
        return self._answer(settings, self.findings)

    def train(self, settings: TrainSettings) -> object:
        return self._answer(settings, settings.model)

    def calibrate(self, settings: CalibrateSettings) -> object:
        return self._answer(settings, settings.output)

    def describe(self, model: str) -> object:
        return self._answer(model, {"bundle": model, "calibration patients": 12})


@pytest.fixture
def workflow(monkeypatch: pytest.MonkeyPatch) -> Workflow:
    stub = Workflow()
    monkeypatch.setitem(sys.modules, "dfd.workflow", stub)
    monkeypatch.setattr(dfd, "workflow", stub, raising=False)
    return stub


# --- what is done and printed
# --------------------------------------------------------------------------------------------------


def test_score_prints_a_table(workflow: Workflow, capsys: pytest.CaptureFixture[str]) -> None:
    workflow.findings = [
        finding(),
        finding(
            3,
            verdict="unreadable",
            score=float("nan"),
            p_value=float("nan"),
            error="no such file\x1b[2J",
            reason="",
        ),
        finding(4, verdict="strongly unusual", score=2.0, p_value=0.01, extrapolated=True),
    ]
    assert run(["score", "--data", "d"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == (
        "line  file            X   Y     score  p      verdict           why\n"
        "2     p1/file011.dcm  10  20.5  0.25   0.5    no anomaly found  like its surroundings\n"
        "3     p1/file011.dcm  10  20.5                unreadable        no such file?[2J\n"
        "4     p1/file011.dcm  10  20.5  2.00   0.01*  strongly unusual  like its surroundings\n"
        "3 points: 1 no anomaly found, 1 unreadable, 1 strongly unusual\n"
        "* beyond what the calibration patients support, or the scan is unlike them\n"
    )
    assert workflow.asked == [ScoreSettings(Path("d"))]


def test_anonymous_prints_no_file_name(
    workflow: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", "--data", "d", "--anonymous"]) == 0
    assert "file011" not in capsys.readouterr().out


def test_the_table_of_nothing_is_its_head() -> None:
    assert table([("a", "bb")]) == ["a  bb"]


def test_strict_says_that_rows_are_missing(workflow: Workflow) -> None:
    workflow.findings = [finding(), finding(3, verdict="not assessable")]
    assert run(["score", "--data", "d"]) == 0
    assert run(["score", "--data", "d", "--strict"]) == 3
    workflow.findings = [finding()]
    assert run(["score", "--data", "d", "--strict"]) == 0


def test_nothing_that_could_be_read_is_status_2(
    workflow: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow.findings = [finding(verdict="unreadable", error="a.dcm is not there")] * 2
    assert run(["score", "--data", "d"]) == 2
    assert (
        capsys.readouterr().err
        == "dfd: error: no point could be read; the first of 2: a.dcm is not there\n"
    )


def test_train_and_calibrate_print_the_file(
    workflow: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-mode", "Train", "-model_path", "my.ckpt", "-data_path", "d"]) == 0
    assert run(["calibrate", "--data", "d", "--model", "my.ckpt", "--output", "new.ckpt"]) == 0
    assert capsys.readouterr().out == "my.ckpt\nnew.ckpt\n"


def test_info_prints_what_is_known(
    workflow: Workflow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["info", "my.ckpt"]) == 0
    assert capsys.readouterr().out == "bundle: my.ckpt\ncalibration patients: 12\n"
    monkeypatch.setattr("dfd.model_paths.bundle_names", lambda: ("one", "two"))
    assert run(["info"]) == 0
    assert (
        capsys.readouterr().out
        == "bundle: one\ncalibration patients: 12\n\nbundle: two\ncalibration patients: 12\n"
    )


def test_demo_prints_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stub = SimpleNamespace(run=lambda output, seed: f"{output} {seed}")
    monkeypatch.setitem(sys.modules, "dfd.demo", stub)
    monkeypatch.setattr(dfd, "demo", stub, raising=False)
    assert run(["demo", "--output", "o", "--seed", "5"]) == 0
    assert capsys.readouterr().out == "o 5\n"


def test_the_python_verbs_fill_the_same_records(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        sys.modules,
        "dfd.outputs.scores",
        SimpleNamespace(findings_frame=lambda findings, *, anonymous: len(findings)),
    )
    assert dfd.score("d", "p.csv", output_dir="o", images=False) == 1
    assert dfd.train("d", "m", epochs=3) == Path("m")
    assert dfd.calibrate("d", "m", "o", seed=1) == Path("o")
    assert workflow.asked == [
        ScoreSettings(Path("d"), Path("p.csv"), output_dir=Path("o"), images=False),
        TrainSettings(Path("d"), Path("m"), epochs=3),
        CalibrateSettings(Path("d"), "m", Path("o"), seed=1),
    ]
    with pytest.raises(TypeError, match="imagse"):
        dfd.score("d", imagse=False)


# --- how it ends
# --------------------------------------------------------------------------------------------------


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


FROM_A_WORKER = (
    "Caught SeriesError in DataLoader worker.\nOriginal Traceback (most recent call last):\n x\n"
    "dfd.errors.SeriesError: a.dcm: bad"
)
"""What torch makes of the message of an error in a reader process."""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SeriesError("a.dcm is\n no scan"), 2, "error: a.dcm is no scan"),
        (BundleError("no model"), 2, "error: no model"),
        (DfdError("x"), 2, "error: x"),
        (
            caused(RuntimeError("applying transform"), SeriesError("a.dcm is no scan")),
            2,
            "error: a.dcm is no scan",
        ),
        (SeriesError(FROM_A_WORKER), 2, "error: a.dcm: bad"),
        (InterruptedRunError("time is up; run again"), 4, "error: time is up; run again"),
        (
            MemoryError(),
            4,
            (
                "error: the memory of this machine ran out; use fewer workers (in training also a "
                "smaller batch) and run again"
            ),
        ),
        (
            OSError(errno.ENOSPC, "No space left"),
            4,
            "error: the disk is full; make room and run again",
        ),
        (KeyboardInterrupt(), 130, "interrupted; what was written so far is valid"),
        (TerminationError(), 143, "terminated; what was written so far is valid"),
    ],
)
def test_each_end_has_its_code(
    workflow: Workflow,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    workflow.raises = error
    assert run(["score", "--data", "d"]) == code
    assert capsys.readouterr().err == f"dfd: {message}\n"


def test_a_bug_names_its_place_and_no_data(
    workflow: Workflow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DFD_DEBUG", raising=False)
    workflow.raises = ValueError("Doe^Jane")
    assert run(["score", "--data", "d"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "dfd: error: a fault of this program (ValueError in dfd/cli/jobs.py, line "
    )
    assert err.count("\n") == 1
    assert "Doe" not in err
    monkeypatch.setenv("DFD_DEBUG", "1")
    assert run(["score", "--data", "d"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_talk_goes_to_stderr_and_leaves_no_trace(
    workflow: Workflow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("dfd")
    before = (log.level, log.propagate, list(log.handlers), signal.getsignal(signal.SIGTERM))
    monkeypatch.setattr(
        workflow,
        "train",
        lambda settings: logging.getLogger("dfd.workflow").info("epoch 1") or settings.model,
    )
    assert run(["train", "--data", "d", "--model", "m"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("m\n", "epoch 1\n")
    assert before == (
        log.level,
        log.propagate,
        list(log.handlers),
        signal.getsignal(signal.SIGTERM),
    )


# --- the real process
# --------------------------------------------------------------------------------------------------


def process(*words: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = (
        {key: value for key, value in os.environ.items() if key != "DFD_DEBUG"}
        | {"PYTHONPATH": str(ROOT)}
        | variables
    )
    return subprocess.run(
        [sys.executable, "-m", "dfd", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["score", "--help"], ["-mode", "--help"], ["--bogus"]]
)
def test_help_and_mistakes_load_nothing_heavy(words: list[str]) -> None:
    """`dfd --help` has 0.3 s: the modules that would cost more are never loaded."""
    done = python(
        f"import json, sys; from dfd.cli.entry import run; code = run({words!r}); print(); "
        "print(json.dumps([code, sorted(sys.modules)]))"
    )
    status, loaded = json.loads(done.stdout.splitlines()[-1])
    assert status == (2 if words == ["--bogus"] else 0)
    assert not HEAVY & set(loaded)


def test_import_of_the_package_is_light() -> None:
    done = python("import dfd, sys; print(*sys.modules)")
    assert not (HEAVY | {"argparse", "dataclasses"}) & set(done.stdout.split())


def test_help_names_every_verb_and_the_catalogue() -> None:
    done = process("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in [*verbs.VERBS, "-mode Train|Test", "not a medical device", "exit status"]:
        assert word in done.stdout


def test_a_wrong_line_is_one_line_on_stderr(tmp_path: Path) -> None:
    done = process("-mode", "Test", "-m", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("dfd: error: there is no flag -m (did you mean ")


DRIVER = """
import signal, sys, time, types
from pathlib import Path
# A shell's background job, as CI may be, starts with it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
stub = types.ModuleType("dfd.workflow")
def train(settings):
    try:
        print("started", flush=True)
        time.sleep(30)
    finally:
        Path("finished").write_text("ok")
def describe(model):
    return {str(number): "x" * 1000 for number in range(1000)}
stub.train, stub.describe = train, describe
sys.modules["dfd.workflow"] = stub
from dfd.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def driver(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    (tmp_path / "driver.py").write_text(DRIVER)

    def start(*words: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "driver.py", *words], cwd=tmp_path, env=environment, text=True, **pipes
        )

    return start


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_lets_writers_finish(
    driver: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: int, code: int, word: str
) -> None:
    with driver("train", "--data", "d", "--model", "m") as running:
        assert running.stdout.readline() == "started\n"
        began = time.monotonic()
        running.send_signal(number)
        _, err = running.communicate(timeout=20)
    assert time.monotonic() - began < 20
    assert (running.returncode, err) == (code, f"dfd: {word}; what was written so far is valid\n")
    assert (tmp_path / "finished").read_text() == "ok"


def test_a_reader_that_leaves_is_no_failure(driver: Callable[..., subprocess.Popen[str]]) -> None:
    with driver("info", "m") as running:
        running.stdout.close()
        err = running.stderr.read()
    assert (running.returncode, err) == (0, "")
