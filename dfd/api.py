"""The verbs in Python: :func:`score`, :func:`screen`, :func:`train`, :func:`calibrate`.

Heavy libraries are loaded when a verb is called, not before. Options beyond the arguments are the
fields of the settings records; the typed dictionaries here say so to type checkers and editors.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from typing import Unpack

    import pandas as pd

__all__ = [
    "CalibrateOptions",
    "ScoreOptions",
    "ScreenOptions",
    "TrainOptions",
    "calibrate",
    "score",
    "screen",
    "train",
]


class ScoreOptions(TypedDict, total=False):
    """Keywords of :func:`score`; what each means stands in ``dfd.settings.ScoreSettings``."""

    device: str
    workers: int
    seed: int
    images: bool
    report: bool
    anonymous: bool
    context: bool
    strict: bool
    dicom: bool
    dicom_captures: bool


class ScreenOptions(TypedDict, total=False):
    """Keywords of :func:`screen`; what each means stands in ``dfd.settings.ScreenSettings``."""

    device: str
    workers: int | None
    scheduler: str | None
    shard: tuple[int, int] | None
    limit: int | None
    since: date | None
    anonymous: bool
    dicom: str
    dry_run: bool


class TrainOptions(TypedDict, total=False):
    """Keywords of :func:`train`; what each means stands in ``dfd.settings.TrainSettings``."""

    modality: str | None
    epochs: int
    batch_size: int
    workers: int
    max_hours: float | None
    device: str
    seed: int


class CalibrateOptions(TypedDict, total=False):
    """Keywords of :func:`calibrate`.

    What each means stands in ``dfd.settings.CalibrateSettings``.
    """

    device: str
    workers: int
    seed: int


def score(
    data: str | Path,
    points: str | Path | None = None,
    model: str | Path = "ct_lung_inpainting",
    output_dir: str | Path | None = None,
    **options: Unpack[ScoreOptions],
) -> pd.DataFrame:
    r"""Score points in the scans below a folder and write ``scores.csv`` with its companions.

    Args:
        data: Folder with DICOM (or NIfTI) files, searched at any depth.
        points: CSV with ``filename, X, Y`` (rows without both: the slice as a whole); None takes
            ``test.csv``, else the only ``*.csv`` of ``data``, else every slice.
        model: Name of a shipped bundle, a bundle folder, or a file written by training.
        output_dir: Where the results go; None: ``dfd_results/<time>``.
        **options: Fields of :class:`dfd.settings.ScoreSettings`.

    Returns:
        The table of ``scores.csv``, one row per point, in the order of the file. Higher ``score`` =
        less like genuine tissue.

    Raises:
        DfdError: Where data, points or model cannot be used.

    Example:
        >>> from pathlib import Path
        >>> import dfd
        >>> from dfd.phantom import write_ct_series
        >>> files = write_ct_series(Path("scans"), seed=1, slices=1, size=128)
        >>> characters = Path("points.csv").write_text("filename,X,Y\nfile001.dcm,64,40\n")
        >>> table = dfd.score("scans", "points.csv", output_dir="results")
        >>> table["verdict"].tolist()
        ['no anomaly found']
    """
    from dfd import settings, workflow
    from dfd.outputs.scores import findings_frame

    asked = settings.ScoreSettings(
        data=_path(data),
        points=None if points is None else _path(points),
        model=str(model),
        output_dir=None if output_dir is None else _path(output_dir),
        **options,
    )
    return findings_frame(workflow.score(asked), anonymous=asked.anonymous)


def screen(
    source: str | Path,
    output_dir: str | Path,
    model: str | Path = "",
    **options: Unpack[ScreenOptions],
) -> pd.DataFrame:
    """Screen every series of a repository and write ``series.csv`` with its companions.

    Needs the extra ``screen``. Series run in processes of a Dask cluster: in a script, call it
    below ``if __name__ == "__main__":``. The same folder again goes on where the last run stopped,
    and screens what is new or changed.

    Args:
        source: Folder with DICOM or NIfTI files, a dataset with ``index.json``, a manifest (CSV
            or Parquet with a column path, series_uid or study_uid), or the root address of a
            DICOMweb service.
        output_dir: Where plan, parts and results go.
        model: Name of a shipped bundle, a bundle folder, or a file written by training; empty: the
            shipped bundle of each modality.
        **options: Fields of :class:`dfd.settings.ScreenSettings`.

    Returns:
        The table of ``series.csv``, one row for each series of the plan, the most suspicious first.

    Raises:
        DfdError: Where source, model or output folder cannot be used; its child
            InterruptedRunError where the run stopped but can be resumed.

    Example:
        >>> from pathlib import Path
        >>> import dfd
        >>> from dfd.phantom import write_ct_series
        >>> files = write_ct_series(Path("repository"), seed=1, slices=2, size=128)
        >>> table = dfd.screen("repository", "screened", shard=(1, 1))
        >>> table[["slices", "status", "verdict"]].values.tolist()
        [[2, 'scored', 'no anomaly found']]
    """
    import pandas as pd

    from dfd import settings, workflow

    asked = settings.ScreenSettings(
        source=_source(source), output_dir=_path(output_dir), model=str(model), **options
    )
    return pd.read_parquet(workflow.screen(asked).output / "series.parquet")


def train(data: str | Path, model: str | Path, **options: Unpack[TrainOptions]) -> Path:
    """Train a network on genuine scans and calibrate it on patients it did not see.

    Args:
        data: Folder with genuine scans of several patients of one modality.
        model: File to write, e.g. ``my_model.ckpt``.
        **options: Fields of :class:`dfd.settings.TrainSettings`.

    Returns:
        The file that was written.

    Raises:
        DfdError: Where the scans cannot be used; its child InterruptedRunError where the run
            stopped but can be resumed.

    Example:
        Phantoms and one epoch, so that it takes seconds; scans and hours give a model.

        >>> from pathlib import Path
        >>> import dfd
        >>> from dfd.phantom import write_ct_series
        >>> for name in ("patient1", "patient2"):
        ...     folder = Path("genuine", name)
        ...     files = write_ct_series(folder, seed=1, slices=1, patient=name, size=64)
        >>> print(dfd.train("genuine", "my_model.ckpt", epochs=1, batch_size=4))
        my_model.ckpt
    """
    from dfd import workflow
    from dfd.settings import TrainSettings

    return workflow.train(TrainSettings(data=_path(data), model=_path(model), **options))


def calibrate(
    data: str | Path, model: str | Path, output: str | Path, **options: Unpack[CalibrateOptions]
) -> Path:
    """Fit the calibration of a model anew on genuine scans of your own.

    Args:
        data: Folder with genuine scans of several patients.
        model: Name of a shipped bundle, a bundle folder, or a file written by training.
        output: File to write, e.g. ``my_model.ckpt``.
        **options: Fields of :class:`dfd.settings.CalibrateSettings`.

    Returns:
        The file that was written.

    Raises:
        DfdError: Where scans or model cannot be used.

    Example:
        >>> from pathlib import Path
        >>> import dfd
        >>> from dfd.phantom import write_ct_series
        >>> for name in ("patient1", "patient2"):
        ...     folder = Path("genuine", name)
        ...     files = write_ct_series(folder, seed=1, slices=1, patient=name, size=64)
        >>> print(dfd.calibrate("genuine", "ct_lung_inpainting", "calibrated.ckpt"))
        calibrated.ckpt
    """
    from dfd import workflow
    from dfd.settings import CalibrateSettings

    return workflow.calibrate(
        CalibrateSettings(data=_path(data), model=str(model), output=_path(output), **options)
    )


def _source(given: str | Path) -> Path | str:
    """The address of an archive as it is."""
    from dfd.settings import is_address

    return given if isinstance(given, str) and is_address(given) else _path(given)


def _path(given: str | Path) -> Path:
    return Path(given).expanduser()
