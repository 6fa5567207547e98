"""report.html in a real browser, opened from disk.

It runs, loads nothing, and can be used by keyboard and printed.
"""

from __future__ import annotations

import base64
import csv
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfd import demo
from tests.external.programs import program

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed; it comes with the extra 'dev'"
)

from selenium.webdriver.common.by import By  # noqa: E402 - what may be missing stands above
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--window-size=1280,900",
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    demo.run(folder, 20261122)
    return folder / "results"


@pytest.fixture(scope="module")
def scores(results: Path) -> list[dict[str, str]]:
    with (results / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(program("chromium", "google-chrome"))
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option(
        "prefs",
        {"download.default_directory": str(downloads), "download.prompt_for_download": False},
    )
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(str(program("chromedriver")))
    )
    driver.downloads = downloads
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, results: Path) -> Any:
    """The report, freshly opened."""
    # A review that was not exported asks before it is left; here nobody would answer.
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get((results / "report.html").as_uri())
    return browser


def shown_rows(page: Any) -> list[str]:
    return page.execute_script(
        "return Array.from(document.querySelectorAll('#table tbody tr')).filter(r => "
        "!r.hidden).map(r => r.dataset.row)"
    )


def shown_points(page: Any) -> list[str]:
    return page.execute_script(
        "return Array.from(document.querySelectorAll('article.point')).filter(p => "
        "!p.hidden).map(p => p.dataset.row)"
    )


def wait(page: Any, until: Callable[[Any], Any]) -> Any:
    return WebDriverWait(page, 20).until(until)


def test_it_opens_without_an_error_and_asks_the_network_for_nothing(page: Any) -> None:
    wait(
        page,
        lambda page: page.execute_script(
            "return document.readyState === 'complete' && Array.from(document.images).every(i "
            "=> i.complete)"
        ),
    )
    assert page.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        each["params"]["request"]["url"]
        for each in messages
        if each["method"] == "Network.requestWillBeSent"
    ]
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert len([address for address in asked if address.startswith("file:")]) == 1
    assert (
        page.execute_script(
            "return Array.from(document.images).filter(i => i.naturalWidth === 0).length"
        )
        == 0
    )


def test_the_policy_stops_what_is_not_ours(page: Any) -> None:
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.stolen = 1'; "
        "document.body.append(s);"
    )
    page.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img id=foreign "
        'src="https://127.0.0.1:9/x.png" onerror="window.stolen = 2">\')'
    )
    assert page.execute_script("return window.stolen === undefined")
    assert [
        entry for entry in page.get_log("browser") if "Content Security Policy" in entry["message"]
    ]


def test_the_table_is_sorted_by_mouse_and_keyboard(page: Any, scores: list[dict[str, str]]) -> None:
    header = page.find_element(By.XPATH, "//th[button[text()='Score']]")
    button = header.find_element(By.TAG_NAME, "button")
    button.click()
    assert header.get_attribute("aria-sort") == "ascending"
    order = sorted(range(len(scores)), key=lambda row: float(scores[row]["score"]))
    assert shown_rows(page) == [str(row + 2) for row in order]
    button.send_keys(Keys.ENTER)
    assert header.get_attribute("aria-sort") == "descending"
    assert shown_rows(page) == [str(row + 2) for row in reversed(order)]
    assert (
        len(page.find_elements(By.CSS_SELECTOR, "th[aria-sort='none']"))
        == len(page.find_elements(By.CSS_SELECTOR, "#table th")) - 1
    )


def test_filters_hold_for_the_table_and_the_pages(page: Any, scores: list[dict[str, str]]) -> None:
    Select(page.find_element(By.ID, "verdict")).select_by_value("strongly unusual")
    wanted = {
        str(row + 2) for row, score in enumerate(scores) if score["verdict"] == "strongly unusual"
    }
    assert set(shown_rows(page)) == set(shown_points(page)) == wanted
    page.find_element(By.ID, "find").send_keys("COPY-move")
    assert shown_rows(page) == [
        str(row + 2) for row, score in enumerate(scores) if score["form"] == "copy-move"
    ]
    assert "1 of 11 rows" in page.find_element(By.ID, "shown").text
    page.find_element(By.ID, "find").send_keys(" nowhere")
    assert shown_points(page) == []


def test_keys_lead_from_point_to_point(page: Any) -> None:
    points = shown_points(page)
    body = page.find_element(By.TAG_NAME, "body")
    here = "return document.activeElement.dataset.row"
    for key, expected in (
        ("n", points[0]),
        ("n", points[1]),
        ("n", points[2]),
        ("p", points[1]),
        ("p", points[0]),
        ("p", points[0]),
    ):
        page.switch_to.active_element.send_keys(key)
        assert page.execute_script(here) == expected
    assert (
        0 <= page.execute_script("return document.activeElement.getBoundingClientRect().top") < 120
    )
    page.find_element(By.NAME, f"note-{points[0]}").send_keys("np")
    assert page.find_element(By.NAME, f"note-{points[0]}").get_attribute("value") == "np"
    assert body.is_displayed()


def test_the_first_tab_stop_skips_to_the_table(page: Any) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("class") == "skip"
    assert page.switch_to.active_element.is_displayed()
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.execute_script("return location.hash") == "#rows"


def test_windows_are_switched_by_arrow_keys(page: Any) -> None:
    row = shown_points(page)[0]
    first = page.find_element(By.CSS_SELECTOR, f"input[name='window-{row}']:checked")
    number = int(first.get_attribute("id").rsplit("-", 1)[1])
    seen = (
        "return Array.from(document.querySelectorAll('#point-' + arguments[0] + ' "
        ".picture.v')).filter(e => e.offsetParent).map(e => e.className)"
    )
    assert {name.split()[-1] for name in page.execute_script(seen, row)} == {f"v{number}"}
    first.send_keys(Keys.ARROW_RIGHT)
    assert page.execute_script("return document.activeElement.id") == f"window-{row}-{number + 1}"
    assert {name.split()[-1] for name in page.execute_script(seen, row)} == {f"v{number + 1}"}


def test_a_review_is_exported_as_json(
    page: Any, scores: list[dict[str, str]], results: Path
) -> None:
    first, second = shown_points(page)[:2]
    page.find_element(By.CSS_SELECTOR, f"input[name='review-{first}'][value='disagree']").click()
    note = 'Looks like motion; "quoted" <b>&amp;'
    page.find_element(By.NAME, f"note-{second}").send_keys(note)
    assert page.find_element(By.ID, "reviewed").text == "2 of 11 reviewed"
    assert (
        page.find_element(By.CSS_SELECTOR, f"tr[data-row='{first}'] .review-cell").text
        == "disagree"
    )
    page.find_element(By.ID, "export").click()
    file = page.downloads / "review.json"
    wait(page, lambda _: file.exists())
    time.sleep(0.5)
    record = json.loads(file.read_text(encoding="utf-8"))
    run = json.loads((results / "run.json").read_text(encoding="utf-8"))
    assert (record["format"], record["bundle"], record["rows"]) == (
        "dfd review 1",
        run["bundle"],
        11,
    )
    assert (record["weights_sha256"], record["calibration_sha256"]) == (
        run["weights_sha256"],
        run["calibration_sha256"],
    )
    assert record["notice"] == run["notice"]
    (one, two) = sorted(record["reviews"], key=lambda each: each["review"], reverse=True)
    asked = scores[int(first) - 2]
    assert one == {
        "row": int(first),
        "filename": asked["filename"],
        "frame": None,
        "x": float(asked["X"]),
        "y": float(asked["Y"]),
        "p_value": float(asked["p_value"]),
        "verdict": asked["verdict"],
        "review": "disagree",
        "note": "",
    }
    assert (two["row"], two["review"], two["note"]) == (int(second), "", note)
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [320, 640])
def test_large_text_and_narrow_windows_need_no_scrolling_sideways(page: Any, width: int) -> None:
    """At 1280 pixels, 400 % and 200 % leave so much (WCAG 2.2, 1.4.10)."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_what_can_be_used_has_a_name(page: Any) -> None:
    nameless = """
        const all = document.querySelectorAll('button, input, select, textarea, a[href]');
        return Array.from(all).filter(e =>
            !(e.textContent.trim() || (e.labels && e.labels.length) ||
              e.getAttribute('aria-label'))).map(e => e.outerHTML.slice(0, 80))"""
    assert page.execute_script(nameless) == []
    assert (
        page.execute_script(
            "return Array.from(document.querySelectorAll('[id]')).map(e => e.id).filter((id, "
            "i, all) => all.indexOf(id) !== i)"
        )
        == []
    )


def test_a_print_has_one_page_per_point(page: Any) -> None:
    whole = pages_of(page.print_page())
    Select(page.find_element(By.ID, "verdict")).select_by_value("strongly unusual")
    kept = len(shown_points(page))
    assert whole - pages_of(page.print_page()) == 11 - kept
    assert whole - 11 <= 2


def pages_of(printed: str) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed)))
