"""Run-local names in place of file and folder names, for results that leave the house."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from dfd.points import role_of
from dfd.records import Evidence, Finding, Point

HIDDEN = "(hidden)"
_QUOTED = re.compile(r"\"[^\"]*\"|(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)")
_PATH_LIKE = re.compile(r"[^\s'\"(,;]*[/\\][^\s'\"),;]*|[^\s'\"(,;/\\]+\.(?:dcm|nii|gz)\b", re.IGNORECASE)
_NUMERIC = re.compile(r"[-+0-9.,eE]*")
_PLAIN_NUMBER = re.compile(r"[0-9]{1,3}")


class LocalNames:
    """Names such as slice-0001, one per file, in the order in which a run meets them; the key is not kept anywhere."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Number the files of ``findings``: those of the points first, then further sources of copies."""
        self._names: dict[str, str] = {"": ""}
        self._count = 0
        for finding in findings:
            self._add(_file_of(finding.point))
        for finding in findings:
            self._names.setdefault(finding.point.filename, self._names[_file_of(finding.point)])
        for finding in findings:
            self._add(finding.source_file)
        self._folders = {part for name in self._names for part in PurePath(name.replace("\\", "/")).parent.parts}

    def _add(self, name: str) -> None:
        if name not in self._names:
            self._count += 1
            self._names[name] = f"slice-{self._count:04d}"

    def hide(self, findings: Sequence[Finding]) -> list[Finding]:
        """The same findings without names of files and folders."""
        return [self._hide_one(finding) for finding in findings]

    def _hide_one(self, finding: Finding) -> Finding:
        point = finding.point
        alias = self._names[_file_of(point)]
        whole, parts, outer = self._spellings(finding)
        for_messages, for_cells = _longest_first({**parts, **whole}), _longest_first({**outer, **parts, **whole})
        cells = {name: self._cell(name, cell, alias, for_cells) for name, cell in point.cells.items()}
        return replace(
            finding,
            point=replace(point, filename=alias, path=None, cells=cells, error=_message(point.error, for_messages)),
            source_file=self._names[finding.source_file],
            reason=_message(finding.reason, for_messages),
            error=_message(finding.error, for_messages),
            evidence=tuple(self._hide_evidence(each, for_messages) for each in finding.evidence),
        )

    def _hide_evidence(self, found: Evidence, spellings: Mapping[str, str]) -> Evidence:
        reason, obstacle = _message(found.reason, spellings), _message(found.obstacle, spellings)
        return replace(found, reason=reason, obstacle=obstacle, source_file=self._names.get(found.source_file, HIDDEN))

    def _spellings(self, finding: Finding) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """What could name the files of a finding -> what stands in its place: names of files, of their folders, of folders further out.

        The last are for cells only: they hold words such as ``data``, which sentences need.
        """
        whole: dict[str, str] = {}
        parts: dict[str, str] = {}
        # A sentence may name the slice that a piece of evidence points at also where the finding as a whole does not.
        beside = [each.source_file for each in finding.evidence]
        for text in (_file_of(finding.point), finding.point.filename, finding.source_file, *beside):
            path = PurePath(text.replace("\\", "/"))
            alias = self._names.get(text, HIDDEN) if text != finding.point.filename else self._names[_file_of(finding.point)]
            whole.update(dict.fromkeys((text, str(path), path.name, path.stem), alias))
            parts.update(dict.fromkeys((*path.parent.parts[-1:], *(() if path.is_absolute() else path.parent.parts)), HIDDEN))
        outer = dict.fromkeys(finding.point.path.parent.parts if finding.point.path else (), HIDDEN)
        return whole, parts, outer

    def _cell(self, name: str, cell: str, alias: str, spellings: Mapping[str, str]) -> str:
        role = role_of(name)
        if role == "filename":
            return alias
        if role:
            return cell if _NUMERIC.fullmatch(cell) else HIDDEN
        # A column of patients names the folder of other rows too, also of rows whose own file was not found.
        return HIDDEN if cell in self._folders else _swap(cell, spellings)


def _file_of(point: Point) -> str:
    return str(point.path or point.filename)


def _longest_first(spellings: Mapping[str, str]) -> dict[str, str]:
    usable = [text for text in spellings if len(text) > 1 and not _PLAIN_NUMBER.fullmatch(text)]
    return {text: spellings[text] for text in sorted(usable, key=len, reverse=True)}


def _message(text: str, spellings: Mapping[str, str]) -> str:
    """A sentence without names: known ones swapped, and whatever is quoted or looks like a path hidden."""
    swapped = _swap(text, spellings)
    return _PATH_LIKE.sub(HIDDEN, _QUOTED.sub(HIDDEN, swapped))


def _swap(text: str, spellings: Mapping[str, str]) -> str:
    for known, alias in spellings.items():
        if known in text:
            text = re.sub(rf"(?<![\w-]){re.escape(known)}(?![\w-])", alias, text)
    return text
