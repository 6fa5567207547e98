"""Examples in the docstrings of public functions run as they stand."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest

import dfd
from dfd import phantom

PUBLIC = (
    dfd.score,
    dfd.screen,
    dfd.train,
    dfd.calibrate,
    phantom.write_demo_study,
    phantom.write_ct_series,
    phantom.write_mr_series,
)
"""The functions on the page ``docs/reference/api.md``."""


@pytest.mark.slow
@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_the_example_runs(
    function: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(function, function.__name__, globs={})
    assert example.examples, f"{function.__name__} has no example"
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert not report, "".join(report)


def test_the_page_lists_them_all() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    listed = {line.split()[-1] for line in lines if line.startswith(".. autofunction::")}
    assert listed == {
        *(f"dfd.{name}" for name in ("score", "screen", "train", "calibrate")),
        *(f"dfd.phantom.{name}" for name in phantom.__all__ if name.startswith("write_")),
    }
