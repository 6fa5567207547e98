"""The baselines that our numbers are compared with, in the same run and on the same regions.

A new one is one file beside this one and one line here. A name that ends in "-like" is a scheme of
others, rebuilt as its file tells.
"""

from __future__ import annotations

from functools import partial

from benchmarks.baselines import (
    back_in_time,
    chance,
    co_occurrence,
    feature_memory,
    inpainting_error,
    noise_variance,
    state,
)
from benchmarks.baselines.base import DIRECTION, Baseline, SliceView
from dfd.modalities import Modality

BASELINES: dict[str, Baseline] = {
    "plain inpainting error": Baseline(
        inpainting_error.prepare, inpainting_error.measure, inpainting_error.SOURCE
    ),
    "BTD-like": Baseline(
        partial(back_in_time.prepare, name="btd"),
        back_in_time.measure,
        back_in_time.SOURCE,
        state="btd",
    ),
    "BTD-like without clip": Baseline(
        partial(back_in_time.prepare, name="btd_unclipped"),
        back_in_time.measure,
        back_in_time.SOURCE,
        ("ct_lung",),
        "btd_unclipped",
    ),
    "local noise variance": Baseline(
        noise_variance.prepare, noise_variance.measure, noise_variance.SOURCE
    ),
    "PatchCore-like": Baseline(
        feature_memory.prepare,
        feature_memory.measure,
        feature_memory.SOURCE,
        state=feature_memory.STATE,
    ),
    "Splicebuster-like": Baseline(
        co_occurrence.prepare, co_occurrence.measure, co_occurrence.SOURCE
    ),
    "random": Baseline(chance.prepare, chance.measure, chance.SOURCE),
}


def offered(modality: Modality) -> list[str]:
    """Names of all baselines of a modality, in the order of the table."""
    return [name for name, baseline in BASELINES.items() if modality.name in baseline.modalities]


def ready(modality: Modality) -> list[str]:
    """Names of those that can be measured now.

    They learn nothing, or what they have learned is there.
    """
    return [
        name
        for name in offered(modality)
        if not BASELINES[name].state or state.place(BASELINES[name].state, modality.name).exists()
    ]


__all__ = ["BASELINES", "DIRECTION", "Baseline", "SliceView", "offered", "ready"]
