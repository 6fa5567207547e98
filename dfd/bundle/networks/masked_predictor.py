"""The inpainting network on MONAI's U-Net, as the configurations of the bundles name it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from monai.networks.nets import UNet

from dfd.prediction.network import CHANNELS, HEAD, IN_CHANNELS, OUTPUTS, InpaintingNetwork


class MaskedPredictor(InpaintingNetwork):
    """``InpaintingNetwork`` with a residual U-Net of MONAI."""

    def __init__(
        self,
        channels: Sequence[int] = CHANNELS,
        filters: int = 12,
        filter_size: int = 7,
        num_res_units: int = 2,
        head: str = HEAD,
    ) -> None:
        backbone = partial(_unet, outputs=filters + OUTPUTS, units=num_res_units)
        super().__init__(backbone, channels, filters, filter_size, head)


def _unet(channels: Sequence[int], outputs: int, units: int) -> UNet:
    return UNet(
        spatial_dims=2,
        in_channels=IN_CHANNELS,
        out_channels=outputs,
        channels=tuple(channels),
        strides=(2,) * (len(channels) - 1),
        num_res_units=units,
        norm=None,  # a norm would wash out the noise level that the spread depends on
        act="LEAKYRELU",
    )
