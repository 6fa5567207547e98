"""Writes the page ``reference/cli.md`` from the parsers of ``dfd``, in place of a mark in it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from dfd.cli.catalogue import catalogue_parser
from dfd.cli.verbs import VERBS, top_parser, verb_parser

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGE = "reference/cli"
WIDTH = 88
"""Characters of a line of usage."""
_SPECIAL = "\\`*_{}[]<>|"


def write_page(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put the flags of every parser in place of the marks."""
    if page != PAGE:
        return
    verbs = "\n\n".join([_overview(), *(_section(name) for name in VERBS)])
    source[0] = source[0].replace("<!-- verbs -->", verbs)
    source[0] = source[0].replace("<!-- catalogue -->", _flags(catalogue_parser()))


def _overview() -> str:
    parser = top_parser()
    verbs = [
        f"| [`dfd {name}`](#dfd-{name}) | {_escaped(verb.summary)} |"
        for name, verb in VERBS.items()
    ]
    table = "\n".join(["| command | what it does |", "|---|---|", *verbs])
    return f"## dfd\n\n{_escaped(parser.description or '')}\n\n{_flags(parser)}\n\n{table}"


def _section(verb: str) -> str:
    summary = VERBS[verb].summary
    sentence = _escaped(f"{summary[0].upper()}{summary[1:]}.")
    return f"## dfd {verb}\n\n{sentence}\n\n{_flags(verb_parser(verb))}"


def _flags(parser: argparse.ArgumentParser) -> str:
    usage = _code(_narrow(parser).format_usage())
    return "\n".join([usage, "", "| flag | meaning |", "|---|---|", *_rows(parser)])


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    """One row of a table for each argument, in the order of the help."""
    for action in parser._actions:
        words = action.option_strings or [str(action.metavar)]
        value = _value(action) if action.option_strings else ""
        named = ", ".join(f"`{f'{word} {value}'.strip()}`" for word in words)
        needed = "**required**; " if action.required and action.option_strings else ""
        yield f"| {named.replace('|', chr(92) + '|')} | {needed}{_escaped(action.help or '')} |"


def _value(action: argparse.Action) -> str:
    """What follows the flag."""
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return "" if action.nargs == 0 else str(action.metavar or action.dest.upper())


def _narrow(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.formatter_class = partial(argparse.RawDescriptionHelpFormatter, width=WIDTH)
    return parser


def _code(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
