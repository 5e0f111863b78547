"""The tour: six states to play with, each with a question and its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playground.pages import opened, step_of, wait_address, wait_rest

pytestmark = pytest.mark.browser

STEPS = (400, 0, 0, 400, 400, 400)
RIGHT = (2, 1, 3, 1, 2, 3)


def test_six_steps_from_the_first_page_and_back(page: Any) -> None:
    page.click("#button-tour")
    for number, (steps, right) in enumerate(zip(STEPS, RIGHT, strict=True), start=1):
        assert page.locator(".over").inner_text() == f"Step {number} of 6"
        assert page.evaluate("document.activeElement.id") == "tour-title"
        wait_rest(page, steps)
        choices = page.locator(".choice")
        wrong = 1 + right % 3
        choices.nth(wrong - 1).click()
        assert page.locator(".tour-answer").inner_text().startswith("Not quite.")
        choices.nth(right - 1).click()
        assert page.locator(".tour-answer").inner_text().startswith("Right.")
        page.click("#tour-next")
    assert page.locator("#tour").count() == 0
    assert page.locator("#panel-theory").count() == 1
    assert step_of(page) == 400


def test_a_step_shows_only_what_it_speaks_of(context: Any, page_file: Path) -> None:
    with opened(context, page_file, "v=1&tour=2") as page:
        assert [panel.get_attribute("id") for panel in page.locator(".centre > section").all()] == [
            "panel-prompt",
            "panel-curves",
        ]
        assert page.locator(".chart").count() == 2
        assert page.locator(".prompt").count() == 1
        assert page.locator("#chart-error .legend-value").count() == 1  # shifted patterns come later
        page.click("#tour-leave")
        assert page.locator("#panel-map").count() == 1


def test_where_attention_takes_off_it_trains_slowly(context: Any, page_file: Path) -> None:
    with opened(context, page_file, "v=1&tour=3") as page:
        assert page.locator("#pace").input_value() == "slow"
        page.click("#tour-back")
        assert page.locator("#pace").input_value() == "full"


def test_the_numbers_jump_and_go_back(page: Any) -> None:
    page.click("#button-tour")
    page.locator(".tour-dots button").nth(2).click()
    assert page.locator(".over").inner_text() == "Step 3 of 6"
    page.click("#tour-back")
    assert page.locator(".over").inner_text() == "Step 2 of 6"
    wait_address(page, "tour=2")


def test_settings_beside_the_text_work(context: Any, page_file: Path) -> None:
    with opened(context, page_file, "v=1&tour=5&steps=100") as page:
        before = page.locator("#chart-risk .legend-value").nth(1).inner_text()
        page.locator("#setting-S1").press("Home")
        wait_address(page, "S1=-1.4")
        page.wait_for_function(
            "before => document.querySelectorAll('#chart-risk .legend-value')[1].textContent !== before", arg=before
        )
        assert step_of(page) == 100
