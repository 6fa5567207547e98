"""The parsers of the command line by name, for the page ``reference/cli.md``.

``dfd`` is the parser without a verb, ``catalogue`` that of the older form; any other name is a verb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfd.cli import catalogue as catalogue_form
from dfd.cli import verbs

if TYPE_CHECKING:
    from dfd.cli.flags import StrictParser


def __getattr__(name: str) -> StrictParser:
    if name == "dfd":
        return _as_text(verbs.top_parser())
    if name == "catalogue":
        return _as_text(catalogue_form.catalogue_parser())
    if name in verbs.VERBS:
        return _as_text(verbs.verb_parser(name))
    raise AttributeError(
        f"no parser is called {name!r}; there are: dfd, catalogue, {', '.join(verbs.VERBS)}"
    )


def _as_text(parser: StrictParser) -> StrictParser:
    """The same parser, with its texts as reStructuredText, which sphinx-argparse expects."""
    if parser.epilog:
        parser.epilog = "::\n\n" + "\n".join(f"  {line}" for line in parser.epilog.splitlines())
    for action in parser._actions:
        action.help = (action.help or "").replace("*", r"\*")
    return parser
