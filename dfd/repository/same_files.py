"""Files of a repository that carry one SOPInstanceUID: copies, or different slices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.errors import SeriesError
from dfd.reading.copies import stored_digest
from dfd.repository.names import below

COPY = "it holds the same pixels as {}"
SHARED = "its pixels differ from those of {}, whose SOPInstanceUID it carries; both are kept"
ELSEWHERE = "a file of another series, {}, carries its SOPInstanceUID; both are kept"


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that is one of several with its SOPInstanceUID."""

    file: str
    sop_uid: str
    series: tuple[object, ...]
    """What tells its series from others."""
    place: str


def remarks_on(claims: Sequence[Claim], root: Path) -> Mapping[str, tuple[bool, str]]:
    """File -> (whether it is a copy that is left out, what the plan says of it).

    Of files of one series with the same pixels the first one by name is kept, with no remark. Only
    of files that lie at one place are pixels read.
    """
    sharing: dict[str, list[Claim]] = defaultdict(list)
    for claim in sorted(claims, key=lambda each: each.file):
        sharing[claim.sop_uid].append(claim)
    found: dict[str, tuple[bool, str]] = {}
    for same in sharing.values():
        if len(same) > 1:
            found |= _among(same, root)
    return found


def _among(same: Sequence[Claim], root: Path) -> dict[str, tuple[bool, str]]:
    """Remarks on files that carry one SOPInstanceUID."""
    places: dict[object, list[Claim]] = defaultdict(list)
    for claim in same:
        places[claim.series, claim.place].append(claim)
    found: dict[str, tuple[bool, str]] = {}
    for claim in same[1:]:
        first = next((each for each in same if each.series == claim.series), claim)
        if first is not claim:
            found[claim.file] = False, SHARED.format(first.file)
        elif claim.series != same[0].series:
            found[claim.file] = False, ELSEWHERE.format(same[0].file)
    for rivals in places.values():
        found |= _copies(rivals, root) if len(rivals) > 1 else {}
    return found


def _copies(rivals: Sequence[Claim], root: Path) -> dict[str, tuple[bool, str]]:
    originals: dict[bytes, Claim] = {}
    found: dict[str, tuple[bool, str]] = {}
    for claim in rivals:
        try:
            digest = stored_digest(below(root, claim.file))
        except SeriesError:
            continue  # gone or damaged: said when it is screened
        original = originals.setdefault(digest, claim)
        if original is not claim:
            found[claim.file] = True, COPY.format(original.file)
    return found
