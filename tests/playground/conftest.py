"""A real browser with the built page, loaded from disk with the network off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playground.tools import chromium_path, missing

from iclscope.playground.build import page_html


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built page."""
    path = tmp_path_factory.mktemp("playground") / "playground.html"
    path.write_text(page_html(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium as the system has it."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("Playwright for Python (extra browser)")
    path = chromium_path()
    with sync_playwright() as playwright:
        # A container's root may not make the sandbox; the page is ours, and the network is off.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    """A fresh profile without a network."""
    made = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    yield made
    made.close()


@pytest.fixture
def page(context: Any, page_file: Path) -> Iterator[Any]:
    """The page, loaded; at the end it must not have complained on the console."""
    complaints: list[str] = []
    opened = context.new_page()
    opened.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(page_file.as_uri())
    yield opened
    assert complaints == []
