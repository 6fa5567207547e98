"""Texts of headers, paths and sentences as a report writes them."""

from __future__ import annotations

from functools import lru_cache

from dfd.outputs.files import neutralise
from dfd.sentences import Sentence


@lru_cache(maxsize=1 << 17)
def cleaned(text: str) -> str:
    """``text`` on one line, harmless for spreadsheets, names in it without marks.

    Repositories hold the same few thousand texts in most rows, so answers are kept.
    """
    # Plain ASCII letters and digits are most of all, and nothing in them needs a change.
    return text if text.isascii() and text.isalnum() else neutralise(str(Sentence(text)))
