"""The form in which the application catalogue calls the tool.

``-mode Train|Test -model_path F -data_path D …``.

Routed to the same records as the verbs. Every flag may be written with one dash or two, in full.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dfd.cli import flags
from dfd.cli.flags import StrictParser
from dfd.cli.requests import Request
from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.settings import ScoreSettings, TrainSettings

LOG = logging.getLogger(__name__)
TRAIN, TEST = "train", "test"
RECORDS: dict[str, Callable[..., Request]] = {TRAIN: TrainSettings, TEST: ScoreSettings}


class Flag(NamedTuple):
    """One flag of this form."""

    fields: dict[str, str]
    """Mode -> field of that mode's record; a mode that is absent does not know the flag."""
    type: Callable[[str], object] | None
    """None: a switch."""
    metavar: str
    help: str
    ignored: bool = False
    """True for the catalogue's own flags, which are given in both modes: no error where the mode
    does not know them."""


def _text(text: str) -> str:
    return text.strip().strip("'\"")


def _modality(text: str) -> str:
    if text not in MODALITIES:
        raise UsageError(
            f"there is no modality {text!r}; there are: {', '.join(sorted(MODALITIES))}"
        )
    return text


FLAGS: dict[str, Flag] = {
    "model_path": Flag(
        {TRAIN: "model", TEST: "model"},
        _text,
        "FILE",
        "Train: file to write; Test: model file, folder or shipped name",
    ),
    "data_path": Flag(
        {TRAIN: "data", TEST: "data"},
        flags.path,
        "DIR",
        "folder that holds train/ and test/, or the scans themselves",
    ),
    "epochs": Flag({TRAIN: "epochs"}, flags.whole(1), "N", "at most so many", ignored=True),
    "batch_size": Flag({TRAIN: "batch_size"}, flags.whole(1), "N", "crops per step", ignored=True),
    "num_workers": Flag(
        {TRAIN: "workers", TEST: "workers"}, flags.whole(0), "N", "processes that read slices"
    ),
    "points": Flag(
        {TEST: "points"},
        flags.path,
        "FILE",
        "CSV with filename, X, Y (default: test.csv, else the only *.csv; none: screen)",
    ),
    "output_dir": Flag({TEST: "output_dir"}, flags.path, "DIR", "where the results go"),
    "modality": Flag({TRAIN: "modality"}, _modality, "NAME", "default: read from the scans"),
    "max_hours": Flag(
        {TRAIN: "max_hours"}, flags.hours, "H", "stop in good order after so many hours"
    ),
    "device": Flag(
        {TRAIN: "device", TEST: "device"},
        flags.device,
        "WORD",
        "auto (default), cpu, cuda or cuda:N",
    ),
    "seed": Flag({TRAIN: "seed", TEST: "seed"}, flags.seed, "N", "the one seed of all randomness"),
    "no_images": Flag({TEST: "images"}, None, "", "write no pictures, in the report neither"),
    "no_report": Flag({TEST: "report"}, None, "", "write no report.html"),
    "anonymous": Flag(
        {TEST: "anonymous"}, None, "", "numbers instead of paths and file names in every output"
    ),
    "dicom": Flag(
        {TEST: "dicom"}, None, "", "write DICOM results (report, map, segmentation) as well"
    ),
    "lone": Flag({TEST: "context"}, None, "", "leave neighbouring slices aside"),
    "strict": Flag({TEST: "strict"}, None, "", "exit status 3 where a point could not be scored"),
}


OFF = frozenset({"no_images", "no_report", "lone"})
"""Switches that turn something off."""


def is_catalogue_form(words: Sequence[str]) -> bool:
    """Whether the first word is a flag of this form, not a verb or a flag of ``dfd`` itself."""
    first = words[0].partition("=")[0] if words else ""
    return first.startswith(("-mode", "--mode")) or (
        first.startswith("-") and first.lstrip("-") in FLAGS
    )


def catalogue_parser() -> StrictParser:
    """The parser of this form."""
    parser = StrictParser(
        "dfd -mode",
        "The form of the application catalogue; the same functions as 'dfd train' and 'dfd score'.",
    )
    parser.add_argument(
        "-mode",
        "--mode",
        required=True,
        type=_mode,
        metavar="Train|Test",
        help="train a model, or score points with one",
    )
    for name, flag in FLAGS.items():
        words = (f"-{name}", f"--{name}")
        if flag.type is None:
            parser.add_argument(*words, action="store_true", help=flag.help)
        else:
            parser.add_argument(
                *words,
                required=name in {"model_path", "data_path"},
                type=flag.type,
                metavar=flag.metavar,
                help=flag.help,
            )
    return parser


def _mode(text: str) -> str:
    mode = _text(text).lower()
    if mode not in {TRAIN, TEST}:
        raise UsageError(f"-mode is Train or Test, got {text!r}")
    return mode


def parse(words: Sequence[str]) -> Request:
    """The request in ``-mode Train|Test …``.

    Raises:
        UsageError: For an unknown, abbreviated or misplaced flag, a missing or a wrong value.
    """
    parser = catalogue_parser()
    # `-mode --help` is how people ask for the help of this form; argparse would miss the value of
    # -mode first.
    given = parser.parse_given(["--help"] if {"-h", "--help"} & set(words) else words, equals=False)
    mode = str(given.pop("mode"))
    values: dict[str, object] = {}
    for name, value in given.items():
        flag = FLAGS[name]
        if mode in flag.fields:
            values[flag.fields[mode]] = value if flag.type else name not in OFF
        elif flag.ignored:
            LOG.info("-%s has no meaning in -mode %s and is not used", name, mode.capitalize())
        else:
            raise UsageError(f"-{name} has no meaning in -mode {mode.capitalize()}; leave it out")
    values["data"] = _side(Path(str(values["data"])), mode)
    if mode == TRAIN:
        values["model"] = flags.path(str(values["model"]))
    return RECORDS[mode](**values)


def _side(data: Path, mode: str) -> Path:
    """``data/train`` or ``data/test`` where there is one, else ``data`` itself."""
    side = data / mode
    return side if side.is_dir() else data
