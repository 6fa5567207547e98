"""The inpainting network on MONAI's U-Net, as the configurations of the bundles name it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from monai.networks.nets import UNet

from dfd.prediction.learned_statistic import LearnedStatistic
from dfd.prediction.network import CHANNELS, HEAD, IN_CHANNELS, OUTPUTS, InpaintingNetwork


class MaskedPredictor(InpaintingNetwork):
    """``InpaintingNetwork`` with a residual U-Net of MONAI.

    ``statistic``: whether it begins with an untrained learned statistic, for programs that copy
    weights name by name. ``load_state_dict`` makes one or drops it as the weights need it.
    """

    def __init__(  # noqa: PLR0913 - the keywords stand in configurations
        self,
        channels: Sequence[int] = CHANNELS,
        filters: int = 12,
        filter_size: int = 7,
        num_res_units: int = 2,
        head: str = HEAD,
        *,
        statistic: bool = False,
    ) -> None:
        backbone = partial(_unet, outputs=filters + OUTPUTS, units=num_res_units)
        super().__init__(backbone, channels, filters, filter_size, head)
        if statistic:
            self.statistic = LearnedStatistic().requires_grad_(False)


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
