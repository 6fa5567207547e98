"""Run-local names in place of file and folder names, for results that are passed on."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from dfd.points import roles_of
from dfd.points.wording import shown
from dfd.records import Evidence, Finding, Point
from dfd.sentences import ASIDE, Sentence, named, quoted

logger = logging.getLogger(__name__)

HIDDEN = "(hidden)"
_NUMERIC = re.compile(r"[-+0-9.,eE]*")
_HEADERS = {"x": "X", "y": "Y"}
"""Columns that are not called as their role is."""


class LocalNames:
    """Names such as slice-0001, one per file, in the order in which a run meets them.

    The key is not kept anywhere.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Number the files of ``findings``.

        Those of the points first, then further sources of copies.
        """
        self._names: dict[str, str] = {"": ""}
        for finding in findings:
            self._add(_file_of(finding.point))
        for finding in findings:
            self._add(_source_of(finding.point, finding.source_file)[0])

    def _add(self, file: str) -> None:
        # The empty name counts as none.
        self._names.setdefault(file, f"slice-{len(self._names):04d}")

    def hide(self, findings: Sequence[Finding]) -> list[Finding]:
        """The same findings without anything that a user named.

        Files, folders, further columns and what stands in them.

        Sentences keep all words of the program; only names that are marked in them are replaced.
        """
        return [self._hide_one(finding) for finding in findings]

    def _hide_one(self, finding: Finding) -> Finding:
        point = finding.point
        alias, known = self._names[_file_of(point)], self._known(finding)

        def instead(name: str) -> str:
            return "" if name.startswith(ASIDE) else known.get(name, HIDDEN)

        cells = {
            _HEADERS.get(role, role): _cell(role, point.cells[name], alias)
            for name, role in _roles(point).items()
            if role
        }
        return replace(
            finding,
            point=replace(
                point, filename=alias, path=None, cells=cells, error=_hidden(point.error, instead)
            ),
            source_file=self._source(point, finding.source_file),
            reason=_hidden(finding.reason, instead),
            error=_hidden(finding.error, instead),
            evidence=tuple(self._hide_evidence(each, point, instead) for each in finding.evidence),
        )

    def _hide_evidence(
        self, found: Evidence, point: Point, instead: Callable[[str], str]
    ) -> Evidence:
        return replace(
            found,
            reason=_hidden(found.reason, instead),
            obstacle=_hidden(found.obstacle, instead),
            source_file=self._source(point, found.source_file),
            reason_by_form={
                form: _hidden(text, instead) for form, text in found.reason_by_form.items()
            },
        )

    def _source(self, point: Point, source: str) -> str:
        """What stands in place of the file that something was copied from."""
        file, frame = _source_of(point, source)
        return self._names.get(file, HIDDEN) + frame

    def _known(self, finding: Finding) -> Mapping[str, str]:
        """Names that sentences of a finding may hold.

        As they are written there -> what stands in their place.
        """
        point = finding.point
        own = dict.fromkeys((point.filename, _file_of(point)), self._names[_file_of(point)])
        # A sentence may name the slice that a piece of evidence points at also where the finding as
        # a whole does not.
        sources = {
            name: self._source(point, name)
            for name in (finding.source_file, *(each.source_file for each in finding.evidence))
        }
        return {
            spelling: alias
            for name, alias in {**own, **sources}.items()
            if name
            for spelling in _spellings(name)
        }


def _roles(point: Point) -> dict[str, str]:
    """Name of each column -> what it means.

    Results without names call it that, since the name as written may hold anything in brackets.
    """
    names = tuple(point.cells)
    return dict(zip(names, roles_of(names), strict=True))


def columns_left_out(points: Iterable[Point]) -> list[str]:
    """Columns of the points file that results without names do not carry.

    Since nobody knows what they hold.
    """
    return list(
        dict.fromkeys(name for point in points for name, role in _roles(point).items() if not role)
    )


def tell_columns_left_out(points: Iterable[Point]) -> None:
    """Name the columns that are left out to the user.

    A run.log without names keeps their number alone, since a header may name somebody too.
    """
    names = columns_left_out(points)
    if names:
        one = "%d further column of the points file is left out of results without names: %s"
        several = "%d further columns of the points file are left out of results without names: %s"
        message = one if len(names) == 1 else several
        logger.info(message, len(names), ", ".join(names))


def _file_of(point: Point) -> str:
    return str(point.path or point.filename)


def _source_of(point: Point, source: str) -> tuple[str, str]:
    """The file that a source is in, named as those of points are, and the words on its frame.

    Sources are named from the slice's own folder on.
    """
    if not source or point.path is None:
        return source, ""
    own, frame = point.path.name, source.removeprefix(point.path.name)
    if source.startswith(own) and re.fullmatch(r" \(frame [0-9]+\)", frame):
        return str(point.path), frame
    return str(point.path.parent / source), ""


def _spellings(name: str) -> set[str]:
    """How sentences write a name: as it is, quoted, shortened."""
    return {spelling for mark in (named, quoted, shown) for spelling in Sentence(mark(name)).names}


def _hidden(text: str, instead: Callable[[str], str]) -> str:
    return text.with_names(instead) if isinstance(text, Sentence) else text


def _cell(role: str, cell: str, alias: str) -> str:
    if role in {"filename", "slice_file"}:
        return alias
    return cell if _NUMERIC.fullmatch(cell) else HIDDEN
