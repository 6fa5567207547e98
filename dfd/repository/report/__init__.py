"""The report of a repository, made from its plan and parts alone at any time of the run.

``write`` makes series.csv, series.parquet, suspicious_regions.csv, and report.html with the folder
``report`` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import dfd.outputs.report
from dfd.outputs.files import write_atomically
from dfd.outputs.p_value_text import p_number
from dfd.outputs.report import policy, words
from dfd.outputs.run_record import NOTICE
from dfd.repository.empirical_null import ASSUMPTION, FALSE_DISCOVERIES, REMEDY
from dfd.repository.parts import PICTURES
from dfd.repository.report import charts, data, tables
from dfd.repository.report.anonymous import copied_pictures, without_names
from dfd.repository.report.data import COLUMNS, DataFiles
from dfd.repository.report.page import FIRST_ROWS, Page, page_of, read_duplicates
from dfd.repository.report.read import Repository, read
from dfd.repository.report.texts import cleaned
from dfd.repository.schema import NOT_YET

FILE_NAME = "report.html"
FOLDER = Path(__file__).parent
TITLES = {
    "rank": "Rank",
    "series": "Series",
    "result": "Result",
    "p_empirical": "p, empirical",
    "q_empirical": "q, empirical",
    "p_value": "p, shipped",
    "form": "Form",
    "modality": "Modality",
    "scanner": "Scanner",
    "kernel": "Kernel",
    "thickness_mm": "Thickness, mm",
    "slices": "Slices",
    "patient": "Patient",
    "study_date": "Study date",
}
"""Headings of the table, by column."""
NUMBERS = frozenset({"rank", "thickness_mm", "slices", "p_empirical", "q_empirical", "p_value"})
HIDDEN_COLUMNS = frozenset({"patient", "study_date"})
"""Columns that a report without names has not."""


def write(
    output: Path, *, models: Mapping[str, str] | None = None, anonymous: bool = False
) -> Path:
    """Write the report; it may be made anew at any time, also while the run goes on.

    Args:
        output: Folder of ``dfd screen``, with ``plan`` and ``parts``.
        models: Bundle -> SHA-256 of the model whose parts are reported. Of bundles that are missing
            the model of the newest part is taken.
        anonymous: Name no patient, path, UID or date, neither in the page nor in the tables.

    Raises:
        OutputError: there is no plan, or a file cannot be read or written.
    """
    repository = read(output, models)
    pictures = data.pictures_of(output, repository)
    if anonymous:
        named, repository = repository, without_names(repository)
        pictures = copied_pictures(output, named, repository, pictures)
    tables.write(output, repository)
    files = data.data_files(repository, pictures)
    data.write(output, files)
    page = page_of(repository, pictures, read_duplicates(output, anonymous=anonymous))
    text = render(page, repository, files, anonymous=anonymous)
    path = output / FILE_NAME
    write_atomically(path, text.encode("utf-8"))
    shown = {Path(address).name for address in pictures.values()}
    data.remove_earlier(output, {*files.files, *shown})
    return path


def render(page: Page, repository: Repository, files: DataFiles, *, anonymous: bool) -> str:
    """The page as text."""
    # The same look as the report of a single run: its style sheet, then what is new here.
    base = Path(dfd.outputs.report.__file__).parent / "page.css"
    style = base.read_text(encoding="utf-8") + _static("page.css")
    script = _static("page.js")
    # Data files and pictures lie beside the page: on a disk, or on a server that shows the folder.
    beside = policy(style, script).replace("img-src data:", "img-src data: file: 'self'")
    beside = beside.replace("script-src ", "script-src file: 'self' ")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            repository=repository,
            columns=[name for name in COLUMNS if not (anonymous and name in HIDDEN_COLUMNS)],
            style=Markup(style),
            script=Markup(script),
            policy=beside,
            digest=files.digest,
            anonymous=anonymous,
            made="" if anonymous else datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            running=page.outcomes[NOT_YET],
        )
    )


def _static(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"cleaned": cleaned, "p": _p, "number": words.number, "count": _count}
    made.globals |= {
        "assumption": ASSUMPTION,
        "charts": charts,
        "chunk": data.CHUNK,
        "false_discoveries": FALSE_DISCOVERIES,
        "first_rows": FIRST_ROWS,
        "folder": data.FOLDER,
        "notice": NOTICE,
        "numbers": NUMBERS,
        "pictures": PICTURES,
        "remedy": REMEDY,
        "titles": TITLES,
    }
    return made


def _p(value: float | None) -> str:
    return "–" if value is None else p_number(value)


def _count(value: int) -> str:
    """A number with thin spaces between its thousands."""
    return f"{value:,}".replace(",", "\u202f")


__all__ = ["FILE_NAME", "read", "render", "write"]
