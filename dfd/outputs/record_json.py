"""Records as plain JSON and back, by the types of their fields.

Nothing is run when a file is read: it names no class.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import PurePath
from typing import Any, TypeVar, cast

import numpy as np

from dfd.sentences import marked

Record = TypeVar("Record")
_PLAIN = frozenset({type(None), bool, int, float, str})


def as_json(value: object) -> Any:  # noqa: ANN401 - what JSON has: containers, texts, numbers
    """``value`` in terms of JSON; fields of a record that hold their default are left out.

    Floats, NaN among them, stay what they are.

    Raises:
        TypeError: JSON has no form for it.
    """
    if type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = ((name, default, getattr(value, name)) for name, default in _fields(type(value)))
        return {name: as_json(each) for name, default, each in shown if not _same(each, default)}
    if isinstance(value, Mapping):
        return {
            str(name): each if type(each) in _PLAIN else as_json(each)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, str | PurePath):
        # A sentence that knows the names in it keeps them marked.
        return str(value) if isinstance(value, StrEnum | PurePath) else marked(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def from_json(kind: type[Record], content: object) -> Record:
    """The record of class ``kind`` that :func:`as_json` made ``content`` of.

    Raises:
        ValueError: it is no such record.
    """
    try:
        return cast("Record", _made(kind, content))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no {getattr(kind, '__name__', kind)}: {error}") from error


def _made(kind: Any, content: Any) -> Any:  # noqa: ANN401 - any type there is
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _one_of(inner, content)
    if origin is typing.Literal:
        return _literal(inner, content)
    if origin is tuple:
        kinds = inner[:1] * len(content) if inner[1:] == (...,) else inner
        return tuple(_made(each, one) for each, one in zip(kinds, content, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {str(name): _made(inner[1], each) for name, each in content.items()}
    return _record(kind, content) if dataclasses.is_dataclass(kind) else _plain(kind, content)


def _record(kind: Any, content: Any) -> Any:  # noqa: ANN401
    hints = _hints(kind)
    return kind(**{name: _made(hints[name], each) for name, each in content.items()})


def _plain(kind: type, content: Any) -> Any:  # noqa: ANN401
    """A number, a text, a path or a member of an enumeration."""
    if issubclass(kind, PurePath | StrEnum):
        return kind(content)
    if kind is float and isinstance(content, int | float):
        return float(content)
    if not isinstance(content, kind):
        raise TypeError(f"{kind.__name__} expected, got {type(content).__name__}")
    return content


def _literal(values: tuple[Any, ...], content: Any) -> Any:  # noqa: ANN401
    if content not in values:
        raise TypeError(f"one of {values} expected")
    return content


def _one_of(kinds: tuple[Any, ...], content: Any) -> Any:  # noqa: ANN401
    """None, or the first of the kinds that fits."""
    if content is None and type(None) in kinds:
        return None
    for kind in (each for each in kinds if each is not type(None)):
        try:
            return _made(kind, content)
        except (TypeError, KeyError, ValueError):
            continue
    raise TypeError(f"none of {len(kinds)} kinds fits")


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    return typing.get_type_hints(kind)


@lru_cache
def _fields(kind: Any) -> tuple[tuple[str, object], ...]:  # noqa: ANN401
    """Name and default of each field; nothing is the same as a default that is missing."""
    return tuple((field.name, field.default) for field in dataclasses.fields(kind))


def _same(value: object, default: object) -> bool:
    # Not ==: 0, 0.0 and False are three values, and NaN is itself.
    return value is default or (
        type(value) is type(default) and type(value) in _PLAIN and value == default
    )
