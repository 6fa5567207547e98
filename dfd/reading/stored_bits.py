"""Which bits of a decoded pixel are its value: the same rule after every decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfd.errors import SeriesError
from dfd.reading.codestream import Codestream
from dfd.reading.header import ImageShape


def stored_values(
    decoded: NDArray[np.generic], shape: ImageShape, stream: Codestream | None, path: Path
) -> NDArray[np.generic]:
    """The stored values: the ``shape.bits_stored`` lower bits, with the sign of the header.

    What lies above those bits is no part of the value (PS3.5 section 8.1.1): old scanners keep
    overlays there. Decoders of compressed pixels hand it on.

    Args:
        decoded: ``[H, W]`` as a decoder left it, in the byte order of this machine. Floating-point
            pixels have no unused bits and come back as they are.
        shape: What the header says of the values.
        stream: What the compressed image says of them; None where it says nothing.
        path: The file, for the error.

    Raises:
        SeriesError: Header and compressed image contradict each other, and the values depend on
            which of them is right.
    """
    if decoded.dtype.kind == "f":
        return decoded
    values = decoded if stream is None else _as_streamed(decoded, shape, stream, path)
    return _lower_bits(values, shape.bits_stored)


def _lower_bits(values: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    """The ``count`` lower bits of whole numbers; the type says whether the highest is a sign."""
    unused = 8 * values.dtype.itemsize - count
    if not unused:
        return values
    lower: NDArray[np.generic] = np.right_shift(np.left_shift(values, unused), unused)
    return lower


def _as_streamed(
    decoded: NDArray[np.generic], shape: ImageShape, stream: Codestream, path: Path
) -> NDArray[np.generic]:
    """Values of a compressed image, where its own precision and sign leave no doubt of them.

    A decoder's array has as many bits as the stream needs and the sign of the header, so that a
    sign bit of the stream may have been lost or may lie too low.
    """
    bits, stored = stream.precision, shape.bits_stored
    if bits > shape.bits_allocated:
        raise _contradiction(
            path, f"{shape.bits_allocated} bits a pixel in its header", f"{bits} bits"
        )
    signed = decoded.view(decoded.dtype.str.replace("u", "i"))
    high_half = bool((np.right_shift(signed, bits - 1) & 1).any())
    if stream.signed and not shape.signed and high_half:
        raise _contradiction(path, "unsigned pixels in its header", "negative ones")
    if not shape.signed or bits >= stored:
        # The lower bits are the value, with whichever of the two signs.
        return decoded
    if high_half and not stream.signed:
        # A signed value of so few bits, or an unsigned one that happens to need no more?
        raise _contradiction(path, f"signed pixels of {stored} bits in its header", f"{bits} bits")
    return _lower_bits(decoded, bits)


def _contradiction(path: Path, header: str, image: str) -> SeriesError:
    """The error for a header and a compressed image that cannot both be right."""
    return SeriesError(
        f"{path} says {header} but its compressed image holds {image}, so that their values are "
        "not certain: export it again"
    )
