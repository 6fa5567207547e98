"""Grids of statistics as JSON and back: single numbers in base64, packed."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dfd.records import FloatImage

MOST_PLACES = 2**20
"""Of one grid: nothing larger was ever kept."""


def packed_grids(grids: Mapping[str, FloatImage]) -> dict[str, Any]:
    """As JSON; ``grids``: ``[R, C]`` in single precision, by family."""
    return {
        name: {
            "shape": list(values.shape),
            "values": base64.b64encode(zlib.compress(values.astype("<f4").tobytes())).decode(),
        }
        for name, values in grids.items()
    }


def unpacked_grids(content: Mapping[str, Any]) -> dict[str, FloatImage]:
    """What :func:`packed_grids` made ``content`` of.

    Raises:
        ValueError: it is nothing of the kind.
    """
    return {str(name): _grid(each) for name, each in content.items()}


def _grid(content: Mapping[str, Any]) -> FloatImage:
    rows, columns = (int(each) for each in content["shape"])
    if min(rows, columns) < 0 or rows * columns > MOST_PLACES:
        raise ValueError("a grid of no slice")
    inflater = zlib.decompressobj()
    try:
        packed = base64.b64decode(content["values"], validate=True)
        raw = inflater.decompress(packed, 4 * rows * columns + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"a damaged grid: {error}") from error
    if len(raw) != 4 * rows * columns:
        raise ValueError("a grid with values missing or left over")
    return np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(rows, columns)
