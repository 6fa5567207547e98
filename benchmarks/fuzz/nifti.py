"""Intact NIfTI volumes of several types, packed or not, and damaged ones of them."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from functools import cache, partial

import nibabel
import numpy as np
from numpy.typing import NDArray

from benchmarks.fuzz.cases import Mutant, Start
from benchmarks.fuzz.damage import BOMB_EVERY, LIMITS, bomb, damaged

SHAPE = (40, 36, 4)
HEADER_BYTES = 348
GZIP = 16 + zlib.MAX_WBITS
FIELDS = {
    **{
        "sizeof_hdr": (0, "i"),
        "dim_info": (39, "b"),
        "intent_p1": (56, "f"),
        "intent_code": (68, "h"),
    },
    **{f"dim{number}": (40 + 2 * number, "h") for number in range(8)},
    **{
        "datatype": (70, "h"),
        "bitpix": (72, "h"),
        "slice_start": (74, "h"),
        "vox_offset": (108, "f"),
    },
    **{f"pixdim{number}": (76 + 4 * number, "f") for number in range(8)},
    **{"scl_slope": (112, "f"), "scl_inter": (116, "f"), "slice_end": (120, "h")},
    **{"slice_code": (122, "b"), "xyzt_units": (123, "b"), "cal_max": (124, "f")},
    **{"qform_code": (252, "h"), "sform_code": (254, "h"), "quatern_b": (256, "f")},
    **{"quatern_c": (260, "f"), "quatern_d": (264, "f"), "qoffset_x": (268, "f")},
    **{f"srow{number}": (280 + 4 * number, "f") for number in range(12)},
    **{"magic": (344, "i"), "extension": (348, "i")},
}
"""Fields of the header of NIfTI-1 (nifti1.h): offset and type."""
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-38, 1e-45, 1e30, 3e38, float("inf"), -float("inf"), float("nan"))
DATATYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304)


def mutant(rng: random.Random) -> Mutant:
    """A damaged NIfTI file."""
    start, others = rng.choice(starts()), [each.content for each in starts()]
    packed = start.pack is not bytes
    if packed and rng.randrange(BOMB_EVERY) == 0:
        content = bomb(b"", start.content, GZIP)
        return Mutant(content, start.suffix, (start.name, "inflates without end"), 0)
    content = start.content
    story: tuple[str, ...] = (start.name,)
    if rng.random() < 0.6:
        content, changes = _with_fields(rng, content)
        story += changes
    if len(story) == 1 or rng.random() < 0.3:
        if packed and rng.random() < 0.5:
            content, changes = damaged(rng, start.pack(content), others)
        else:
            content, changes = damaged(rng, content, others)
            content = start.pack(content)
        story += changes
    else:
        content = start.pack(content)
    return Mutant(
        content, start.suffix, story, rng.choice((None, 0, 1, SHAPE[2] - 1, SHAPE[2], 99))
    )


def _with_fields(rng: random.Random, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Some fields of the header at the limits of their types."""
    changed, changes = bytearray(content), []
    for name in rng.choices(list(FIELDS), k=rng.choice((1, 1, 2, 4))):
        place, kind = FIELDS[name]
        order = ">" if content[:4] == struct.pack(">i", HEADER_BYTES) else "<"
        if kind == "f":
            new = struct.pack(order + kind, rng.choice(FLOATS))
        elif name == "datatype":
            new = struct.pack(order + kind, rng.choice(DATATYPES))
        else:
            size = struct.calcsize(kind)
            number = rng.choice((*LIMITS, 2**15 - 1, 2**15, 2**16 - 1)) % 256**size
            new = number.to_bytes(size, "little" if order == "<" else "big")
        changed[place : place + len(new)] = new
        changes.append(f"{name} {new.hex()}")
    return bytes(changed), tuple(changes)


@cache
def starts() -> tuple[Start, ...]:
    """Intact files; made once."""
    rng = np.random.default_rng(1)
    hu = rng.normal(-300.0, 400.0, SHAPE)
    signal = rng.gamma(2.0, 200.0, SHAPE)
    volumes: dict[str, nibabel.nifti1.Nifti1Image] = {
        "int16": _image(hu.astype(np.int16)),
        "uint8": _image((signal / 16).astype(np.uint8)),
        "float32": _image(signal.astype(np.float32)),
        "float64, scaled": _image((signal / 4096).astype(np.float64)),
        "4-D": _image(np.stack([hu, hu + 1], axis=3).astype(np.int16)),
        "two directions": _image(np.stack([signal] * 3, axis=3).astype(np.float32)),
        "int16, slope": _image(hu.astype(np.int16), slope=0.5, inter=-100.0),
        "int16, big endian": _image(hu.astype(">i2"), big=True),
    }
    raw = [Start(f"{name}, .nii", image.to_bytes(), ".nii") for name, image in volumes.items()]
    zipped = [
        Start(
            f"{name}, .nii.gz",
            image.to_bytes(),
            ".nii.gz",
            partial(gzip.compress, compresslevel=1, mtime=0),
        )
        for name, image in volumes.items()
    ]
    return (*raw, *zipped)


def _image(
    values: NDArray[np.generic], *, slope: float = 1.0, inter: float = 0.0, big: bool = False
) -> nibabel.nifti1.Nifti1Image:
    affine = np.diag([0.8, 0.8, 2.5, 1.0])
    header = nibabel.nifti1.Nifti1Header(endianness=">" if big else "<")
    header.set_data_dtype(values.dtype)
    image = nibabel.nifti1.Nifti1Image(values, affine, header)
    image.header.set_xyzt_units("mm", "sec")
    if slope != 1.0:
        image.header.set_slope_inter(slope, inter)
    return image
