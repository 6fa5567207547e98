"""How a field of a settings record is called on a command line and in a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any


class Value(StrEnum):
    """What a word of the command line stands for; ``dfd.cli.flags`` reads each."""

    SWITCH = "switch"
    """Not a word: the flag alone turns the option on, or off where it is on by default."""
    TEXT = "text"
    PATH = "path"
    DEVICE = "device"
    COUNT = "count"
    """Whole number from 0."""
    POSITIVE = "positive"
    """Whole number from 1."""
    SEED = "seed"
    HOURS = "hours"
    MODALITY = "modality"
    DATE = "date"
    SHARD = "shard"
    """One of several equal shares, such as ``2/8``."""


@dataclass(frozen=True, slots=True)
class Option:
    """How a field is called outside Python."""

    help: str
    """For ``--help``; the default stands in it where it helps."""
    value: Value = Value.SWITCH
    metavar: str = ""
    flag: str = ""
    """Of the verbs, where it is not the name of the field."""
    catalogue: str = ""
    """Of the catalogue's form, where it is not the name of the field."""
    former: tuple[str, ...] = ()
    """Flags it was called before; they work, with a warning."""
    key: str = ""
    """In a bundle's configuration; empty: it is one of the keys of ``settings`` there."""
    in_bundle: bool = True
    """Whether a bundle's configuration has it."""
    recorded: bool = True
    """Whether ``run.json`` says it; False where no result depends on it."""
    private: bool = False
    """Whether it names a path of the user, though its value need not be one."""


def option(help_text: str, **named: Any) -> Mapping[str, Option]:  # noqa: ANN401 - fields of Option
    """Metadata of a field that is an option; ``named``: further fields of :class:`Option`."""
    return {"option": Option(help_text, **named)}


@dataclass(frozen=True, slots=True)
class NamedOption:
    """A field of a settings record together with its option."""

    name: str
    default: object
    """``MISSING`` where a value must be given."""
    option: Option

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is MISSING

    @property
    def turns_off(self) -> bool:
        """Whether its flag turns it off."""
        return self.option.value is Value.SWITCH and self.default is True

    @property
    def flag(self) -> str:
        """The words of its flag of a verb, between hyphens."""
        return self.option.flag or ("no-" if self.turns_off else "") + self.name.replace("_", "-")

    @property
    def catalogue_flag(self) -> str:
        """The words of its flag in the catalogue's form, between underscores."""
        return self.option.catalogue or ("no_" if self.turns_off else "") + self.name

    @property
    def meaning(self) -> str:
        """What a value means, for who sets the field in Python."""
        if self.option.value is not Value.SWITCH:
            return self.option.help
        return f"{not self.default}: {self.option.help}"

    @property
    def record_key(self) -> str:
        """Its key in ``run.json``."""
        return self.option.key or self.name

    @property
    def key(self) -> str:
        """Where a bundle's configuration holds it, in MONAI's words."""
        return self.option.key or f"settings::{self.name}"


def options_of(record: type) -> Iterator[NamedOption]:
    """The options of a settings record, in the order of its fields."""
    for each in fields(record):
        if "option" in each.metadata:
            yield NamedOption(each.name, each.default, each.metadata["option"])
