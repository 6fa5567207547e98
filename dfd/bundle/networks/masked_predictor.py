"""The inpainting network on MONAI's U-Net, as the configurations of the bundles name it."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets import UNet

from dfd.prediction.network import IN_CHANNELS, OUTPUTS, InpaintingNetwork


class MaskedPredictor(InpaintingNetwork):
    """``InpaintingNetwork`` with a residual U-Net of MONAI."""

    def __init__(
        self,
        channels: Sequence[int] = (32, 48, 64, 96),
        filters: int = 12,
        filter_size: int = 7,
        num_res_units: int = 2,
        head: str = "dilated",
    ) -> None:
        def backbone() -> UNet:
            return UNet(
                spatial_dims=2,
                in_channels=IN_CHANNELS,
                out_channels=filters + OUTPUTS,
                channels=tuple(channels),
                strides=(2,) * (len(channels) - 1),
                num_res_units=num_res_units,
                norm=None,  # a norm would wash out the noise level that the spread depends on
                act="LEAKYRELU",
            )

        super().__init__(backbone, len(channels), filters, filter_size, head)
