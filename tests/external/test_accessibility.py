"""Both reports by WCAG 2.2 AA, in light and dark, and in print."""

from __future__ import annotations

import base64
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dfd import workflow
from dfd.modalities import MODALITIES
from dfd.phantom import write_ct_series
from dfd.repository import report
from dfd.settings import ScoreSettings
from tests.external import axe
from tests.external.programs import program
from tests.repository.tables import part, planned, write_parts, write_plan

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed; it comes with the extra 'dev'"
)

from selenium.webdriver.common.by import By  # noqa: E402 - what may be missing stands above
from selenium.webdriver.common.keys import Keys  # noqa: E402

# So wide that no table scrolls: axe does not judge the colours of what is scrolled away.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=2200,1200")
SERIES, SCORED = 300, 200
TEXT_CONTRAST, GRAPHICS_CONTRAST = 4.5, 3.0
"""WCAG 2.2, 1.4.3 and 1.4.11."""
STROKE, BORDER = ("stroke", GRAPHICS_CONTRAST), ("border-top-color", GRAPHICS_CONTRAST)
DRAWN = {
    "scores": {
        **{".tick": ("fill", TEXT_CONTRAST), ".name": ("fill", TEXT_CONTRAST)},
        **dict.fromkeys((".genuine", ".share", "line.here", ".dot", ".axis", ".limit"), STROKE),
    },
    "repository": {
        ".plots .tick": ("fill", TEXT_CONTRAST),
        **dict.fromkeys((".bars", ".band", ".curve", ".curve.empirical", ".even"), STROKE),
        **dict.fromkeys((".key", ".key.line", ".key.empirical", ".key.dashed"), BORDER),
    },
}
"""What axe does not judge, for it knows no drawings, and what must stand out of it."""


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole slices of two series, a point, and a file that cannot be read."""
    folder = tmp_path_factory.mktemp("scores")
    for name, slices in (("a", 2), ("b", 1)):
        write_ct_series(folder / "study" / name, seed=slices, slices=slices, patient=name, size=160)
    (folder / "study" / "bad.dcm").write_bytes(b"not DICOM")
    rows = ("filename,X,Y", "a/file001.dcm,,", "b/file001.dcm,,", "bad.dcm,20,30")
    points = folder / "points.csv"
    points.write_text("\n".join((*rows, "a/file002.dcm,60,84")) + "\n", encoding="utf-8")
    settings = ScoreSettings(
        data=folder / "study",
        points=points,
        model=MODALITIES["ct_lung"].bundle,
        output_dir=folder / "results",
    )
    workflow.score(settings)
    return folder / "results" / "report.html"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that is not done, of which one stratum fits badly and some series failed."""
    folder = tmp_path_factory.mktemp("repository")
    rows = [planned(number) for number in range(SERIES)]
    rows[-1] |= {"status": "skipped", "reason": "a localizer of one slice"}
    write_plan(folder, rows)
    p_values = (np.arange(SCORED) + 0.5) / SCORED
    p_values[1::2] **= 2
    parts = [part(row, float(p)) for row, p in zip(rows, p_values, strict=False)]
    parts[50] = part(rows[50], None)
    write_parts(folder, parts)
    report.write(folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(program("chromium", "google-chrome"))
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(str(program("chromedriver")))
    )
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(params=["scores", "repository"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Any, kind: str, request: pytest.FixtureRequest) -> Any:
    return opened(browser, request.getfixturevalue(kind))


@pytest.fixture
def scored_page(browser: Any, scores: Path) -> Any:
    return opened(browser, scores)


def opened(browser: Any, path: Path) -> Any:
    """A report with everything open that opens."""
    browser.get("about:blank")
    browser.get(path.as_uri())
    browser.execute_script(
        "document.querySelectorAll('details').forEach(each => { each.open = true; });"
        "document.querySelectorAll('#table .open').forEach((each, at) => at < 1 && each.click());"
    )
    return browser


@pytest.fixture(params=["light", "dark"])
def scheme(browser: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    chosen = {"name": "prefers-color-scheme", "value": request.param}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [chosen]})
    yield str(request.param)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_axe_finds_nothing(page: Any, scheme: str) -> None:
    wrong, kept = axe.found(page, axe.script())
    assert wrong == []
    assert {"color-contrast", "target-size", "label", "heading-order", "region"} <= kept, scheme


def test_drawings_stand_out(page: Any, kind: str, scheme: str) -> None:
    ground = luminance(colour(page, "html", "background-color"))
    for selector, (drawn, wanted) in DRAWN[kind].items():
        apart = contrast(luminance(colour(page, selector, drawn)), ground)
        assert apart >= wanted, (selector, scheme)


def test_pictures_are_the_same_in_the_dark(scored_page: Any, scheme: str) -> None:
    chosen = "article:has(.sheet) .windows > input:checked ~ .views img"
    picture = next(
        each for each in scored_page.find_elements(By.CSS_SELECTOR, chosen) if each.is_displayed()
    )
    scored_page.execute_script("arguments[0].nextElementSibling.hidden = true", picture)
    shown = Image.open(io.BytesIO(picture.screenshot_as_png)).convert("L")
    address = picture.get_attribute("src").split(",", 1)[1]
    stored = Image.open(io.BytesIO(base64.b64decode(address))).convert("L").resize(shown.size)
    apart = np.abs(np.asarray(shown, float) - np.asarray(stored, float))
    assert np.mean(apart) < 8, scheme


def test_letters_can_be_switched_off(scored_page: Any) -> None:
    page = scored_page
    here = "return document.activeElement.dataset.row || ''"
    body = page.find_element(By.TAG_NAME, "body")
    page.find_element(By.ID, "keys").send_keys(Keys.SPACE)
    body.send_keys("n")
    assert page.execute_script(here) == ""
    page.find_element(By.ID, "keys").send_keys(Keys.SPACE, "n")
    first = page.execute_script(here)
    page.find_element(By.CSS_SELECTOR, f"input[name='review-{first}']").send_keys(Keys.SPACE, "n")
    assert page.execute_script(here) not in ("", first)


def test_tables_and_live_regions_have_names(page: Any, kind: str) -> None:
    nameless = """
        const named = (each) => each.caption?.textContent.trim() || each.getAttribute("aria-label")
            || document.getElementById(each.getAttribute("aria-labelledby"))?.textContent.trim();
        return Array.from(document.querySelectorAll("main table, main [role=region]"))
            .filter((each) => !named(each) && !each.matches(".point table"))
            .map((each) => each.outerHTML.slice(0, 80));"""
    assert page.execute_script(nameless) == []
    page.find_element(By.ID, "find").send_keys("nothing has this name")
    shown = page.find_element(By.ID, "shown")
    assert (shown.get_attribute("role"), shown.get_attribute("aria-live")) == ("status", "polite")
    assert shown.text.startswith("0 of "), kind


def test_region_numbers_lie_in_the_picture(scored_page: Any) -> None:
    outside = """
        return Array.from(document.querySelectorAll(".disk .label")).filter((label) => {
            const [one, frame] = [label, label.ownerSVGElement].map(e => e.getBoundingClientRect());
            return one.left < frame.left || one.right > frame.right || one.top < frame.top;
        }).map((label) => label.outerHTML);"""
    assert scored_page.find_elements(By.CSS_SELECTOR, ".disk .label")
    assert scored_page.execute_script(outside) == []


def test_every_printed_page_of_a_table_has_its_headings(
    browser: Any, repository: Path, tmp_path: Path
) -> None:
    browser.get(repository.as_uri())
    printed = tmp_path / "report.pdf"
    printed.write_bytes(base64.b64decode(browser.print_page()))
    words = [program("pdftotext"), "-layout", printed, "-"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    pages = [page for page in text.split("\f") if page.count("no anomaly found") > 5]
    assert len(pages) >= 2
    assert all("Thickness" in page and "Study date" in page for page in pages)


def colour(page: Any, selector: str, drawn: str) -> tuple[float, ...]:
    """Of the first element of ``selector``, red, green and blue from 0 to 1."""
    painted = page.execute_script(
        "const found = document.querySelector(arguments[0]);"
        "return getComputedStyle(found).getPropertyValue(arguments[1])",
        selector,
        drawn,
    )
    assert painted.startswith("rgb("), (selector, painted)
    return tuple(float(value) / 255 for value in re.findall(r"\d+", painted))


def luminance(values: tuple[float, ...]) -> float:
    """As WCAG 2.2 defines it."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
