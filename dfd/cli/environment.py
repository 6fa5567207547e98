"""What a container does not say by itself: how many processors it may use, and who runs it."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
THREADS = "OMP_NUM_THREADS"


def limit_threads(cgroup: Path = CGROUP) -> None:
    """Set ``OMP_NUM_THREADS`` to the container's quota where that is less than the processors.

    What the user has set stays.

    Libraries count the processors of the machine, and a hundred threads on a quota of eight mostly
    wait. To be called before torch is loaded.
    """
    quota = quota_of(cgroup)
    if THREADS not in os.environ and quota is not None and quota < len(os.sched_getaffinity(0)):
        os.environ[THREADS] = str(quota)


def name_user() -> None:
    """Set ``USER`` where the system does not know this uid.

    MONAI asks for the name when it is imported, and fails without one.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter since Python 3.13
        os.environ["USER"] = str(os.getuid())


def quota_of(cgroup: Path) -> int | None:
    """Whole processors of time that the control group grants, at least 1 (kernel documentation.

    Cgroup-v2 ``cpu.max``, v1 ``cpu.cfs_quota_us``).

    None where it grants them all, or says nothing.
    """
    with suppress(OSError, ValueError):
        granted, each = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        return None if granted == "max" else max(1, int(granted) // int(each))
    with suppress(OSError, ValueError):
        quota, period = (
            int((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii"))
            for name in ("quota", "period")
        )
        return None if quota < 0 else max(1, quota // period)
    return None
