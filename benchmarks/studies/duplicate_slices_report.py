"""The study of duplicates in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.runner import cli
from dfd.repository.duplicate_match import SHARED_NOISE, SOME_NOISE
from dfd.repository.fingerprint_index import BITS, THRESHOLD

LARGEST = 10_000_000
"""Slices of the largest repository that is planned for."""
LARGEST_RATE = 1e-9
"""Of false matches, a pair."""


def text_of(content: Mapping[str, Any]) -> str:
    """The report of the study."""
    held_out = content["side"] == "held out"
    return "\n\n".join(
        [
            "# Slices that occur twice" + (", patients held out" if held_out else ""),
            _whose(held_out=held_out),
            f"{content['slices']} slices have a fingerprint, {sum(content['without'].values())} "
            f"none. Near: at most {THRESHOLD} of {BITS} bits differ. Same noise: near, and the "
            f"noise of the aligned pixels correlates by {SHARED_NOISE} or more; below {SOME_NOISE} "
            "a near pair is not listed.",
            "## Slices of two patients",
            _tail(content["false matches"], content["correlations"]),
            *([_limits(content["limits"])] if not held_out else []),
            "## Different slices",
            "Listed: same noise, and the two do not lie where slices of one study may share raw "
            "data. Pairs of one patient count as one study here.",
            _between(content["kinds"]),
            "## Changed copies",
            _copies(content["recall"]),
        ]
    )


def _whose(*, held_out: bool) -> str:
    if held_out:
        return (
            "Pairs of which one slice at least is of a patient kept for the test "
            "(`benchmarks/split.json`), measured once with this code. What that is worth: the "
            "limits of correlation were set by figures of the other patients, when an earlier "
            f"table of all slices had been seen. The limit of {THRESHOLD} bits was taken over from "
            "the first version, which was tried out on all slices, these among them; the rule on "
            "the other patients that gives it was written down later. The filters of the "
            "fingerprint (their widths, the anchor) are those of the first version, and no "
            "alternative was compared on the others. For these two the figures are no untouched "
            "test."
        )
    return (
        "Training and validation patients of `benchmarks/split.json`, and the patients of ct2. "
        "The limits of correlation and distance follow from these figures. The filters of the "
        "fingerprint are those of the first version, which had seen the patients kept for the "
        "test too; their figures are in `duplicate_slices_test.md`."
    )


def _tail(tail: Mapping[str, Any], checked: Mapping[str, Any]) -> str:
    pairs = LARGEST * (LARGEST - 1) / 2
    return (
        f"{tail['pairs']} pairs of {tail['slices']} slices of {tail['patients']} patients were "
        f"compared, eight turns each: {tail['within threshold']} are near, the smallest distance "
        f"is {tail['smallest']}. The count alone says below "
        f"{tail['upper bound at 95 % from the count alone']:.1g} a pair (95 %). What lies below "
        "is an extrapolation of the distribution of distances to the limit: "
        f"{tail['binomial']:.1g} a pair where the bits behave as the {tail['effective bits']} "
        "independent ones that their variance says, and "
        f"{tail['exponential']:.1g} where the tail goes on as steeply as its lowest thousandth "
        f"({tail['pairs in the tail']} pairs), which is too pessimistic for a bounded sum. Among "
        f"{LARGEST:,} slices ({pairs:.0e} pairs) that would be {pairs * tail['binomial']:.1g} to "
        f"{pairs * tail['exponential']:.1g} near pairs by chance, so no near pair is believed "
        "before its pixels were compared.\n\n"
        f"Of the {checked['pairs']} nearest pairs of two patients the noise of the aligned pixels "
        f"correlates by {checked['median']:.2f} (median), {checked['99 %']:.2f} (99 %), "
        f"{checked['largest']:.2f} (largest)."
    )


def _limits(rates: Mapping[str, float]) -> str:
    """The rule for the limit of distance."""
    kept = max(int(limit) for limit, rate in rates.items() if rate < LARGEST_RATE)
    listed = ", ".join(f"{rate:.1g} at {limit}" for limit, rate in rates.items())
    return (
        f"The limit of distance is the largest multiple of eight at which the pessimistic "
        f"extrapolation stays below {LARGEST_RATE:g} a pair: {listed} bits, so {kept}. The first "
        "version had used it before, so the rule confirms it rather than having found it."
    )


def _between(kinds: list[Mapping[str, Any]]) -> str:
    header = ["folder", "what two slices have in common", "pairs", "smallest distance", "median"]
    header += ["near", "same noise", "listed", "largest correlation"]
    rows = [
        [
            *(line["folder"], line["kind"], str(line["pairs"]), str(line["smallest"])),
            *(f"{line['median']:g}", str(line["near"]), str(line["same noise"])),
            str(line["listed"]),
            f"{line['largest correlation']:.2f}" if line["near"] else "",
        ]
        for line in kinds
    ]
    return cli.table(header, rows)


def _copies(recall: list[Mapping[str, Any]]) -> str:
    header = ["bundle", "change", "slices", "median distance", "median correlation", "near"]
    rows = [
        [
            *(line["modality"], line["change"], str(line["slices"])),
            *(f"{line['median distance']:g}", f"{line['median correlation']:.2f}"),
            *(f"{line['near']:.2f}", f"{line['same noise']:.2f}", f"{line['identical']:.2f}"),
        ]
        for line in recall
    ]
    return cli.table([*header, "same noise", "identical pixels"], rows)
