"""Where results go."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from dfd.models.model import Model
from dfd.outputs.files import choose_output_dir

RESULTS_VARIABLE = "DFD_RESULTS"
"""Environment variable that names the folder of all results: in a container the working folder is
lost when the job ends.
"""


def results_folder(asked: str | Path | None, model: Model) -> Path:
    """Where results go: as asked, else a new folder in the first place that can be written.

    Those are the folder that ``DFD_RESULTS`` names, the working folder, that of the model and
    the home of the user.

    Raises:
        OutputError: nothing can be written there.
    """
    if asked:
        return choose_output_dir(Path(asked), [])
    named = os.environ.get(RESULTS_VARIABLE, "")
    places = [Path.cwd(), model.path if model.path.is_dir() else model.path.parent]
    with suppress(RuntimeError):  # an unknown uid without HOME
        places.append(Path.home())
    below = [*([Path(named)] if named else []), *(place / "dfd_results" for place in places)]
    return choose_output_dir(None, new_folders(below))


def new_folders(places: Iterable[Path]) -> list[Path]:
    """A folder in each place that is called after the time (UTC), and is not there yet.

    Two runs may begin in one second.
    """
    time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names = [time, *(f"{time}-{number}" for number in range(2, 100))]
    return [
        next((place / name for name in names if not (place / name).exists()), place / time)
        for place in places
    ]
