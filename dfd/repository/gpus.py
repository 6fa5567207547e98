"""Which GPU a worker of this machine computes on."""

from __future__ import annotations

from importlib.metadata import version


def gpus_for(device: str) -> int:
    """GPUs that workers compute on; 0 where they use processors.

    Args:
        device: as of ``--device``.
    """
    if device.startswith("cuda:"):
        return 1
    # A build for processors says so in its version, and torch takes seconds to import.
    if device not in ("auto", "cuda") or version("torch").endswith("+cpu"):
        return 0
    import torch

    return int(torch.cuda.device_count())


def device_for(device: str, worker: object) -> str:
    """The device of one worker.

    Args:
        device: as of ``--device``.
        worker: its name. Those of a cluster of this machine are numbers from 0; any other cluster
            binds its workers itself.
    """
    if not isinstance(worker, int) or ":" in device:
        return device
    number = gpus_for(device)
    return f"cuda:{worker % number}" if number else device
