"""What is kept of a slice that a run has finished, as plain JSON without points and cells.

It is all that results need besides pictures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from dfd.outputs.anonymous import LocalNames
from dfd.outputs.record_json import as_json, from_json
from dfd.outputs.report import is_kernel
from dfd.outputs.writer import KeptSlice, SliceInfo
from dfd.records import Finding, Point, Region, ScanFacts, Slice, Suspicion
from dfd.scoring.kept_grids import packed_grids, unpacked_grids
from dfd.scoring.slices import AssessedSlice

DERIVED = "DERIVED"
"""The one image type that reports speak of."""


def kept_of(assessed: AssessedSlice, scan: Slice | None, device: str) -> KeptSlice:
    """What is kept of the answers; without ``scan`` the slice could not be read."""
    pairs = zip(assessed.findings, assessed.regions, strict=True)
    placed = {finding.point.row: region for finding, region in pairs if region is not None}
    for row, answer in assessed.screenings.items():
        placed[row] = Region(math.nan, math.nan, answer.radius_px, answer.finding.radius_mm)
    suspicions = {row: answer.suspicions for row, answer in assessed.screenings.items()}
    grids = {row: answer.grids for row, answer in assessed.screenings.items()}
    return KeptSlice(tuple(assessed.findings), placed, suspicions, _info(scan), device, grids)


def _info(scan: Slice | None) -> SliceInfo | None:
    if scan is None:
        return None
    rows, columns = scan.pixels.shape
    return SliceInfo(scan.facts, (int(rows), int(columns)))


def packed(kept: KeptSlice) -> dict[str, Any]:
    """As JSON. Rows stand for their points, which a run reads from its own input."""
    points = {finding.point.row: finding.point for finding in kept.findings}
    suspicions = {
        row: [
            {
                "at": _changes(each.finding.point, points[row]),
                "expected": each.expected_false_alarms,
                "finding": _bare(each.finding),
            }
            for each in found
        ]
        for row, found in kept.suspicions.items()
    }
    return {
        "rows": list(kept.rows),
        "findings": [_bare(finding) for finding in kept.findings],
        "regions": as_json(kept.regions),
        "suspicions": as_json(suspicions),
        "info": as_json(kept.info),
        "device": kept.device,
        "grids": {row: packed_grids(grids) for row, grids in kept.grids.items()},
    }


def unpacked(content: Mapping[str, Any], points: Mapping[int, Point]) -> KeptSlice:
    """The slice that :func:`packed` made ``content`` of.

    Args:
        content: JSON.
        points: those of the run, by row.

    Raises:
        ValueError: it is none, or is about other rows.
    """
    try:
        pairs = zip(content["rows"], content["findings"], strict=True)
        suspicions = {
            int(row): tuple(_suspicion(each, points[int(row)]) for each in found)
            for row, found in content["suspicions"].items()
        }
        return KeptSlice(
            tuple(_finding(found, points[row]) for row, found in pairs),
            {int(row): from_json(Region, each) for row, each in content["regions"].items()},
            suspicions,
            None if content["info"] is None else from_json(SliceInfo, content["info"]),
            str(content["device"]),
            {int(row): unpacked_grids(grids) for row, grids in content["grids"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no slice of this run: {error}") from error


def nameless(kept: KeptSlice, salt: str) -> KeptSlice:
    """The same without texts of the header that may name somebody.

    For runs whose results name nothing.

    Texts by which slices are told apart become digests, so that they can still be told apart.

    Args:
        kept: the slice.
        salt: any text that only this run has.
    """
    if kept.info is None:
        return kept
    return replace(kept, info=replace(kept.info, facts=_nameless(kept.info.facts, salt)))


def holds_names(kept: KeptSlice) -> bool:
    """Whether a sentence about the slice names a file."""
    found = [each.finding for one in kept.suspicions.values() for each in one]
    return any(_holds_name(finding) for finding in (*kept.findings, *found))


def _nameless(facts: ScanFacts, salt: str) -> ScanFacts:
    def alias(text: str) -> str:
        return hashlib.sha256(f"{salt} {text}".encode()).hexdigest()[:16] if text else ""

    return replace(
        facts,
        manufacturer="",
        model="",
        body_part="",
        kernel=facts.kernel if is_kernel(facts.kernel) else alias(facts.kernel),
        sequence=alias(facts.sequence),
        image_type=(DERIVED,) if DERIVED in facts.image_type else (),
        patient_hash=alias(facts.patient_hash),
    )


def _holds_name(finding: Finding) -> bool:
    (hidden,) = LocalNames([finding]).hide([finding])
    return _texts(hidden) != _texts(finding) or bool(finding.source_file)


def _texts(finding: Finding) -> list[str]:
    evidence = (
        text
        for each in finding.evidence
        for text in (each.reason, each.obstacle, each.source_file, *each.reason_by_form.values())
    )
    return [finding.reason, finding.error, *evidence]


def _bare(finding: Finding) -> dict[str, Any]:
    content = as_json(finding)
    del content["point"]
    return dict(content)


def _finding(content: Mapping[str, Any], point: Point) -> Finding:
    # An empty point keeps the place until the right one is put there: points are not kept.
    return replace(
        from_json(Finding, {**content, "point": {"row": 0, "filename": ""}}), point=point
    )


def _changes(point: Point, asked: Point) -> dict[str, Any]:
    """The fields in which a place in a slice differs from the row that asks about the slice."""
    names = [
        each.name
        for each in fields(Point)
        if getattr(point, each.name) != getattr(asked, each.name)
    ]
    return {name: as_json(getattr(point, name)) for name in names}


def _suspicion(content: Mapping[str, Any], point: Point) -> Suspicion:
    changes = from_json(Point, {"row": point.row, "filename": point.filename, **content["at"]})
    place = replace(point, **{name: getattr(changes, name) for name in content["at"]})
    return Suspicion(_finding(content["finding"], place), float(content["expected"]))
