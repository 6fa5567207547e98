"""The rivals that every number of ours is compared with, in the same run and on the same regions. A new one is one file beside this one and one line here."""

from __future__ import annotations

from functools import partial

from benchmarks.baselines import back_in_time, state
from benchmarks.baselines.base import DIRECTION, Baseline, SliceView
from dfd.modalities import Modality

BASELINES: dict[str, Baseline] = {
    "BTD-like": Baseline(partial(back_in_time.prepare, name="btd"), back_in_time.measure, back_in_time.SOURCE, state="btd"),
    "BTD-like without clip": Baseline(
        partial(back_in_time.prepare, name="btd_unclipped"), back_in_time.measure, back_in_time.SOURCE, ("ct_lung",), "btd_unclipped"
    ),
}


def ready(modality: Modality) -> list[str]:
    """Names of the baselines that can be measured now: those of the modality whose state, if they have one, is there."""
    return [
        name
        for name, baseline in BASELINES.items()
        if modality.name in baseline.modalities and (not baseline.state or state.place(baseline.state, modality.name).exists())
    ]


__all__ = ["BASELINES", "DIRECTION", "Baseline", "SliceView", "ready"]
