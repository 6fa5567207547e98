"""What both forms of the command line share.

A parser without abbreviations, and the types of the values.
"""

from __future__ import annotations

import argparse
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.options import NamedOption, Value
from dfd.settings import is_address

logger = logging.getLogger(__name__)

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_NUMBER = re.compile(r"-\.?\d")
_SEED_END = 2**32
"""numpy takes seeds below this."""
RENAMED = "%s is now called %s; the former name works for one more release"


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
        self._renamed: dict[str, str] = {}

    def add_option(
        self,
        words: Sequence[str],
        named: NamedOption,
        *,
        required: bool = False,
        former: Sequence[str] = (),
    ) -> None:
        """Add the flag of an option of a settings record.

        Args:
            words: How it is written.
            named: The option; its field gets the value.
            required: Whether it must be given.
            former: How it was written before; help does not show these.
        """
        about = named.option
        given: dict[str, object] = {"dest": named.name, "help": about.help}
        if about.value is Value.SWITCH:
            given["action"] = "store_false" if named.turns_off else "store_true"
        else:
            given |= {"type": READERS[about.value], "metavar": about.metavar, "required": required}
        self.add_argument(*words, **given)  # type: ignore[arg-type]
        if former:
            given["help"] = argparse.SUPPRESS
            self.add_argument(*former, **given)  # type: ignore[arg-type]
            self._renamed |= dict.fromkeys(former, words[0])

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
            if name in self._renamed:
                logger.warning(RENAMED, name, self._renamed[name])
        return vars(self.parse_args(words))


def _suggestion(name: str, known: set[str]) -> str:
    if not name.strip("-"):
        return ""
    from difflib import get_close_matches  # only a mistake pays for it

    starts = sorted(flag for flag in known if flag.startswith(name))
    near = starts or get_close_matches(name, known, n=1)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def text(word: str) -> str:
    """A word with quotes that came along as characters taken off."""
    return word.strip().strip("'\"")


def path(text: str) -> Path:
    """A path with quotes that came along as characters taken off, and ``~`` expanded."""
    bare = text.strip().strip("'\"")
    if not bare:
        raise argparse.ArgumentTypeError("a path is needed, got an empty one")
    try:
        return Path(bare).expanduser()
    except RuntimeError:  # `~somebody` who has no home here
        return Path(bare)


def source(text: str) -> Path | str:
    """The address of a DICOMweb service as it is, anything else as a path."""
    return text.strip() if is_address(text) else path(text)


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


def modality(text: str) -> str:
    """A name in ``MODALITIES``."""
    if text not in MODALITIES:
        raise argparse.ArgumentTypeError(
            f"there is no modality {text!r}; there are: {', '.join(sorted(MODALITIES))}"
        )
    return text


def day(text: str) -> date:
    """A date as ISO 8601 writes it, such as 2026-11-22."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a date such as 2026-11-22 is needed, got {text!r}"
        ) from None


def shard(text: str) -> tuple[int, int]:
    """``i/n``: share ``i`` of ``n``, counted from 1."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(
            f"a share such as 1/8 (the first of eight) is needed, got {text!r}"
        )
    return int(number), int(count)


READERS: Mapping[Value, Callable[[str], object]] = {
    Value.TEXT: text,
    Value.PATH: path,
    Value.DEVICE: device,
    Value.COUNT: whole(0),
    Value.POSITIVE: whole(1),
    Value.SEED: seed,
    Value.HOURS: hours,
    Value.MODALITY: modality,
    Value.DATE: day,
    Value.SHARD: shard,
}
"""Type of each value that is a word."""
