"""The form in which the application catalogue calls the tool.

``-mode Train|Test -model_path F -data_path D …``.

Its flags fill the same settings records as those of the verbs. Every flag may be written with one
dash or two, in full.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dfd import settings
from dfd.cli import flags
from dfd.cli.flags import StrictParser
from dfd.cli.requests import Request
from dfd.errors import UsageError
from dfd.options import NamedOption, options_of

LOG = logging.getLogger(__name__)
TRAIN, TEST = "train", "test"

REQUIRED = frozenset({"model_path", "data_path"})
IGNORED = frozenset({"epochs", "batch_size"})
"""The catalogue's own flags are given in both modes: no error where the mode does not know them."""
HELP = {
    "model_path": "Train: file to write; Test: model file, folder or shipped name",
    "data_path": "folder that holds train/ and test/, or the scans themselves",
}
"""Of flags that mean one thing in Train and another one in Test."""


def records() -> dict[str, Callable[..., Request]]:
    """Mode -> the record that its flags fill."""
    return {TRAIN: settings.TrainSettings, TEST: settings.ScoreSettings}


def form_flags() -> dict[str, dict[str, NamedOption]]:
    """Flag -> mode -> the option that it gives there; a mode that is absent does not know it."""
    found: dict[str, dict[str, NamedOption]] = {}
    for mode, record in (
        (TRAIN, settings.TrainSettings),
        (TEST, settings.ScoreSettings),
    ):
        for each in options_of(record):
            found.setdefault(each.catalogue_flag, {})[mode] = each
    return found


def is_catalogue_form(words: Sequence[str]) -> bool:
    """Whether the first word is a flag of this form, not a verb or a flag of ``dfd`` itself."""
    first = words[0].partition("=")[0] if words else ""
    return first.startswith(("-mode", "--mode")) or (
        first.startswith("-") and first.lstrip("-") in form_flags()
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
    for name, by_mode in form_flags().items():
        shown = _shown(by_mode)
        about = replace(shown.option, help=HELP.get(name, shown.option.help))
        parser.add_option(
            _written(name),
            replace(shown, option=about),
            required=name in REQUIRED,
            former=[word for former in about.former for word in _written(former)],
        )
    return parser


def _written(name: str) -> list[str]:
    return [f"-{name}", f"--{name}"]


def _shown(by_mode: Mapping[str, NamedOption]) -> NamedOption:
    """The option as which a flag is read before the mode is known."""
    return by_mode.get(TEST) or by_mode[TRAIN]


def _mode(text: str) -> str:
    mode = flags.text(text).lower()
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
    for name, by_mode in form_flags().items():
        field = _shown(by_mode).name
        if field not in given:
            continue
        if mode in by_mode:
            values[field] = _read(given[field], _shown(by_mode), by_mode[mode])
        elif name in IGNORED:
            LOG.info("-%s has no meaning in -mode %s and is not used", name, mode.capitalize())
        else:
            raise UsageError(f"-{name} has no meaning in -mode {mode.capitalize()}; leave it out")
    values["data"] = _side(Path(str(values["data"])), mode)
    return records()[mode](**values)


def _read(value: object, shown: NamedOption, own: NamedOption) -> object:
    """A value as the mode wants it: ``-model_path`` is a file in one and a name in the other."""
    if own.option.value is shown.option.value:
        return value
    return flags.READERS[own.option.value](str(value))


def _side(data: Path, mode: str) -> Path:
    """``data/train`` or ``data/test`` where there is one, else ``data`` itself."""
    side = data / mode
    return side if side.is_dir() else data
