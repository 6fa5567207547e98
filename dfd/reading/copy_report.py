"""What a run says of slices that a folder holds twice."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dfd.reading.copies import uids_shared
from dfd.records import Series, SliceRef

logger = logging.getLogger(__name__)


def report_copies(series: Sequence[Series], *, named: bool = True) -> None:
    """Say which copies are left out (those with a name of their own only where ``named``).

    And that identifiers repeat.
    """
    pairs = [
        (copy, of) for one in series for copy, of in one.copies if named or not is_named(copy, of)
    ]
    if pairs:
        copy, original = pairs[0]
        words = "slice is" if len(pairs) == 1 else "slices are"
        message = "%d %s left out, since another file holds the same, as %s does for %s"
        logger.warning(message, len(pairs), words, original.path, copy.path)
    shared = sum(uids_shared(one.slices).total() for one in series)
    if shared:
        message = (
            "%d slices differ and share their SOPInstanceUID with others, as a faulty export "
            "writes: they are taken as different slices"
        )
        logger.warning(message, shared)


def is_named(copy: SliceRef, original: SliceRef) -> bool:
    """Whether nothing in the header of a copy says that it is one.

    Its SOPInstanceUID is another, or missing.
    """
    return not copy.sop_uid or copy.sop_uid != original.sop_uid
