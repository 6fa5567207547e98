"""Memory that a run no longer uses goes back to the system.

The allocator of glibc keeps what was freed between blocks still in use, in a heap for each thread.
Windows of slices differ in size, so that the memory of a run would grow with the number of its
slices, and with that of its threads.
"""

from __future__ import annotations

import ctypes
from functools import cache

SLICES = 8
"""After so many slices memory is given back: oftener costs time, more seldom holds more of it."""
M_ARENA_MAX = -8
"""Of ``mallopt``: how many heaps there may be."""


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


def share_one_heap() -> None:
    """Threads that begin later take their memory from one heap.

    What one of them frees another can use then. Does nothing where the system's allocator is not
    that of glibc.
    """
    library = _c_library()
    if library is not None:
        library.mallopt(M_ARENA_MAX, 1)
