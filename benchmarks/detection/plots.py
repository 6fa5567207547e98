"""The pictures of the benchmark.

ROC curves of each form beside the baselines, accuracy of p-values, and detection by click offset,
size and strength.

Colours are those of Okabe and Ito (2008, Color Universal Design), which people with any common
colour blindness tell apart; every line has its own dashes or marker as well.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.metrics.bootstrap import LEVEL
from benchmarks.metrics.roc import FloatArray, auc
from dfd.outputs.files import write_atomically

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#7F7F7F",
    "#A0522D",
    "#000000",
)
DASHES = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1, 1, 1, 1, 1)),
    (0, (1, 1)),
    (0, (8, 2)),
    (0, (3, 1)),
    (0, (4, 2, 1, 2)),
)
MARKERS = ("o", "s", "^", "D", "v")
DPI, PALETTE = 100, 128
"""Dots per inch and colours of a picture: every one stays below 80 kB."""
PANEL_IN = (4.3, 4.4)
CALIBRATION_DRAWS = 300
SMALLEST_P = 1e-3
"""Where the axis of p-values begins."""


def save(figure: Figure, path: Path) -> Path:
    """Writes the picture, whole or not at all, in a few dozen colours."""
    image, stream = io.BytesIO(), io.BytesIO()
    figure.savefig(image, format="png", dpi=DPI)
    Image.open(image).convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(
        stream, format="PNG", optimize=True
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stream.getvalue())
    return path


def _legend(panel: Axes, title: str = "") -> None:
    """Below the panel, where it hides no line."""
    panel.legend(
        fontsize=7,
        title=title,
        title_fontsize=7,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=2,
        frameon=False,
    )


def _figure(columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(PANEL_IN[0] * columns, PANEL_IN[1]), layout="constrained")
    axes = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for each in axes:
        each.grid(visible=True, color="0.88", linewidth=0.6)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def roc_points(edited: FloatArray, genuine: FloatArray) -> tuple[FloatArray, FloatArray]:
    """False-alarm and detection rate at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([edited, genuine]))
    false, detected = (
        1.0 - np.searchsorted(np.sort(side), thresholds, side="left") / len(side)
        for side in (genuine, edited)
    )
    return np.concatenate([[0.0], false[::-1]]), np.concatenate([[0.0], detected[::-1]])


def roc(forms: Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]]) -> Figure:
    """One panel per form: all its edits against the controls, by every detector (ours first)."""
    figure, axes = _figure(max(1, len(forms)))
    for panel, (form, detectors) in zip(axes, forms.items(), strict=False):
        for place, (name, (edited, genuine)) in enumerate(detectors.items()):
            if not len(edited) or not len(genuine):
                continue
            false, detected = roc_points(edited, genuine)
            width, above = (2.4, 3) if place == 0 else (1.3, 2)
            words = f"{name} ({auc(edited, genuine):.2f})"
            style: dict[str, Any] = {
                "color": COLOURS[place % len(COLOURS)],
                "linestyle": DASHES[place % len(DASHES)],
            }
            panel.plot(
                np.maximum(false, 0.5 / len(genuine)),
                detected,
                linewidth=width,
                zorder=above,
                label=words,
                **style,
            )
        even = np.geomspace(1e-4, 1.0, 200)
        panel.plot(even, even, color="0.6", linewidth=0.8, zorder=1, label="chance (0.50)")
        panel.set(xscale="log", xlim=(2e-3, 1.0), ylim=(-0.03, 1.03), title=form)
        panel.set(xlabel="false alarms on genuine controls (share)", ylabel="edits found (share)")
        _legend(panel, "detector (AUC)")
    return figure


def calibration(
    values: Mapping[str, Mapping[str, FloatArray]], patients: int, rng: np.random.Generator
) -> Figure:
    """Nominal against realised false alarms of clean controls.

    Args:
        values: way of leaving out -> patient -> p-values of the controls.
        patients: on how many the p-values stand; below 1 / (1 + patients) they are extrapolated.
        rng: for the bands, which hold 95 % of patients drawn again.
    """
    figure, axes = _figure(1)
    panel = axes[0]
    nominal = np.geomspace(SMALLEST_P, 1.0, 100)
    limit = 1.0 / (1 + patients)
    panel.axvspan(
        SMALLEST_P, limit, color="0.94", zorder=0, label=f"smaller than {patients} patients support"
    )
    panel.plot(nominal, nominal, color="0.5", linewidth=1.0, label="as promised")
    for place, (name, by_patient) in enumerate(values.items()):
        each = np.asarray(
            [_below(p_values, nominal) for p_values in by_patient.values() if len(p_values)]
        ).reshape(-1, len(nominal))
        if len(each):
            _draw_rates(panel, (nominal, each), rng, place, f"{name} ({len(each)} patients)")
    panel.set(xscale="log", yscale="log", xlim=(SMALLEST_P, 1.0), ylim=(SMALLEST_P, 1.1))
    panel.set(
        xlabel="nominal p-value",
        ylabel="clean controls at or below it\n(share, mean over patients)",
    )
    panel.set_title("false alarms: promised and realised")
    _legend(panel)
    return figure


def _draw_rates(
    panel: Axes,
    rates: tuple[FloatArray, FloatArray],
    rng: np.random.Generator,
    place: int,
    label: str,
) -> None:
    """The mean of ``rates`` (nominal ``[n]``, realised ``[patients, n]``) with its band."""
    nominal, each = rates
    resampled = each[rng.integers(0, len(each), (CALIBRATION_DRAWS, len(each)))].mean(axis=1)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    panel.fill_between(
        nominal,
        np.maximum(low, SMALLEST_P / 2),
        np.maximum(high, SMALLEST_P / 2),
        color=COLOURS[place],
        alpha=0.15,
        linewidth=0,
    )
    realised = np.where(each.mean(axis=0) > 0, each.mean(axis=0), np.nan)
    style: dict[str, Any] = {"color": COLOURS[place], "linestyle": DASHES[place], "linewidth": 1.8}
    panel.plot(nominal, realised, label=label, **style)


def _below(values: FloatArray, limits: FloatArray) -> FloatArray:
    result: FloatArray = np.searchsorted(np.sort(values), limits, side="right") / len(values)
    return result


def curves(
    points_by_name: Mapping[str, Sequence[Mapping[str, Any]]],
    label: str,
    mark: tuple[float, str] | None = None,
) -> Figure:
    """AUC and sensitivity at 5 % false-positive rate along a curve, a line for each attack.

    With 95 % intervals over patients.

    Args:
        points_by_name: attack -> points as ``benchmarks.detection.summary.curve`` gives them.
        label: of the horizontal axis, with its unit.
        mark: a place to be marked, and what it is.
    """
    figure, axes = _figure(2)
    for panel, key, words in zip(
        axes,
        ("auc", "found at 0.05"),
        ("AUC", "sensitivity at 5 % false-positive rate"),
        strict=True,
    ):
        for place, (name, points) in enumerate(points_by_name.items()):
            at, value = (
                np.asarray([point[which] for point in points], dtype=np.float64)
                for which in ("at", key)
            )
            bounds = np.asarray(
                [point[f"{key} interval"] for point in points], dtype=np.float64
            ).reshape(-1, 2)
            reach = np.nan_to_num(np.abs(bounds - value[:, None]).T)
            style: dict[str, Any] = {
                "color": COLOURS[place % len(COLOURS)],
                "linestyle": DASHES[place % len(DASHES)],
            }
            style |= {
                "marker": MARKERS[place % len(MARKERS)],
                "markersize": 5,
                "linewidth": 1.6,
                "capsize": 2.5,
            }
            panel.errorbar(at + (place - 1) * _step(at), value, yerr=reach, label=name, **style)
        if mark:
            panel.axvline(mark[0], color="0.5", linewidth=1.0, linestyle=":", label=mark[1])
        if key == "auc":
            panel.axhline(0.5, color="0.6", linewidth=0.8)
        panel.set(ylim=(-0.03, 1.03), xlabel=label, ylabel=words)
        _legend(panel)
    return figure


def _step(at: FloatArray) -> float:
    """How far lines are shifted so that their bars do not hide each other."""
    return 0.008 * float(np.ptp(at)) if len(at) else 0.0
