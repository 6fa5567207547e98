"""How much of a file is read at most."""

from __future__ import annotations

INFLATED_LIMIT = 256 * 2**20
"""Bytes a deflated or gzipped file may grow to. A CT slice has 0.5 MiB; pydicom itself knows no
limit (1 MB became 2 GB)."""


PIXELS_LIMIT = 2 * 2**30
"""Bytes of pixels a file may announce or a file without preamble may have: a volume of 4,000 CT
slices."""
