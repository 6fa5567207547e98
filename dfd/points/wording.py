"""How text of the user stands in a message."""

from __future__ import annotations

from dfd.sentences import quoted

SHOWN_CHARACTERS = 60
SHOWN_OF_A_PATH = 160
"""A path is told from others by its end, so more of it is shown, and its middle is left out."""


def shown(text: str) -> str:
    """A cell as it may stand in a message.

    Marked, quoted, shortened, control characters made visible.
    """
    return quoted(text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "...")


def shown_path(path: str) -> str:
    """The path of a file as it may stand in a message: as ``shown``, but its end is kept."""
    if len(path) <= SHOWN_OF_A_PATH:
        return quoted(path)
    half = SHOWN_OF_A_PATH // 2
    return quoted(f"{path[: half - 3]}...{path[-half:]}")


def join_names(parts: list[str], most: int) -> str:
    """``parts`` joined by commas, ``most`` of them at most."""
    return ", ".join(parts[:most]) + (", ..." if len(parts) > most else "")
