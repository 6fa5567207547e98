"""The documentation: ``make docs``. Nothing is fetched from a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

from dfd import __version__  # noqa: E402 - from the checkout, which is put on the path above

project = "deepfakes-detector"
author = "the contributors of deepfakes-detector"
copyright = f"2026, {author}; Apache-2.0"  # noqa: A001 - the name is Sphinx's
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "command_line",
    "repository_pages",
]
exclude_patterns = ["_build"]
needs_sphinx = "8.2"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
smartquotes = False  # `--flag` must stay `--flag`

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"deepfakes-detector {release}"
html_copy_source = False
html_show_sphinx = False

# Types of other libraries have pages elsewhere, which a build without network cannot look up.
nitpick_ignore_regex = [
    ("py:.*", r"(pathlib|collections|datetime|typing|numpy|np|pandas|pd|argparse|logging)\..*"),
    ("py:class", r"tuple\[.*"),
    (
        "py:.*",
        (
            r"Path|Mapping|Sequence|Unpack|TypedDict|NDArray|FloatImage|BoolImage|ScoreOptions|ScreenOptions|"
            r"TrainOptions|CalibrateOptions"
        ),
    ),
]


_ATTRIBUTES = {"attribute", "property"}
_as_written: list[str] = []


def keep(
    _app: Sphinx, what: str, _name: str, _what: object, _options: object, lines: list[str]
) -> None:
    """Keep the text of an attribute: napoleon takes what stands before a colon for its type."""
    _as_written[:] = lines if what in _ATTRIBUTES else []


def restore(
    _app: Sphinx, what: str, _name: str, _what: object, _options: object, lines: list[str]
) -> None:
    """Give an attribute its own text again."""
    if what in _ATTRIBUTES:
        lines[:] = _as_written


def describe(
    _app: Sphinx, _what: str, name: str, _attribute: object, _options: object, lines: list[str]
) -> None:
    """Give a field of a settings record the text that its flag has."""
    if not name.startswith("dfd.settings.") or name.count(".") != 3:
        return
    from dfd import settings
    from dfd.options import options_of

    record, field = name.split(".")[2:]
    meanings = {each.name: each.meaning for each in options_of(getattr(settings, record))}
    if field in meanings:
        text = meanings[field].replace("*", r"\*")  # no emphasis: file names
        lines[:] = [f"{text}.", "", *lines]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", describe, priority=700)
    app.connect("autodoc-process-docstring", keep, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)
