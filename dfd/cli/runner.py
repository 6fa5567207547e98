"""The entry point ``python -m monai.bundle run``.

Its command line is MONAI's, its manners are those of ``dfd``.

Every configuration calls :func:`enter` in ``initialize``. Where another program runs the
configuration, nothing happens.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from types import TracebackType

from dfd.cli.exits import BUG, raise_on_sigterm, verdict_of
from dfd.progress import ConsoleHandler, close_bars, use_bars


def enter(bundle_root: str, config: str) -> None:
    """Refuse unknown keys.

    From here on errors are one line and an exit code, and SIGTERM leaves valid results.

    Args:
        bundle_root: Folder of the bundle.
        config: Name of the configuration, without ``.json``.

    Raises:
        UsageError: The command line sets a key that the configuration does not have.
    """
    from dfd.bundle import checks

    if not checks.is_monai_runner():
        return
    sys.excepthook = _tell
    raise_on_sigterm()
    use_bars()
    _make_way()
    checks.refuse_unknown_flags(bundle_root, config)


def _make_way() -> None:
    """Let log lines and bars share the terminal.

    MONAI takes no handler but Python's own in ``logging.conf``.
    """
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        own = ConsoleHandler(handler.stream)
        own.setLevel(handler.level)
        own.setFormatter(handler.formatter)
        root.removeHandler(handler)
        root.addHandler(own)


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print one line for an error of the input, the whole traceback for one of ours.

    And end with the exit code of ``dfd``.
    """
    close_bars()
    code, line = verdict_of(error)
    # Not sys.stderr: torch.distributed puts a buffer there, which is lost when the hook ends the
    # process.
    if code == BUG or os.environ.get("DFD_DEBUG") == "1":
        traceback.print_exception(kind, error, trace, file=sys.__stderr__)
    print(f"dfd: {line}", file=sys.__stderr__)
    raise SystemExit(code)
