"""What a bundle refuses before it starts."""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fire.parser import DefaultParseValue

from dfd.errors import UsageError
from dfd.options import options_of
from dfd.prediction.devices import device_of as device_of  # named by the configurations
from dfd.settings import ScoreSettings

RUNNER_FLAGS = frozenset(
    {
        "run_id",
        "init_id",
        "final_id",
        "meta_file",
        "config_file",
        "logging_file",
        "tracking",
        "args_file",
        "bundle_root",
    }
)
"""Flags of ``python -m monai.bundle run`` itself."""


def refuse_unknown_flags(bundle_root: str, config: str) -> None:
    """MONAI adds a misspelt ``--key`` to the configuration in silence; here it is an error.

    Raises:
        UsageError: a flag on the command line of ``monai.bundle run`` names no key of
            ``configs/<config>.json``.
    """
    if not is_monai_runner():
        return
    content = json.loads(
        (Path(bundle_root) / "configs" / f"{config}.json").read_text(encoding="utf-8")
    )
    for name, _ in _given(sys.argv[1:]):
        first, *rest = name.replace("#", "::").split("::")
        if first in RUNNER_FLAGS or _has(content, [first, *rest]):
            continue
        options = _option_names() if "settings" in content else set()
        if name in options:
            continue
        known = {*content, *RUNNER_FLAGS, *options}
        near = [] if first in content else difflib.get_close_matches(first, known, n=1)
        raise UsageError(
            f"--{name} is no key of "
            f"configs/{config}.json{f'; did you mean --{near[0]}?' if near else ''}"
        )


def options_given() -> dict[str, object]:
    """Options of a scoring run that the command line of ``monai.bundle run`` names by themselves.

    ``--images False`` means ``--settings#images False``. Empty where another program runs the
    configuration.
    """
    if not is_monai_runner():
        return {}
    names = _option_names()
    return {name: value for name, value in _given(sys.argv[1:]) if name in names}


def _option_names() -> set[str]:
    """Options that are no key of a configuration but of its ``settings``."""
    return {each.name for each in options_of(ScoreSettings) if not each.option.key}


def is_monai_runner() -> bool:
    """Whether this process is ``python -m monai.bundle``."""
    return Path(sys.argv[0]).parts[-3:] == ("monai", "bundle", "__main__.py") or sys.argv[
        0
    ].endswith("monai.bundle")


def _given(words: Sequence[str]) -> list[tuple[str, object]]:
    """Keys and values that a command line sets, those of its ``--args_file`` included.

    Fire takes one dash or two, and a hyphen for an underscore; a key without a value is True.
    """
    given: list[tuple[str, object]] = []
    for number, word in enumerate(words):
        flag = re.match(r"--?([A-Za-z][^=]*)(?:=(.*))?", word, re.DOTALL)
        if flag is None:
            continue
        name, text = flag[1].replace("-", "_"), flag[2]
        if text is None and number + 1 < len(words) and not words[number + 1].startswith("--"):
            text = words[number + 1]
        given.append((name, True if text is None else DefaultParseValue(text)))
        if name == "args_file":
            try:
                given += json.loads(Path(text or "").read_text(encoding="utf-8")).items()
            except (OSError, ValueError, AttributeError):
                continue  # MONAI says what is wrong with it
    return given


def _has(content: object, path: Sequence[str]) -> bool:
    """Whether ``path`` exists in a configuration.

    A component may be given arguments it does not have yet: it refuses those it does not know.
    """
    if not path:
        return True
    first, rest = path[0], path[1:]
    if isinstance(content, dict):
        return _has(content[first], rest) if first in content else "_target_" in content
    return (
        isinstance(content, list)
        and first.isdigit()
        and int(first) < len(content)
        and _has(content[int(first)], rest)
    )
