"""``python -m dfd`` and the command ``dfd``."""

from __future__ import annotations

import sys

from dfd.cli.entry import run
from dfd.cli.environment import limit_threads, name_user


def main() -> int:
    """Run the command line of this process and return its exit code."""
    limit_threads()
    name_user()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
