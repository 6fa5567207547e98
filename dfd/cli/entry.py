"""The entry point of the command line: words in, exit code out."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dfd.cli import catalogue, verbs
from dfd.cli.exits import FINISHED, terminable, verdict_of
from dfd.cli.requests import Request
from dfd.progress import ConsoleHandler, bars


def parse(words: Sequence[str]) -> Request:
    """The request in a command line, in either form.

    Raises:
        UsageError: Where it asks for something that does not exist.
        SystemExit: After help or version was printed.
    """
    return catalogue.parse(words) if catalogue.is_catalogue_form(words) else verbs.parse(words)


def run(words: Sequence[str]) -> int:
    """Do what the words ask for.

    Results go to stdout, talk and errors to stderr; nothing is raised.
    """
    try:
        with _talk(), bars(), terminable():
            request = parse(words)
            from dfd.cli.jobs import perform  # after parsing, so that help stays quick

            return perform(request)
    except SystemExit as leave:  # argparse, after help or version
        return leave.code if isinstance(leave.code, int) else FINISHED
    except BaseException as error:  # noqa: BLE001 - every error becomes one line and an exit code
        code, line = verdict_of(error)
        if os.environ.get("DFD_DEBUG") == "1":
            traceback.print_exc()
        print(f"dfd: {line}", file=sys.stderr)
        return code


@contextmanager
def _talk() -> Iterator[None]:
    """Send the log of ``dfd`` to stderr while the block runs.

    It does not climb to the root logger, which MONAI may point at stdout.
    """
    log = logging.getLogger("dfd")
    before = (log.level, log.propagate)
    handler = ConsoleHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before
