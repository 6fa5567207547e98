"""What both forms of the command line share.

A parser without abbreviations, and the types of the values.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from dfd.errors import UsageError

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_NUMBER = re.compile(r"-\.?\d")
_SEED_END = 2**32
"""numpy takes seeds below this."""


class StrictParser(argparse.ArgumentParser):
    """Raises :class:`~dfd.errors.UsageError` where argparse would print its usage and exit.

    And knows no default values.

    What is not given stays out of the result, so that the defaults of the settings records hold.
    """

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of exit."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse_given(self, words: Sequence[str], *, equals: bool = True) -> dict[str, object]:
        """The values of the flags that were given, by the name of their field.

        ``allow_abbrev=False`` does not stop argparse from completing ``-e`` to ``-epochs``: each
        flag is compared in full first.

        Args:
            words: The command line after the program's name.
            equals: Whether ``--flag=value`` is a way to write it.

        Raises:
            UsageError: For anything that is not exactly a flag of this parser, and for a missing or
                wrong value.
        """
        known = set(self._option_string_actions)
        for word in words:
            if not word.startswith("-") or _NUMBER.match(word):
                continue
            name, sign, _ = word.partition("=")
            if name not in known:
                self.error(f"there is no flag {name}{_suggestion(name, known)}")
            if sign and not equals:
                self.error(f"write '{name} VALUE' instead of '{word}'")
        return vars(self.parse_args(words))


def _suggestion(name: str, known: set[str]) -> str:
    if not name.strip("-"):
        return ""
    from difflib import get_close_matches  # only a mistake pays for it

    starts = sorted(flag for flag in known if flag.startswith(name))
    near = starts or get_close_matches(name, known, n=1)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def path(text: str) -> Path:
    """A path with quotes that came along as characters taken off, and ``~`` expanded."""
    bare = text.strip().strip("'\"")
    if not bare:
        raise argparse.ArgumentTypeError("a path is needed, got an empty one")
    try:
        return Path(bare).expanduser()
    except RuntimeError:  # `~somebody` who has no home here
        return Path(bare)


def whole(low: int, end: int | None = None) -> Callable[[str], int]:
    """A type for whole numbers from ``low`` to below ``end``."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (end is not None and number >= end):
            limit = "" if end is None else f" and below {end}"
            raise argparse.ArgumentTypeError(
                f"a whole number from {low}{limit} is needed, got {text!r}"
            )
        return number

    return read


seed = whole(0, _SEED_END)
"""Type of a seed."""


def hours(text: str) -> float:
    """A positive, finite number of hours."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"a number of hours above 0 is needed, got {text!r}")
    return number


def device(text: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"auto, cpu, cuda or cuda:N is needed, got {text!r}")
    return text
