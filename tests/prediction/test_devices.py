"""What a device is asked for, and what is asked of it."""

from __future__ import annotations

import torch

from dfd.prediction.devices import exact


def test_convolutions_on_cuda_keep_the_digits_of_float32() -> None:
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = True
        exact(torch.device("cpu"))
        assert torch.backends.cudnn.allow_tf32
        exact(torch.device("cuda:0"))
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32 = before
