"""Speed and memory: medians and ratios, each part in a process of its own.

    python -m benchmarks.speed.bench                # about five minutes on two idle cores
    python -m benchmarks.speed.bench --networks     # besides: networks and lattices

Each network is trained for --minutes of CPU time; the command goes on by network.

On development slices where DFD_DATA is set, else on phantoms. Timings on a busy machine mean
nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import partition
from benchmarks.runner import cli
from dfd.errors import InterruptedRunError

PARTS = (
    "one_point",
    "in_series",
    "hundred_points",
    "screening",
    "thousand_points",
    "long_series",
    "training",
    "engines",
)
TIMED = PARTS[:6]
"""Those that are measured in seconds."""
NETWORKS = "networks"
LIMITS = {
    "one point, whole way, seconds": 0.7,
    "one point, whole way with all families of evidence, seconds": 1.5,
    "one point, whole way less decoding, times the bare passes": 2.0,
    "one point in a series of 40 slices, seconds": 5.0,
    "100 points in one slice, seconds": 6.0,
    "screening, times the regions per second of the BTD-like network": 20.0,
    "1,000 points over 100 slices, peak GB": 3.0,
    "12 points in a series of 2,000 slices, peak GB": 8.0,
    "training, share of the bare loop's crops per second": 0.9,
    "training at batch 64, peak GB": 6.0,
}
"""The limits: at most, for those of ``AT_LEAST`` at least. The first was set for noise
evidence alone, the second for all families."""
AT_LEAST = (
    "training, share of the bare loop's crops per second",
    "screening, times the regions per second of the BTD-like network",
)
MARK = "RESULT "


def run_part(part: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One part, in this process.

    Heavy imports stay here: a parent that holds torch would lend its memory to its children's
    peaks.
    """
    import resource

    from benchmarks.predictor import architecture_search
    from benchmarks.speed import runtimes, stages, training

    logging.getLogger("dfd").setLevel(logging.WARNING)
    if part == NETWORKS:
        return architecture_search.run(
            folder, arguments.model, arguments.quick, arguments.minutes, arguments.modality
        )
    modules = {"engines": runtimes, "training": training}
    work = getattr(modules.get(part, stages), part)
    numbers = {**work(folder, arguments.model, arguments.quick), "machine": stages.machine()}
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {**numbers, "peak GB": peak * 1024 / 1e9}


def spawn(part: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One part in a new process.

    Raises:
        InterruptedRunError: it failed; its last line is the reason.
    """
    line = [
        sys.executable,
        "-m",
        "benchmarks.speed.bench",
        "--part",
        part,
        "--folder",
        str(folder),
        "--minutes",
        str(arguments.minutes),
        "--modality",
        arguments.modality,
    ]
    line += ["--quick"] * arguments.quick + (
        [
            "--model",
            str(Path(arguments.model).absolute())
            if Path(arguments.model).exists()
            else arguments.model,
        ]
        if arguments.model
        else []
    )
    ended = subprocess.run(line, cwd=partition.ROOT, stdout=subprocess.PIPE, text=True, check=False)
    answers = [text for text in ended.stdout.splitlines() if text.startswith(MARK)]
    if ended.returncode or not answers:
        raise InterruptedRunError(
            f"the part {part} of the benchmark ended with status {ended.returncode}; its "
            "messages are above."
        )
    result: dict[str, Any] = json.loads(answers[-1].removeprefix(MARK))
    return result


def against_limits(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """What was measured for each of ``LIMITS``."""
    values = (
        parts["one_point"]["seconds"]["whole way"],
        parts["one_point"]["seconds"]["whole way"],
        parts["one_point"]["ratio to bare passes, less decoding"],
        parts["in_series"]["seconds"]["whole way"],
        parts["hundred_points"]["seconds"]["score() with overlays"],
        parts["screening"]["times the BTD-like network"],
        parts["thousand_points"]["peak GB"],
        parts["long_series"]["peak GB"],
        parts["training"]["ratio"],
        parts["training"]["peak GB"],
    )
    return dict(zip(LIMITS, values, strict=True))


def markdown(content: Mapping[str, Any]) -> str:
    """The result as read by people."""
    parts, machine = content["parts"], content["parts"]["one_point"]["machine"]
    text = [
        "# Speed and memory",
        f"{content['material']}; {machine['cores']} cores, {machine['threads']} threads, "
        f"device {machine['device']}, bfloat16 arithmetic "
        f"{'yes' if machine['bf16 on cpu'] else 'no'}. Medians, warm, in process unless said. "
        "Predicted window of the one-point slice: "
        f"{' x '.join(map(str, parts['one_point']['window']))} of 512 x 512.",
        cli.table(["what", "measured", "wanted", "kept"], _limit_rows(parts)),
        cli.table(["part", "what", "seconds"], _timing_rows(parts)),
        "Other ways to run the same weights (one slice):",
        cli.table(
            ["engine", "seconds", "times as fast", "nats per pixel lost"], _engine_rows(parts)
        ),
    ]
    return "\n\n".join(
        [*text, *(_of_networks(parts[NETWORKS]["networks"]) if NETWORKS in parts else [])]
    )


def _limit_rows(parts: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """What was measured for each of ``LIMITS``, and whether it is met."""
    measured = against_limits(parts)
    met = {
        name: value >= LIMITS[name] if name in AT_LEAST else value <= LIMITS[name]
        for name, value in measured.items()
    }
    return [
        [
            name,
            f"{value:.2f}",
            f"{'>=' if name in AT_LEAST else '<='} {LIMITS[name]:g}",
            "yes" if met[name] else "**no**",
        ]
        for name, value in measured.items()
    ]


def _timing_rows(parts: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Seconds of each part, and the rates of screening and training."""
    seconds = [
        [part.replace("_", " "), name, f"{value:.3f}"]
        for part in TIMED
        for name, value in parts[part]["seconds"].items()
    ]
    rates = [
        ["training", f"{name}, crops per second", f"{value:.0f}"]
        for name, value in parts["training"]["crops per second"].items()
    ]
    places = [
        [
            "screening",
            "regions per second, in all",
            (
                f"{parts['screening']['regions per second']:.0f} ({parts['screening']['places']} "
                "places)"
            ),
        ]
    ]
    return [*seconds, *places, *rates]


def _engine_rows(parts: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Seconds and likelihood of each other way to run the same weights."""
    return [
        [
            name,
            *(
                f"{entry[key]:{form}}"
                for key, form in (
                    ("seconds", ".3f"),
                    ("times as fast", ".2f"),
                    ("nats lost", "+.4f"),
                )
            ),
        ]
        for name, entry in parts["engines"]["engines"].items()
    ]


def _of_networks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
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


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--networks",
        action="store_true",
        help="also compare networks and lattices (needs DFD_DATA)",
    )
    parser.add_argument(
        "--minutes", type=float, default=3.0, help="CPU minutes per network (default: %(default)s)"
    )
    parser.add_argument(
        "--part", choices=[*PARTS, NETWORKS], help="run one part only and print its numbers as JSON"
    )
    parser.add_argument(
        "--folder", type=Path, help="working folder of that part (default: a temporary one)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.part:
            print(MARK + json.dumps(run_part(arguments.part, folder, arguments)))
            return
        parts = {
            part: spawn(part, folder, arguments)
            for part in [*PARTS, *([NETWORKS] if arguments.networks else [])]
        }
    material = "development slices" if os.environ.get("DFD_DATA") else "phantoms"
    content = {
        "material": material,
        "modality": arguments.modality,
        "measured": against_limits(parts),
        "limits": LIMITS,
        "parts": parts,
    }
    cli.publish("bench", content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
