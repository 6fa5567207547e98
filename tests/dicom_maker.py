"""Tiny DICOM files made by code, for every test that needs one."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

SERIES_UID = "1.2.826.0.1.3680043.8.498.1"
STUDY_UID = "1.2.826.0.1.3680043.8.498.2"
CT_TAGS = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "ConvolutionKernel": "B30f"}
MR_TAGS = {"ScanningSequence": "GR", "SequenceVariant": "SS"}


def make_pixels(shape: tuple[int, ...] = (40, 48), seed: int = 1) -> NDArray[np.uint16]:
    """Stored values around 1024 (0 HU with the default intercept), no two slices alike."""
    return np.random.default_rng(seed).integers(900, 1150, shape).astype(np.uint16)


def make_dataset(pixels: NDArray[np.generic], **tags: object) -> Dataset:
    """An image data set without file meta; see ``make_slice``."""
    modality = str(tags.get("Modality", "CT"))
    frames = pixels.shape[0] if pixels.ndim == 3 and tags.get("SamplesPerPixel", 1) == 1 else None
    rows, columns = pixels.shape[-2:] if frames or pixels.ndim == 2 else pixels.shape[:2]
    defaults: dict[str, object] = {
        "SOPClassUID": CTImageStorage if modality == "CT" else MRImageStorage,
        "StudyInstanceUID": STUDY_UID,
        "SeriesInstanceUID": SERIES_UID,
        "Modality": modality,
        "Manufacturer": "ACME",
        "ManufacturerModelName": "Scanner 1",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PatientName": "Canary^Identity",
        "PatientID": "canary-id",
        "BodyPartExamined": "CHEST",
        "SliceThickness": "2.5",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, 0],
        "PixelSpacing": [0.7, 0.8],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "NumberOfFrames": frames,
        "BitsAllocated": pixels.dtype.itemsize * 8,
        "BitsStored": pixels.dtype.itemsize * 8,
        "HighBit": pixels.dtype.itemsize * 8 - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **(CT_TAGS if modality == "CT" else MR_TAGS if modality == "MR" else {}),
    }
    dataset = Dataset()
    for keyword, value in (defaults | tags).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if pixels.dtype.kind == "f":
        del dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit
        dataset.FloatPixelData = pixels.astype("<f4").tobytes()
    else:
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
        dataset["PixelData"].VR = "OW"
    return dataset


def make_slice(path: Path, pixels: NDArray[np.generic], **tags: object) -> Path:
    """Write one DICOM file and return its path.

    Args:
        path: The file; parents are made. It also gives the SOPInstanceUID, so that one path always
            has the same.
        pixels: Stored values, ``[H, W]`` or ``[frames, H, W]``; their type gives bits and sign,
            float32 is written as FloatPixelData.
        **tags: DICOM keywords, over the defaults (an axial CT slice at z = 0, intercept -1024);
            None leaves an element out. ``syntax`` is the transfer syntax (a lossless compressed one
            compresses), ``preamble=False`` writes the bare data set.
    """
    syntax = str(tags.pop("syntax", ExplicitVRLittleEndian))
    preamble = bool(tags.pop("preamble", True))
    path.parent.mkdir(parents=True, exist_ok=True)
    with disable_value_validation():
        dataset = make_dataset(
            pixels, **({"SOPInstanceUID": generate_uid(entropy_srcs=[str(path)])} | tags)
        )
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        if syntax.startswith("1.2.840.10008.1.2.4") or syntax == "1.2.840.10008.1.2.5":
            dataset.compress(syntax, generate_instance_uid=False)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax
        if preamble:
            dataset.save_as(path, enforce_file_format=True)
        else:
            del dataset.file_meta
            dataset.save_as(path, implicit_vr=False, little_endian=True)
    return path


def make_series(folder: Path, positions: list[float], **tags: object) -> list[Path]:
    """One file per position along z, named in the order given."""
    return [
        make_slice(
            folder / f"{number:03d}.dcm",
            make_pixels(seed=number),
            **({"ImagePositionPatient": [0, 0, z], "InstanceNumber": number + 1} | tags),
        )
        for number, z in enumerate(positions)
    ]


def make_bomb(path: Path, size: int) -> Path:
    """A deflated file of a few hundred kilobytes that inflates to more than ``size`` bytes."""
    small = make_slice(path, make_pixels(), syntax=DeflatedExplicitVRLittleEndian)
    content = small.read_bytes()
    # File meta: preamble, magic, the group length element (12 bytes) and as many bytes as it says.
    end = 144 + int.from_bytes(content[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    with path.open("wb") as stream:
        stream.write(content[:end])
        for _ in range(size // 2**20 + 1):
            stream.write(deflater.compress(bytes(2**20)))
        stream.write(deflater.flush())
    return path


def make_nested(path: Path, depth: int) -> Path:
    """A file whose sequences hold each other ``depth`` times before the image begins."""
    content = make_slice(path, make_pixels()).read_bytes()
    end = 144 + int.from_bytes(content[140:144], "little")
    # (0008,1140) SQ and its item, both of undefined length.
    opening = bytes.fromhex("08004011 53510000 ffffffff feff00e0 ffffffff")
    closing = bytes.fromhex("feff0de0 00000000 feffdde0 00000000")
    path.write_bytes(content[:end] + opening * depth + closing * depth + content[end:])
    return path
