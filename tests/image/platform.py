"""The folders that the platform mounts into a job, with phantoms in place of patients."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from dfd.phantom import write_ct_series
from tests.image.container import Mount

USER = "/home/chaimeleon"
DATASET = "87f3be56-4725-45c3-9baa-d338de530f73"
SIZE = 128
OWNER = 1000
POINTS = (
    "filename,X,Y\np1/file001.dcm,45,70\nfile002,80.5,62.25\nmissing.dcm,1,1\np1/file002.dcm,500,"
    "3\n"
)
"""Two that can be scored, one without a file, one outside its slice."""


@dataclass(frozen=True)
class Platform:
    """Files lie in the data lake, read-only; a data set holds links to them.

    The home is the user's own.
    """

    lake: Path
    datasets: Path
    home: Path

    @property
    def mounts(self) -> tuple[Mount, ...]:
        return (
            Mount(self.lake, "/mnt/datalake"),
            Mount(self.datasets, f"{USER}/datasets"),
            Mount(self.home, f"{USER}/persistent-home", "rw"),
        )

    def new_home(self, folder: Path) -> Platform:
        """The same data and an empty home, which the group may write as on the platform."""
        folder.mkdir()
        os.chown(folder, OWNER, OWNER)
        folder.chmod(0o775)
        return Platform(self.lake, self.datasets, folder)


def make(folder: Path) -> Platform:
    """Two patients of one slice to train on; a third with two slices and ``POINTS``."""
    lake, datasets = folder / "lake", folder / "datasets"
    for patient, person in (("p1", "a"), ("p2", "b")):
        write_ct_series(lake / "train" / patient, seed=5, slices=1, patient=person, size=SIZE)
    write_ct_series(lake / "test" / "p1", seed=5, slices=2, patient="c", size=SIZE)
    links = datasets / DATASET
    for file in lake.rglob("*.dcm"):
        link = links / file.relative_to(lake)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("/mnt/datalake") / file.relative_to(lake))
    (links / "test" / "test.csv").write_text(POINTS, encoding="utf-8")
    return Platform(lake, datasets, folder).new_home(folder / "home")


def hand_over(source: Path, home: Path, inside: str) -> Path:
    """A copy below ``home`` that belongs to the user of the container.

    As do the folders on the way.
    """
    target = home / inside
    shutil.copytree(source, target)
    for path in home.rglob("*"):
        os.chown(path, OWNER, OWNER)
    return target
