"""Prompts that are edited: the model answers what stands there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playground.pages import WAIT, opened, step_of, wait_address

pytestmark = pytest.mark.browser

TRAINED = "v=1&steps=120"


def answer(page: Any, domain: str) -> str:
    """What the model says of the prompt: "+" or "−"."""
    text: str = page.locator(f"#prompt-{domain} .answer").inner_text()
    return text


def wait_answer(page: Any, domain: str, expected: str) -> None:
    """Wait until the model says this."""
    page.wait_for_function(
        "([domain, expected]) => document.querySelector(`#prompt-${domain} .answer`).textContent === expected",
        arg=[domain, expected],
        timeout=WAIT,
    )


@pytest.mark.parametrize("domain", ["in", "out"])
def test_the_answer_follows_the_labels_of_the_querys_pattern(context: Any, page_file: Path, domain: str) -> None:
    with opened(context, page_file, TRAINED) as page:
        first = answer(page, domain)
        other = "−" if first == "+" else "+"
        flipped = 0
        for label in page.locator(f"#prompt-{domain} .column:not(.same) .label").all():
            label.click()
            flipped += 1
        assert flipped > 0
        page.wait_for_timeout(200)
        assert answer(page, domain) == first  # labels of other patterns hardly count
        for label in page.locator(f"#prompt-{domain} .column.same .label").all():
            label.click()
        wait_answer(page, domain, other)
        assert "right" in page.locator(f"#prompt-{domain} .verdict-line").inner_text()
        assert step_of(page) == 120  # nothing was trained
        page.wait_for_function("name => location.hash.includes(name)", arg=f"prompt-{domain}=", timeout=WAIT)


def test_an_edited_prompt_is_in_the_link(context: Any, page_file: Path) -> None:
    with opened(context, page_file, TRAINED) as page:
        for label in page.locator("#prompt-in .column.same .label").all():
            label.click()
        wait_answer(page, "in", "−")
        page.wait_for_function("location.hash.includes('prompt-in=')", timeout=WAIT)
        labels = page.locator("#prompt-in .column .label").all_inner_texts()
        link = page.evaluate("location.hash.slice(1)")
    with opened(context, page_file, link) as page:
        assert page.locator("#prompt-in .column .label").all_inner_texts() == labels
        assert answer(page, "in") == "−"


def test_an_example_can_be_changed_added_and_removed(context: Any, page_file: Path) -> None:
    with opened(context, page_file, TRAINED) as page:
        columns = page.locator("#prompt-in .column")
        page.click("#prompt-in .add")
        page.wait_for_function("document.querySelectorAll('#prompt-in .column').length === 21", timeout=WAIT)
        editor = page.locator("#prompt-in .editor")
        assert editor.is_visible()
        editor.locator(".pick .pattern", has_text="F").click()
        assert columns.nth(20).locator(".pattern").inner_text() == "F"
        editor.locator("select").select_option("6")
        assert columns.nth(20).locator(".irrelevant").inner_text() == "7"
        editor.locator("input[type=range]").press("Home")
        assert editor.locator("output").inner_text() == "−0.50"
        before = columns.nth(20).locator(".label").inner_text()
        editor.locator(".label", has_text="+" if before == "−" else "−").click()
        assert columns.nth(20).locator(".label").inner_text() != before
        editor.get_by_text("Remove example").click()
        page.wait_for_function("document.querySelectorAll('#prompt-in .column').length === 20", timeout=WAIT)
        assert not editor.is_visible()


def test_another_prompt_and_another_query(context: Any, page_file: Path) -> None:
    with opened(context, page_file, TRAINED) as page:
        before = page.locator("#prompt-out .column .pattern").all_inner_texts()
        page.click("#prompt-out .another")
        wait_address(page, "prompt-out=1")
        assert page.locator("#prompt-out .column .pattern").all_inner_texts() != before
        asked = page.locator("#query-in").inner_text()
        page.click("#query-in")
        page.wait_for_function(
            "asked => document.querySelector('#query-in').textContent !== asked", arg=asked, timeout=WAIT
        )


def test_prompts_are_edited_by_keyboard(context: Any, page_file: Path) -> None:
    with opened(context, page_file, TRAINED) as page:
        page.locator("#prompt-in .column .pattern").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        label = page.locator("#prompt-in .column").nth(1).locator(".label")
        before = label.inner_text()
        page.keyboard.press("Enter")
        page.wait_for_function(
            "before => document.activeElement.textContent !== before && document.activeElement.matches('.label')",
            arg=before,
            timeout=WAIT,
        )
        assert label.inner_text() != before
        page.keyboard.press("Delete")
        page.wait_for_function("document.querySelectorAll('#prompt-in .column').length === 19", timeout=WAIT)
        page.keyboard.press("End")
        assert page.evaluate("document.activeElement.closest('.column').matches(':last-child')")
