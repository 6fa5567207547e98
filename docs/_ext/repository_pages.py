"""Pages made of Markdown files elsewhere in the repository, and links to such files.

A link works in a code host's view of a file and on the site alike: where the target has a page, the
link leads there; where it has none, it offers the file itself.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent

PAGES = {
    "reference/model_ct_lung": "bundles/ct_lung_inpainting/docs/README.md",
    "reference/model_mri_chest": "bundles/mri_chest_inpainting/docs/README.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
}
"""Page -> the file whose text it shows. The page's own file holds one line that says so."""

STAND_INS = {
    "README.md": "index",
    "apps/monailabel/README.md": "howto/monailabel_ohif",
    "apps/deploy/README.md": "howto/deploy",
}
"""File -> the page that says the same."""

_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)"
)
_ELSEWHERE = re.compile(r"[a-z]+:|/")


def read_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the text of a page of ``PAGES``, and point links of any page to where they lead."""
    origin = ROOT / PAGES[page] if page in PAGES else DOCS / f"{page}.md"
    if page in PAGES:
        app.env.note_dependency(str(origin))
        source[0] = origin.read_text(encoding="utf-8")
    source[0] = _LINK.sub(lambda link: _led(link, page, origin), source[0])


def _led(link: re.Match[str], page: str, origin: Path) -> str:
    target, anchor = link["target"], link["anchor"] or ""
    if _ELSEWHERE.match(target):
        return link[0]
    file = (origin.parent / target).resolve()
    here = os.path.relpath(file, (DOCS / page).parent)
    if not file.is_file():
        where = target  # Sphinx says that it is missing
    elif link["image"]:
        where = here
    elif shown := _page_of(file):
        where = f"/{shown}.md{anchor}"
    else:
        where = f"path:{here}"
    return f"{link['image']}[{link['text']}]({where})"


def _page_of(file: Path) -> str:
    """The page that shows a file, or ""."""
    if file.is_relative_to(DOCS):
        return file.relative_to(DOCS).with_suffix("").as_posix() if file.suffix == ".md" else ""
    name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
    return {**{shown: page for page, shown in PAGES.items()}, **STAND_INS}.get(name, "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
