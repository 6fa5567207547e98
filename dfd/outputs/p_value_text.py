"""p-values in words, the same in reports and pictures."""

from __future__ import annotations

import math

SMALLEST_SHOWN = 1e-6
"""What is smaller stands on the extension of a tail, and its digits mean nothing."""
SMALLEST_TEXT = "0.000001"


def p_number(p: float) -> str:
    """Two digits, ``< 0.000001`` for what is smaller than digits mean, a dash for NaN."""
    if not math.isfinite(p):
        return "–"
    if p < SMALLEST_SHOWN:
        return f"< {SMALLEST_TEXT}"
    return format(p, ".2g") if p >= 1e-3 else f"{p:.1e}"


def p_equation(p: float) -> str:
    """``p = 0.023``, or ``p < 0.000001``."""
    return f"p < {SMALLEST_TEXT}" if p < SMALLEST_SHOWN else f"p = {p_number(p)}"
