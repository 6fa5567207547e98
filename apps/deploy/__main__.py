"""``python apps/deploy``: how the SDK and its packages start an app folder."""

from __future__ import annotations

import sys

from app import main

if __name__ == "__main__":
    sys.exit(main())
