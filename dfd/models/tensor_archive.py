"""Reads the zip archive that ``torch.save`` writes without torch, whose import takes seconds.

An archive holds ``data.pkl``, a pickle of plain containers in which each tensor names a storage,
and the storages as they lie in memory (torch/csrc/jit/docs/serialization.md). The pickle is not
run: its operations are listed by ``pickletools`` and followed here, containers and tensors only.
"""

from __future__ import annotations

import math
import pickletools
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

LARGEST_PICKLE = 1 << 24
"""Bytes of ``data.pkl``; that of a network is a few kilobytes."""
STORAGES: Mapping[str, tuple[str, int]] = {
    "torch DoubleStorage": ("torch.float64", 8),
    "torch FloatStorage": ("torch.float32", 4),
    "torch HalfStorage": ("torch.float16", 2),
    "torch LongStorage": ("torch.int64", 8),
}
"""Storage class -> type of its numbers as torch prints it, and bytes of each."""
DICTIONARY, TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"


class UnknownArchiveError(Exception):
    """Something that this reader does not know; torch may."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as it lies in a file."""

    shape: tuple[int, ...]
    dtype: str
    """As torch prints it."""
    content: bytes | memoryview
    """Its numbers in order of rows, little-endian."""


@dataclass(frozen=True)
class _Global:
    """A class or function that the pickle names; it is not looked up."""

    name: str


@dataclass(frozen=True)
class _Storage:
    dtype: str
    width: int
    """Bytes of a number."""
    content: memoryview


def read(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    """What was saved, with :class:`StoredTensor` in place of tensors.

    Raises:
        UnknownArchiveError: the file is damaged, or holds anything else than plain containers and
            contiguous tensors of common types.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(archive, path.stat().st_size).content()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, *_FAULTS) as error:
        raise UnknownArchiveError(str(path)) from error


_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)
"""What following a pickle leads to that was not written by ``torch.save``."""


class _Archive:
    """An open archive."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive, self._unread = archive, size
        names = archive.namelist()
        self._folder = names[0].partition("/")[0]
        if len(set(names)) < len(names) or f"{self._folder}/constants.pkl" in names:
            raise UnknownArchiveError("entries of one name, or TorchScript")
        if self._entry("byteorder") != b"little" or sys.byteorder != "little":
            raise UnknownArchiveError("another order of bytes")
        self._storages: dict[str, memoryview] = {}

    def content(self) -> Any:  # noqa: ANN401 - whatever was saved
        """What ``data.pkl`` stands for."""
        pickled = self._entry("data.pkl")
        if len(pickled) > LARGEST_PICKLE:
            raise UnknownArchiveError("a pickle that is too large")
        return _Follower(self._storage).result(pickled)

    def _entry(self, name: str) -> bytes:
        info = self._archive.getinfo(f"{self._folder}/{name}")
        if info.compress_type != zipfile.ZIP_STORED:  # a few bytes could unpack to gigabytes
            raise UnknownArchiveError("compressed entries")
        self._unread -= info.file_size
        if self._unread < 0:  # entries that lie upon each other would fill the memory
            raise UnknownArchiveError("more in the entries than in the file")
        return self._archive.read(info)

    def _storage(self, named: Sequence[Any]) -> _Storage:
        kind, storage, key, _, size = named
        if kind != "storage" or not isinstance(storage, _Global) or not isinstance(key, str):
            raise UnknownArchiveError("no storage")
        dtype, width = STORAGES[storage.name]
        if key not in self._storages:
            self._storages[key] = memoryview(self._entry(f"data/{key}"))
        if len(self._storages[key]) != size * width:
            raise UnknownArchiveError("a storage of another size")
        return _Storage(dtype, width, self._storages[key])


class _Follower:
    """Follows the operations of a pickle of containers and tensors.

    Args:
        storage: the storage behind a persistent identifier.
    """

    def __init__(self, storage: Callable[[Sequence[Any]], _Storage]) -> None:
        self._storage = storage
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def result(self, pickled: bytes) -> Any:  # noqa: ANN401 - whatever was saved
        """What the pickle stands for.

        Raises:
            UnknownArchiveError: it holds an operation that ``torch.save`` does not write.
        """
        for code, argument, _ in pickletools.genops(pickled):
            if code.name == "STOP":
                return self._stack.pop()
            if code.name in _VALUES:
                self._stack.append(_VALUES[code.name](argument))
            elif code.name not in ("PROTO", "FRAME"):
                step = getattr(self, f"_{code.name.lower()}", None)
                if step is None:
                    raise UnknownArchiveError(code.name)
                step(argument)
        raise UnknownArchiveError("no end")

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _since_mark(self) -> list[Any]:
        place = self._marks.pop()
        items = self._stack[place:]
        del self._stack[place:]
        return items

    def _tuple(self, _: object) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _tuple_of(self, length: int) -> None:
        items = tuple(self._stack[-length:])
        del self._stack[-length:]
        self._stack.append(items)

    def _tuple1(self, _: object) -> None:
        self._tuple_of(1)

    def _tuple2(self, _: object) -> None:
        self._tuple_of(2)

    def _tuple3(self, _: object) -> None:
        self._tuple_of(3)

    def _binput(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    _long_binput = _binput

    def _binget(self, place: int) -> None:
        self._stack.append(self._memo[place])

    _long_binget = _binget

    def _append(self, _: object) -> None:
        self._target(list, -2).append(self._stack.pop())

    def _appends(self, _: object) -> None:
        items = self._since_mark()
        self._target(list, -1).extend(items)

    def _setitem(self, _: object) -> None:
        target = self._target(dict, -3)
        value, key = self._stack.pop(), self._stack.pop()
        target[key] = value

    def _setitems(self, _: object) -> None:
        items = self._since_mark()
        self._target(dict, -1).update(zip(items[::2], items[1::2], strict=True))

    def _target(self, kind: type, place: int) -> Any:  # noqa: ANN401 - a list or dictionary
        if type(self._stack[place]) is not kind:
            raise UnknownArchiveError(f"no {kind.__name__}")
        return self._stack[place]

    def _binpersid(self, _: object) -> None:
        self._stack.append(self._storage(self._stack.pop()))

    def _reduce(self, _: object) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if called == _Global(DICTIONARY) and arguments == ():
            self._stack.append({})
        elif called == _Global(TENSOR):
            self._stack.append(_tensor(*arguments[:4]))
        else:
            raise UnknownArchiveError("something is called")

    def _build(self, _: object) -> None:
        """Attributes of a dictionary (``_metadata`` of a state dict), which nobody asks for."""
        self._stack.pop()
        self._target(dict, -1)


_VALUES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), lambda value: value
    ),
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "GLOBAL": _Global,
}
"""Operation that puts a value on the stack -> the value."""


def _tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> StoredTensor:
    """The tensor in its storage.

    Raises:
        UnknownArchiveError: it does not lie there in order of rows, or not wholly.
    """
    in_order = tuple(accumulate((1, *shape[:0:-1]), lambda one, two: one * two))[::-1]
    count = math.prod(shape)
    first, end = offset * storage.width, (offset + count) * storage.width
    beside = [one for one, size in zip(strides, shape, strict=True) if size > 1]
    wanted = [one for one, size in zip(in_order, shape, strict=False) if size > 1]
    if beside != wanted or min((offset, *shape), default=0) < 0 or end > len(storage.content):
        raise UnknownArchiveError("a tensor that is not contiguous")
    return StoredTensor(tuple(shape), storage.dtype, storage.content[first:end])
