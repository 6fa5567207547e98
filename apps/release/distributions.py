"""The wheel and the source archive of the last commit, with the same bytes wherever they are made.

    python apps/release/distributions.py dist

Needs the packages of apps/release/requirements.txt. What is not committed has no part in them.
"""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READABLE, EXECUTABLE = 0o644, 0o755
UMASK = 0o022


def commit_time() -> int:
    """When the last commit was made, in seconds since 1970."""
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def make(target: Path) -> list[Path]:
    """Write both archives to a folder and give them."""
    time = commit_time()
    target.mkdir(parents=True, exist_ok=True)
    os.umask(UMASK)
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source", Path(folder) / "made"
        source.mkdir()
        archive = subprocess.run(
            ["git", "archive", "--format=tar", "HEAD"], cwd=ROOT, check=True, capture_output=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as committed:
            committed.extractall(source, filter="data")
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(made), str(source)],
            env=os.environ | {"SOURCE_DATE_EPOCH": str(time)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archived,) = made.glob("*.tar.gz")
        archived.write_bytes(without_origin(archived, time))
        return [Path(path.replace(target / path.name)) for path in sorted(made.iterdir())]


def without_origin(archive: Path, time: int) -> bytes:
    """A source archive in the order of its names, without the times and users of its maker."""
    plain, packed = io.BytesIO(), io.BytesIO()
    with (
        tarfile.open(archive) as given,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as written,
    ):
        for entry in sorted(given.getmembers(), key=lambda entry: entry.name):
            kept = tarfile.TarInfo(entry.name)
            kept.type, kept.size, kept.mtime = entry.type, entry.size, time
            kept.mode = EXECUTABLE if entry.isdir() or entry.mode & 0o100 else READABLE
            written.addfile(kept, given.extractfile(entry) if entry.isfile() else None)
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=time) as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()


if __name__ == "__main__":
    for each in make(Path(sys.argv[1]).resolve()):
        sys.stdout.write(f"{each}\n")
