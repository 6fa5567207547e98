"""What a fuzz case is: the file it starts from, the file that is read, and how it came to be."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that a message must not hold: control, surrogates, ends of lines."""
GROUP = 4
"""Cases that lie in one folder together, for what reads whole folders."""


@dataclass(frozen=True)
class Start:
    """An intact file, from which others are made."""

    name: str
    content: bytes
    """What is changed: the file itself, or what is packed in it."""
    suffix: str
    pack: Callable[[bytes], bytes] = bytes
    """From ``content`` to the bytes of the file."""
    parts: Sequence[Any] = ()
    """Where the parts of ``content`` lie, for changes that know the format."""
    frames: int = 1

    @property
    def file(self) -> bytes:
        """The bytes of the intact file."""
        return self.pack(self.content)


@dataclass(frozen=True)
class Mutant:
    """A file to be read."""

    content: bytes
    suffix: str
    story: tuple[str, ...]
    """The intact file, then every change."""
    frame: int | None = None
    """Frame that is asked for."""


Entry: TypeAlias = Callable[[Path, int | None], object]
"""An entry point: file and frame, or folder and None -> what it gives."""


@dataclass(frozen=True)
class Kind:
    """Files of one kind and all that reads them."""

    name: str
    mutant: Callable[[random.Random], Mutant]
    of_file: Mapping[str, Entry]
    """Called for each file; the first decides whether the file counts as read."""
    of_folder: Mapping[str, Entry] = field(default_factory=dict)
    """Called for each folder of ``GROUP`` files."""
    intact_files: Mapping[str, bytes] = field(default_factory=dict)
    """Intact files that lie in the folder too: relative path -> content."""


class MalformedError(Exception):
    """A reader gave something that is neither a result nor an error of this program."""


def is_line(text: str) -> bool:
    """Whether ``text`` is one line without control characters, as a message to people must be."""
    shown = text.isprintable() or not {unicodedata.category(each) for each in text} & UNSEEN
    return bool(text) and shown and "Traceback" not in text


def generator(seed: int, kind: str, number: int) -> random.Random:
    """The source of all that is random in one case: cases do not hang on each other."""
    return random.Random(f"{seed} {kind} {number}")
