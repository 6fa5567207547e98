"""The keywords of ``ResultsWriter``: what was asked for, and what was said before it began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dfd.outputs.run_log import RunLog
from dfd.settings import ScoreSettings, private_keys, record_of


@dataclass(frozen=True)
class RunOptions:
    """What a run was asked for."""

    settings: ScoreSettings
    record: Mapping[str, Any] = field(default_factory=dict)
    """What ``run.json`` says of it."""
    log: RunLog = field(default_factory=RunLog)
    """What was said before the folder of the results was known."""

    @classmethod
    def of(
        cls,
        settings: ScoreSettings | None = None,
        log: RunLog | None = None,
        record: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - fields of ScoreSettings
    ) -> RunOptions:
        """From the keywords of a bundle's configuration.

        Args:
            settings: Of the run.
            log: Where messages go.
            record: Entries of ``run.json`` besides ``settings``, or in their place.
            **options: Fields of ``ScoreSettings``, one by one, as bundles of earlier versions have
                them.

        Raises:
            TypeError: there is no such option.
            UsageError: the options contradict each other.
        """
        given = settings or ScoreSettings(Path())
        asked = replace(given, **options) if options else given
        known = record_of(asked)
        if settings is None:  # the paths and the seed are those of the record, if they are known
            known = {key: known[key] for key in known if key in options}
        return cls(asked, {**known, **(record or {})}, log or RunLog())

    def shown(self) -> dict[str, Any]:
        """The record; of a run without names, without the paths of the user."""
        hidden = private_keys() if self.settings.anonymous else frozenset()
        return {key: value for key, value in self.record.items() if key not in hidden}
