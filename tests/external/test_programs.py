"""The programs that this folder talks to answer."""

from __future__ import annotations

import subprocess

from tests.external.programs import free_port, program


def test_the_browser_prints_a_page() -> None:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    done = subprocess.run(
        [program("chromium", "google-chrome"), *flags, "--dump-dom", "data:text/html,<p>here</p>"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "<p>here</p>" in done.stdout


def test_a_free_port_is_free() -> None:
    assert free_port() != free_port()
