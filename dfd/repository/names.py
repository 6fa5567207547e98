"""Names of files as text that any table can hold, and back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_BYTE = re.compile(r"\\\\|\\x([0-9a-f]{2})")
_SURROGATE = re.compile("[\udc80-\udcff]")


def as_text(name: str) -> str:
    r"""A name as the file system gives it, in UTF-8.

    Bytes that are no UTF-8 become ``\xNN``, a backslash becomes two; any other name stays as it is.
    """
    doubled = name.replace("\\", "\\\\")
    return _SURROGATE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", doubled)


def as_name(text: str) -> str:
    """The opposite of :func:`as_text`."""
    if "\\" not in text:
        return text
    return _BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)) if found[1] else "\\", text)


def below(root: Path, text: str) -> Path:
    """The file that a row of a plan names."""
    return Path(os.path.join(root, as_name(text)))  # noqa: PTH118 - joins a surrogate unchanged


def local_names(series: Iterable[str]) -> dict[str, str]:
    """Names for results without names, such as ``series-00017``, by the digests of all series.

    They are numbered in the order of the digests, which says nothing of when or where a series
    came from.
    """
    return {
        digest: f"series-{number:05d}" for number, digest in enumerate(sorted(set(series)), start=1)
    }
