"""Makes ``benchmarks/split.json``: patients for development, by fold, and for the test.

    python -m benchmarks.data.split            # writes the file from the scans of DFD_DATA
    python -m benchmarks.data.split --check    # decodes every slice and compares

A patient (both dates of one patient together) stands on one side only. Within a stratum (CT: maker
and kernel class; MR: source) patients are ordered by a hash of their name, so that nobody's eye
chooses; the first of each stratum are test, the others go to the folds in turn. Folders that came
later (``ct2``) are placed after those before, so nobody changes sides.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import pydicom

SALT = "deepfakes-detector split 1"
FOLDS = 3
TEST_SHARE = 0.25
FOLDERS = {"ct": ("ct", "ct2"), "mr": ("mr",)}
"""Key of the split -> folders below DFD_DATA, in the order in which they came."""
SHARP_KERNELS = {"LUNG", "B70f", "L", "BONE"}
INVALID_UID = (
    r"Invalid value for VR UI:|The value length \(\d+\) exceeds the maximum length of 64 allowed "
    r"for VR UI"
)
"""What pydicom warns of in some of the scans: their UIDs are compared as they stand."""
HERE = Path(__file__).resolve().parents[1]


def read_index(root: Path, folder: str) -> list[dict[str, str]]:
    """Rows of ``<root>/<folder>/index.csv``, one per slice."""
    with (root / folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def stratum(modality: str, rows: list[dict[str, str]]) -> str:
    """The stratum of one patient, from all of that patient's slices."""
    if modality == "mr":
        return rows[0]["patient"].split("-")[0]
    maker = rows[0]["manufacturer"].split(" ")[0] or "unknown"
    sharp = any(row["kernel"] in SHARP_KERNELS for row in rows)
    return maker + (" sharp" if sharp and maker != "Philips" else "")


def place(
    patients: dict[str, list[dict[str, str]]], modality: str, before: int = 0
) -> dict[str, str]:
    """Patient -> ``test`` or ``fold0`` … ``fold{FOLDS-1}``.

    ``before``: how many were placed into folds already.
    """
    strata: dict[str, list[str]] = defaultdict(list)
    for patient, rows in patients.items():
        strata[stratum(modality, rows)].append(patient)
    sides: dict[str, str] = {}
    turn = before
    for _, members in sorted(strata.items()):
        members.sort(key=lambda name: hashlib.sha256(f"{SALT} {name}".encode()).hexdigest())
        tests = round(TEST_SHARE * len(members)) if len(members) > 2 else len(members) // 2
        for number, patient in enumerate(members):
            if number < tests:
                sides[patient] = "test"
            else:
                sides[patient] = f"fold{turn % FOLDS}"
                turn += 1
    return sides


def make(root: Path) -> dict[str, object]:
    """The whole split as it is written."""
    split: dict[str, object] = {"salt": SALT, "folds": FOLDS}
    for modality, folders in FOLDERS.items():
        patients: dict[str, list[dict[str, str]]] = {}
        sides: dict[str, str] = {}
        for folder in folders:
            new: dict[str, list[dict[str, str]]] = defaultdict(list)
            for row in read_index(root, folder):
                new[row["patient"]].append(row)
            placed = sum(side != "test" for side in sides.values())
            sides |= place(new, modality, placed)
            patients |= new
        split[modality] = {
            patient: {
                "side": sides[patient],
                "stratum": stratum(modality, rows),
                "slices": [
                    {
                        "file": row["file"],
                        "sop_uid": row["sop_uid"],
                        "sha256_pixels": row["sha256_pixels"],
                    }
                    for row in rows
                ],
            }
            for patient, rows in sorted(patients.items())
        }
    return split


def check(root: Path, split: dict[str, object]) -> list[str]:
    """What differs between the committed split and the scans.

    One sentence each, empty when all agree.
    """
    faults = []
    for modality in FOLDERS:
        for patient, entry in split[modality].items():  # type: ignore[attr-defined]
            for row in entry["slices"]:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", INVALID_UID, UserWarning)
                    dataset = pydicom.dcmread(root / row["file"])
                    digest = hashlib.sha256(dataset.pixel_array.tobytes()).hexdigest()
                    uid = dataset.SOPInstanceUID
                if uid != row["sop_uid"] or digest != row["sha256_pixels"]:
                    faults.append(f"{row['file']} of {patient} is not the slice that was split")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="decode every slice and compare")
    parser.add_argument("--output", type=Path, default=HERE / "split.json")
    arguments = parser.parse_args()
    root = Path(os.environ["DFD_DATA"])
    split = make(root)
    if arguments.check:
        committed = json.loads(arguments.output.read_text(encoding="utf-8"))
        faults = check(root, committed)
        if split != committed:
            faults.append("the script no longer makes the committed split")
        print("\n".join(faults) or "split.json agrees with the scans")
        return 1 if faults else 0
    arguments.output.write_text(json.dumps(split, indent=1) + "\n", encoding="utf-8")
    for modality in FOLDERS:
        groups: dict[str, list[str]] = defaultdict(list)
        for patient, entry in split[modality].items():  # type: ignore[attr-defined]
            groups[entry["side"]].append(f"{patient} ({entry['stratum']})")
        for side, members in sorted(groups.items()):
            print(f"{modality} {side}: {len(members)}: {', '.join(members)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
