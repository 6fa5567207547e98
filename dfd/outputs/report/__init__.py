"""report.html: one self-contained page for a person, which opens from disk and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dfd.calibration import STRONGLY_UNUSUAL, UNUSUAL
from dfd.outputs.files import write_atomically
from dfd.outputs.p_value_text import p_equation, p_number
from dfd.outputs.report import charts, words
from dfd.outputs.report.content import page
from dfd.outputs.report.data import MOST_SHOWN, ReportData, ReportRun, rank
from dfd.outputs.report.encoding import legends, whole_slice
from dfd.outputs.report.pictures import (
    PointPictures,
    PointView,
    ScreeningPictures,
    of_point,
    of_screening,
)
from dfd.outputs.report.words import is_kernel
from dfd.outputs.run_record import NOTICE
from dfd.records import Finding

FILE_NAME = "report.html"
FOLDER = Path(__file__).parent


def write(
    folder: Path,
    findings: Sequence[Finding],
    data: ReportData,
    run: ReportRun,
    *,
    anonymous: bool = False,
) -> Path:
    """Write report.html.

    Args:
        folder: Existing folder.
        findings: One per row, in order.
        data: What was collected while slices passed.
        run: What is said of the run.
        anonymous: Replace file and folder names as scores.csv does, and show no free text of a
            header.

    Raises:
        OutputError: the file cannot be written.
    """
    path = folder / FILE_NAME
    write_atomically(path, render(findings, data, run, anonymous=anonymous).encode("utf-8"))
    return path


def render(
    findings: Sequence[Finding], data: ReportData, run: ReportRun, *, anonymous: bool = False
) -> str:
    """The page as text."""
    # Our own files stand in the page as they are; everything else is escaped.
    style, script = _static("page.css"), _static("page.js")
    template = _environment().get_template("page.html.j2")
    return template.render(
        page=page(findings, data, run, anonymous=anonymous),
        run=run,
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
        pictured=data.pictured,
        legends=legends() if data.pictured else {},
        anonymous=anonymous,
        notice=NOTICE,
        most_shown=MOST_SHOWN,
        thresholds=(UNUSUAL, STRONGLY_UNUSUAL),
    )


def policy(style: str, script: str) -> str:
    """The content security policy.

    Nothing but this style, this script, and pictures that stand in the page itself.
    """
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src "
        f"{_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _static(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters |= {
        "p": p_number,
        "p_equation": p_equation,
        "one_in": words.one_in,
        "number": words.number,
        "level": words.level,
    }
    made.globals |= {
        "charts": charts,
        "extrapolated": words.extrapolated,
        "rarity_words": words.rarity_words,
    }
    return made


__all__ = [
    "FILE_NAME",
    "MOST_SHOWN",
    "PointPictures",
    "PointView",
    "ReportData",
    "ReportRun",
    "ScreeningPictures",
    "is_kernel",
    "of_point",
    "of_screening",
    "policy",
    "rank",
    "render",
    "whole_slice",
    "write",
]
