"""A training of 20,000 steps, to the end: memory stays flat."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playground.pages import step_of

pytestmark = pytest.mark.browser

# So small that a step takes next to no time; a link goes on to its step, also where nothing moves any more.
SMALL = "v=1&batch=4&width=8&length=8&length_test=4&M2=4&steps=20000"


def page_bytes(client: Any) -> int:
    """What the page's objects take after a thorough collection."""
    client.send("HeapProfiler.collectGarbage")
    return int(client.send("Runtime.getHeapUsage")["usedSize"])


def resident_bytes(browser: Any) -> int:
    """What the process takes that draws the page and trains, the largest one that shows a page."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [Path(f"/proc/{process['id']}/statm") for process in processes if process["type"] == "renderer"]
    return max(int(path.read_text().split()[1]) for path in pages) * os.sysconf("SC_PAGE_SIZE")


def wait_step(page: Any, step: int) -> None:
    """Wait until the training has come so far."""
    page.wait_for_function(
        "step => Number(document.querySelector('#step-number')?.textContent) >= step", arg=step, timeout=150_000
    )


def test_memory_is_flat(browser: Any, context: Any, page_file: Path) -> None:
    page = context.new_page()
    page.goto(f"{page_file.as_uri()}#{SMALL}")
    client = context.new_cdp_session(page)
    wait_step(page, 4_000)
    objects, resident = page_bytes(client), resident_bytes(browser)
    nodes = page.evaluate("document.querySelectorAll('*').length")
    wait_step(page, 20_000)
    assert step_of(page) == 20_000
    # 1,600 rows of twenty numbers stay well below a megabyte; arrays of every frame would be tens of them.
    assert page_bytes(client) - objects < 3_000_000
    assert resident_bytes(browser) - resident < 64_000_000
    assert page.evaluate("document.querySelectorAll('*').length") < nodes + 200
