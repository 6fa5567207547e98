"""Memory that a run no longer uses goes back to the system.

The allocator of glibc keeps what was freed between blocks still in use. Windows of slices differ in
size, so that the memory of a run would grow with the number of its slices.
"""

from __future__ import annotations

import ctypes
from functools import cache

SLICES = 8
"""After so many slices memory is given back: oftener costs time, more seldom holds more of it."""


@cache
def _c_library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:  # another system, or a Linux without glibc
        return None
    return library if hasattr(library, "malloc_trim") else None


def give_back_freed_memory() -> None:
    """Does nothing where the system's allocator is not that of glibc."""
    library = _c_library()
    if library is not None:
        library.malloc_trim(0)
