"""The benchmark of speed as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.runner import cli
from benchmarks.speed.limits import LIMITS

Parts = Mapping[str, Mapping[str, Any]]
TIMED = (
    "one_point",
    "screening",
    "in_series",
    "hundred_points",
    "thousand_points",
    "slices_200",
    "slices_2000",
    "commands",
)
"""Those that are measured in seconds."""


def measured(parts: Parts) -> dict[str, float]:
    """What was measured for each of ``LIMITS``, by name."""
    return {limit.name: limit.measured(parts) for limit in LIMITS}


def markdown(content: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    parts, machine = content["parts"], content["parts"]["one_point"]["machine"]
    height, width = parts["one_point"]["window"]
    text = [
        "# Speed and memory",
        f"{content['material']}; {machine['cores']} cores, {machine['threads']} threads, "
        f"device {machine['device']}, bfloat16 arithmetic "
        f"{'yes' if machine['bf16 on cpu'] else 'no'}, load before "
        f"{machine['load before']:.1f}. Medians, warm, in process unless said. Predicted window "
        f"of the one-point slice: {height} x {width} of 512 x 512.",
        cli.table(["what", "measured", "wanted", "kept"], _limit_rows(parts)),
        cli.table(["part", "what", "seconds"], _timing_rows(parts)),
        f"Regions per second: {_rates(parts['screening']['regions per second'])}. Crops per "
        f"second in training: {_rates(parts['training']['crops per second'])}.",
        f"The same runs with this version and with {parts['earlier']['ref']}, seconds:",
        cli.table(["run", "now", "earlier", "times as fast"], _earlier_rows(parts)),
        "Growth of a scoring run with all outputs, seconds:",
        cli.table(["axis", "size: seconds"], _growth_rows(parts["growth"]["growth"])),
        "Other ways to run the same weights (one slice):",
        cli.table(
            ["engine", "seconds", "times as fast", "nats per pixel lost"], _engine_rows(parts)
        ),
        *(_of_networks(parts["networks"]["networks"]) if "networks" in parts else []),
    ]
    return "\n\n".join(text)


def _limit_rows(parts: Parts) -> list[list[str]]:
    """What was measured for each of ``LIMITS``, and whether it is met."""
    values = [(limit, limit.measured(parts)) for limit in LIMITS]
    return [
        [limit.name, f"{value:.2f}", limit.wanted, "yes" if limit.met(value) else "**no**"]
        for limit, value in values
    ]


def _timing_rows(parts: Parts) -> list[list[str]]:
    """Seconds of each part."""
    return [
        [part.replace("_", " "), name, f"{value:.3f}"]
        for part in TIMED
        for name, value in parts[part]["seconds"].items()
    ]


def _rates(rates: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in rates.items())


def _earlier_rows(parts: Parts) -> list[list[str]]:
    """This version beside the earlier one."""
    return [
        [run, *(f"{each[key]:.2f}" for key in ("now", "earlier", "times as fast"))]
        for run, each in parts["earlier"]["runs"].items()
    ]


def _growth_rows(growth: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    return [
        [axis, ", ".join(f"{size}: {value:.2f}" for size, value in seconds.items())]
        for axis, seconds in growth.items()
    ]


def _engine_rows(parts: Parts) -> list[list[str]]:
    """Seconds and likelihood of each other way to run the same weights."""
    forms = (("seconds", ".3f"), ("times as fast", ".2f"), ("nats lost", "+.4f"))
    return [
        [name, *(f"{entry[key]:{form}}" for key, form in forms)]
        for name, entry in parts["engines"]["engines"].items()
    ]


def _of_networks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The comparison of networks that were trained from scratch."""
    cells = [
        [
            row["network"],
            str(row["weights"]),
            str(row["passes"]),
            f"{row['slice cpu seconds']:.2f}",
            f"{row['val nll']:.4f}",
        ]
        for row in rows
    ]
    return [
        f"Networks, each trained from scratch for {rows[0]['cpu seconds']:.0f} s of CPU time "
        f"on the same {rows[0]['crops']} crops "
        f"({rows[0]['modality']}); validated on patients left out, every pixel hidden by the "
        "network's own lattice, in units of the noise scale:",
        cli.table(["network", "weights", "passes", "CPU seconds a slice", "nats per pixel"], cells),
    ]
