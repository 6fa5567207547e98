"""Does what was asked and prints the result.

Heavy modules are imported here, inside the functions.
"""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dfd.cli.exits import FINISHED, ROWS_MISSING
from dfd.cli.requests import DemoRequest, InfoRequest, RemoteRequest, Request
from dfd.errors import PointsError, UsageError
from dfd.sentences import counted
from dfd.settings import CalibrateSettings, ScoreSettings, ScreenSettings, TrainSettings

if TYPE_CHECKING:
    from dfd.records import Finding

_HEAD = ("line", "file", "X", "Y", "score", "p", "verdict", "why")


def perform(request: Request) -> int:
    """Do it, print the result to stdout, and return the exit code."""
    match request:
        case ScoreSettings():
            from dfd import workflow

            return _score(request, workflow.score(request))
        case ScreenSettings():
            return _screen(request)
        case RemoteRequest():
            return _score(request.settings, _remote(request))
        case TrainSettings() | CalibrateSettings():
            return _fit(request)
        case InfoRequest():
            return _info(request)
        case DemoRequest():
            return _demo(request)


def say(text: str) -> None:
    """Print a result; where whoever read our stdout has gone (``dfd … | head``).

    The rest goes nowhere: the files are written.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _remote(request: RemoteRequest) -> list[Finding]:
    if find_spec("dicomweb_client") is None:
        raise UsageError(
            "--dicomweb needs dicomweb-client, which is not installed: pip install "
            "deepfakes-detector[dicom]"
        )
    from dfd.remote import scoring

    return scoring.score(request.settings, request.study)


def _score(settings: ScoreSettings, findings: Sequence[Finding]) -> int:
    from dfd.records import NOT_SCORED, Verdict

    if settings.anonymous:
        from dfd.outputs.anonymous import LocalNames

        findings = LocalNames(findings).hide(findings)
    say("\n".join(table([_HEAD, *map(_cells, findings)])))
    counts = Counter(finding.verdict for finding in findings)
    screened = sum(finding.point.is_screening for finding in findings)
    noun = "row" if 0 < screened < len(findings) else "slice" if screened else "point"
    became = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    say(f"{counted(len(findings), noun)}: {became}")
    if any(finding.extrapolated for finding in findings):
        say("* beyond what the calibration patients support, or the scan is unlike them")
    if findings and counts[Verdict.UNREADABLE] == len(findings):
        raise PointsError(
            f"no point could be read; the first of {len(findings)}: "
            f"{findings[0].error or 'no reason given'}"
        )
    missing = any(finding.verdict in NOT_SCORED for finding in findings)
    return ROWS_MISSING if settings.strict and missing else FINISHED


def _screen(settings: ScreenSettings) -> int:
    from dfd import workflow

    for line in workflow.screen(settings).lines():
        say(line)
    return FINISHED


def _fit(settings: TrainSettings | CalibrateSettings) -> int:
    from dfd import workflow

    written = (
        workflow.train(settings)
        if isinstance(settings, TrainSettings)
        else workflow.calibrate(settings)
    )
    say(str(written))
    return FINISHED


def _info(request: InfoRequest) -> int:
    from dfd import workflow
    from dfd.model_paths import bundle_names

    for number, model in enumerate([request.model] if request.model else bundle_names()):
        lines = [
            f"{key}: {_printable(str(value))}" for key, value in workflow.describe(model).items()
        ]
        say(("\n" if number else "") + "\n".join(lines))
    return FINISHED


def _demo(request: DemoRequest) -> int:
    from dfd import demo

    say(demo.run(request.output, request.seed))
    return FINISHED


def _cells(finding: Finding) -> tuple[str, ...]:
    point = finding.point
    return (
        str(point.row),
        _printable(point.filename),
        _number(point.x, "g"),
        _number(point.y, "g"),
        _number(finding.score, ".2f"),
        _number(finding.p_value, ".3g") + ("*" if finding.extrapolated else ""),
        finding.verdict,
        _printable(finding.error or finding.reason),
    )


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def _printable(text: str) -> str:
    """Cells come from a user's file: no control sequence of it may reach the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with the cells of each column below each other, two blanks between columns."""
    kept = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in kept
    ]
