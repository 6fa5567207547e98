"""Sentences for people that know where names of files and other words of the user stand in them.

Results without names replace those and leave every other word alone, whatever a folder is called.
A name is marked when the sentence is put together (:func:`named`, :func:`quoted`); the marks live
only until a record or an error takes the text, which keep it as a :class:`Sentence`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Self

# Noncharacters, which the Unicode Standard (23.7) keeps for use inside one program: they survive
# f-strings, str.join and exceptions, and no text that was meant to be read holds them.
_START, _END = "\ufdd0", "\ufdd1"
ASIDE = "\ufdd2"
"""Begins a name that results without names leave out: whether it is there depends on names."""
_MARKED = re.compile(f"{_START}([^{_START}{_END}]*){_END}")
_MARKS = re.compile(f"[{_START}{_END}]")


class Sentence(str):
    """The text as people read it, without marks; compares, prints and pickles as that text.

    Putting it into another text (f-string, ``+``, ``str.join``) gives a plain ``str``, which no
    longer knows its names: use :func:`marked` or :func:`joined` there.
    """

    parts: tuple[str, ...]
    """Own words and names in turn, beginning and ending with own words."""

    def __new__(cls, text: str) -> Self:
        """``text`` may be marked; a ``Sentence`` keeps its names."""
        parts = tuple(_MARKS.sub("", part) for part in _MARKED.split(marked(text)))
        made = super().__new__(cls, "".join(parts).replace(ASIDE, ""))
        made.parts = parts
        return made

    def __getnewargs__(self) -> tuple[str]:
        """What a pickle makes it from."""
        return (self.marked,)

    @property
    def marked(self) -> str:
        """The text with its names marked, to be put into another."""
        return self.with_names(named)

    @property
    def names(self) -> tuple[str, ...]:
        """The names as they stand in the text, in order."""
        return tuple(part.replace(ASIDE, "") for part in self.parts[1::2])

    def with_names(self, instead: Callable[[str], str]) -> str:
        """The text with ``instead(name)`` where each name stands."""
        told = (instead(part) if index % 2 else part for index, part in enumerate(self.parts))
        return "".join(told)


def named(text: object) -> str:
    """``text`` marked as a name, to be put into a sentence."""
    return f"{_START}{_MARKS.sub('', str(text))}{_END}"


def quoted(text: str) -> str:
    """``repr(text)`` marked as a name with its quotation marks, to be put into a sentence."""
    return named(repr(_MARKS.sub("", text)))


def aside(text: str) -> str:
    """``text`` marked as words that results without names leave out, to be put into a sentence."""
    return named(ASIDE + _MARKS.sub("", text))


def marked(text: str) -> str:
    """``text`` with its names marked where it knows them, to be put into another text."""
    return text.marked if isinstance(text, Sentence) else text


def joined(between: str, texts: Iterable[str]) -> Sentence:
    """``between.join(texts)``, names kept."""
    return Sentence(between.join(marked(text) for text in texts))


def beginning_with(name: str, text: str) -> Sentence:
    """``text`` with ``name`` marked at its beginning.

    Where it begins otherwise it is kept if it knows its names; else all of it counts as a name,
    since it may hold one anywhere.
    """
    name = _MARKS.sub("", name)
    if f"{text} ".startswith(f"{name} "):
        return Sentence(named(name) + text[len(name) :])
    return text if isinstance(text, Sentence) and text.names else Sentence(named(text))


def settle(record: object, *fields: str) -> None:
    """Turn text fields of a frozen record that are still marked into sentences."""
    for name in fields:
        text = getattr(record, name)
        if _START in text:
            object.__setattr__(record, name, Sentence(text))


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
