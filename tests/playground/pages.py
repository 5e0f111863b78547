"""The page as a reader uses it: opened at an address, waited for, read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WAIT = 60_000
"""Milliseconds for what a reader waits for; trainings of some hundred steps take a few seconds."""


@contextmanager
def opened(context: Any, page_file: Path, address: str = "") -> Iterator[Any]:
    """The page at an address; it must not complain on the console.

    Args:
        context: a browser's profile.
        page_file: the built page.
        address: what follows "#".
    """
    complaints: list[str] = []
    page = context.new_page()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(page_file.as_uri() + (f"#{address}" if address else ""))
    wait_rest(page)
    yield page
    assert not complaints, complaints
    page.close()


def step_of(page: Any) -> int:
    """The step that is shown."""
    return int(page.locator("#step-number").inner_text())


def wait_rest(page: Any, step: int | None = None) -> None:
    """Wait until the page says that nothing is trained, at this step if one is given."""
    page.wait_for_function(
        """step => {
          const button = document.querySelector("#button-play svg");
          const shown = Number(document.querySelector("#step-number")?.textContent);
          const said = document.querySelector("#status")?.textContent ?? "";
          return button?.classList.contains("icon-play") && said !== "" && !said.includes("…")
            && !document.querySelector(".columns:empty") && (step === null || step === shown);
        }""",
        arg=step,
        timeout=WAIT,
    )


def wait_address(page: Any, part: str) -> None:
    """Wait until the address holds a part such as ``alpha=0.75``."""
    page.wait_for_function("part => location.hash.slice(1).split('&').includes(part)", arg=part, timeout=WAIT)


def legend_values(page: Any, chart: str) -> list[float]:
    """The newest values above a chart, as numbers; shares as per cent."""
    texts = page.locator(f"#{chart} .legend-value").all_inner_texts()
    return [float(text.replace("−", "-").replace("%", "").replace("\u202f", "")) for text in texts]
