"""``python -m dfd`` and the command ``dfd``."""

from __future__ import annotations

import sys

from dfd.cli.entry import run
from dfd.cli.processors import limit_threads


def main() -> int:
    """Run the command line of this process and return its exit code."""
    limit_threads()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
