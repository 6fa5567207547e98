"""OHIF in a headless browser: the viewer that MONAI Label serves, worked as a person would."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.external.programs import program

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed; it comes with the extra 'dev'"
)

from selenium.webdriver import ActionChains  # noqa: E402 - what may be missing stands above
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

FLAGS = (
    *("--headless=new", "--no-sandbox", "--window-size=1600,1000"),
    # It draws with WebGL, here without a graphics card, and asks for fonts of another host.
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LIMIT_S = 90
VIEWPORT = "mpr-axial"
_READY = """
    const viewport = window.services?.cornerstoneViewportService
        ?.getCornerstoneViewport(arguments[0]);
    const volume = viewport?.getImageData?.();
    return Boolean(volume && document.querySelector("#monailabelServerURL"));
"""
_WHERE = """
    const viewport = services.cornerstoneViewportService.getCornerstoneViewport(arguments[0]);
    const [x, y] = viewport.worldToCanvas(arguments[1]);
    const frame = viewport.canvas.getBoundingClientRect();
    return [frame.left + x, frame.top + y];
"""
_JUMP = """
    const viewport = services.cornerstoneViewportService.getCornerstoneViewport(arguments[0]);
    const { focalPoint, position, viewPlaneNormal } = viewport.getCamera();
    const away = viewPlaneNormal.reduce(
        (sum, along, axis) => sum + along * (arguments[1][axis] - focalPoint[axis]), 0);
    const moved = (from) => from.map((value, axis) => value + away * viewPlaneNormal[axis]);
    viewport.setCamera({ focalPoint: moved(focalPoint), position: moved(position) });
    viewport.render();
"""
_SEGMENT = """
    const { segmentationService } = services;
    const ours = segmentationService.getSegmentations()
        .find((each) => each.segmentationId === "1" || each.label.includes("tampering"));
    const volume = ours && segmentationService.getLabelmapVolume(ours.segmentationId);
    const images = ours?.representationData.Labelmap.imageIds || [];
    const found = [];
    if (volume) {
        const [wide, high] = volume.dimensions;
        volume.voxelManager.getCompleteScalarDataArray().forEach((value, at) => {
            if (!value) return;
            const [row, slice] = [Math.floor(at / wide) % high, Math.floor(at / (wide * high))];
            found.push(Array.from(volume.imageData.indexToWorld([at % wide, row, slice])));
        });
        return found;
    }
    for (const name of images) {
        const image = cornerstone.cache.getImage(name);
        image?.voxelManager.getScalarData().forEach((value, at) => {
            if (!value) return;
            const pixel = [at % image.columns, Math.floor(at / image.columns)];
            const source = image.referencedImageId;
            found.push(Array.from(cornerstone.utilities.imageToWorldCoords(source, pixel)));
        });
    }
    return found;
"""
_SHAPE = """
    const name = services.viewportGridService.getState().activeViewportId;
    const image = services.cornerstoneViewportService.getCornerstoneViewport(name)?.csImage;
    return image ? [image.columns, image.rows] : [0, 0];
"""
_OUTLINES = """
    return Object.values(cornerstoneTools.annotation.state.getAllAnnotations())
        .filter((each) => each.metadata.toolName.includes("SR"))
        .map((each) => Object.values(each.data.renderableData || {}).flat(2));
"""


@dataclass(frozen=True)
class Viewer:
    """A browser with OHIF."""

    browser: Any
    address: str
    """Of MONAI Label, which serves it."""

    def open(self, study: str, mode: str = "monai-label") -> None:
        """A study in a mode, once it is drawn."""
        self.browser.get(f"{self.address}/ohif/{mode}?StudyInstanceUIDs={study}")
        self.hide_notice()

    def hide_notice(self) -> None:
        """Say yes to the note that it is for research."""
        for button in self.browser.find_elements(By.XPATH, "//button[.='Confirm and Hide']"):
            button.click()

    def connect(self) -> str:
        """Ask the server what it offers, as the panel's round arrow does; what it then shows."""
        self.until(lambda page: page.execute_script(_READY, VIEWPORT))
        self.hide_notice()
        field = self.browser.find_element(By.ID, "monailabelServerURL")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(f"{self.address}/")
        field.find_element(By.XPATH, "./following::button[1]").click()
        self.until(lambda page: page.find_elements(By.XPATH, "//tr[td[.='unusual']]"))
        return str(self.browser.find_element(By.CLASS_NAME, "monaiLabelPanel").text)

    def ask(self, model: str, place: np.ndarray) -> None:
        """Click ``place`` (mm, LPS) in *Point Prompts* and press *Run*; waits for the segment."""
        self.browser.find_element(By.CSS_SELECTOR, "label[for='tab-3']").click()
        tab = self.browser.find_element(By.XPATH, "//input[@id='tab-3']/..")
        choice = tab.find_element(By.TAG_NAME, "select")
        self.until(lambda _: choice.is_displayed())
        time.sleep(1)  # it slides open
        Select(choice).select_by_value(model)
        tab.find_element(By.XPATH, ".//tr[td[.='unusual']]").click()
        self.browser.execute_script(_JUMP, VIEWPORT, place.tolist())
        time.sleep(1)
        x, y = self.browser.execute_script(_WHERE, VIEWPORT, place.tolist())
        click = ActionChains(self.browser)
        click.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        click.w3c_actions.pointer_action.click()
        click.perform()
        time.sleep(1)
        tab.find_element(By.XPATH, ".//button[@title='Run PointPrompts']").click()

    def segment(self) -> np.ndarray:
        """Places (mm, LPS) ``[N, 3]`` of the voxels that are marked."""
        found = self.browser.execute_script(_SEGMENT)
        return np.array(found, dtype=float).reshape(-1, 3)

    def show(self, modality: str) -> None:
        """Open the first series of ``modality`` from the list, and say yes to what it asks."""
        entry = self.until(lambda _: self._listed(modality))
        ActionChains(self.browser).double_click(entry).perform()
        if modality == "SEG":
            yes = "//button[.='Yes']"
            self.until(lambda page: page.find_elements(By.XPATH, yes))[0].click()

    def _listed(self, modality: str) -> Any:
        self.hide_notice()
        listed = self.browser.find_elements(By.CSS_SELECTOR, "[data-cy^='study-browser-thumbnail']")
        return next((each for each in listed if each.text.startswith(modality)), None)

    def shape(self) -> tuple[int, int]:
        """Columns and rows of the picture that is shown."""
        columns, rows = self.browser.execute_script(_SHAPE)
        return int(columns), int(rows)

    def outlines(self) -> list[np.ndarray]:
        """Middles (mm, LPS) of what a structured report outlines."""
        return [np.mean(each, axis=0) for each in self.browser.execute_script(_OUTLINES) if each]

    def until(self, done: Callable[[Any], Any], limit_s: float = LIMIT_S) -> Any:
        return WebDriverWait(self.browser, limit_s, poll_frequency=0.3).until(done)

    def asked(self) -> list[dict[str, Any]]:
        """Requests since the last call."""
        entries = [
            json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")
        ]
        return [
            entry["params"]["request"]
            for entry in entries
            if entry["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def viewing(address: str, profile: Path) -> Iterator[Viewer]:
    """A browser while the block runs."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(program("chromium", "google-chrome"))
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(str(program("chromedriver")))
    )
    try:
        yield Viewer(browser, address)
    finally:
        browser.quit()
