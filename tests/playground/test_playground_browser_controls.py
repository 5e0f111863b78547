"""Every control of the page does what it says, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playground.pages import WAIT, legend_values, opened, step_of, wait_address, wait_rest

pytestmark = pytest.mark.browser

# Small, so that a training takes no time.
QUICK = "v=1&batch=32&width=16&length=8"


def settings_of(page: Any) -> list[dict[str, Any]]:
    """All settings, as the engine lists them."""
    found: list[dict[str, Any]] = page.evaluate("PlaygroundLibrary.SETTINGS")
    return found


def test_trains_pauses_and_starts_over(context: Any, page_file: Path) -> None:
    with opened(context, page_file, QUICK) as page:
        assert step_of(page) == 0
        page.click("#button-step")
        wait_rest(page, 1)
        page.click("#button-ten")
        wait_rest(page, 11)
        page.click("#button-play")
        page.wait_for_function("Number(document.querySelector('#step-number').textContent) > 60", timeout=WAIT)
        page.click("#button-play")
        wait_rest(page)
        reached = step_of(page)
        wait_address(page, f"steps={reached}")
        page.wait_for_timeout(200)
        assert step_of(page) == reached
        page.click("#button-reset")
        wait_rest(page, 0)


def test_slow_is_slow_enough_to_be_watched(context: Any, page_file: Path) -> None:
    with opened(context, page_file, QUICK) as page:
        page.select_option("#pace", "slow")
        page.click("#button-play")
        page.wait_for_timeout(2000)
        page.click("#button-play")
        wait_rest(page)
        assert 10 <= step_of(page) <= 45  # 20 per second
        page.select_option("#pace", "full")
        reached = step_of(page)
        page.click("#button-play")
        page.wait_for_function(
            f"Number(document.querySelector('#step-number').textContent) > {reached + 60}", timeout=WAIT
        )
        page.click("#button-play")
        wait_rest(page)


def test_what_is_trained_is_drawn(context: Any, page_file: Path) -> None:
    with opened(context, page_file, "v=1&steps=120") as page:
        risk_in, risk_out = legend_values(page, "chart-risk")
        assert risk_in < 0.1 < risk_out < 0.5
        assert legend_values(page, "chart-error")[0] < 2
        assert legend_values(page, "chart-attention")[0] > 80
        large_plus, large_minus, small = legend_values(page, "panel-neurons")
        assert large_plus + large_minus + small == 64
        assert page.locator("#panel-neurons path.neuron").count() == 64
        assert page.locator("#panel-pruning rect.bar").count() == 64
        for chart in ("risk", "error", "attention", "norm"):
            lines = page.locator(f"#chart-{chart} path.line")
            assert [len(lines.nth(index).get_attribute("d") or "") > 60 for index in range(2)] == [True, True]


def test_values_are_read_off_where_the_pointer_is(context: Any, page_file: Path) -> None:
    """In all charts at once; beyond them the newest are shown again."""
    with opened(context, page_file, "v=1&steps=100") as page:
        newest = {chart: legend_values(page, f"chart-{chart}") for chart in ("risk", "attention")}
        box = page.locator("#chart-risk svg").bounding_box()
        page.locator("#chart-risk svg").hover(position={"x": 45, "y": box["height"] / 2})
        page.wait_for_function("document.querySelectorAll('.pointer-line').length === 4", timeout=WAIT)
        assert legend_values(page, "chart-risk")[0] > 0.99 > newest["risk"][0]
        assert legend_values(page, "chart-attention")[0] == 42 < newest["attention"][0]
        page.locator("h1").hover()
        page.wait_for_function("document.querySelectorAll('.pointer-line').length === 0", timeout=WAIT)
        assert legend_values(page, "chart-risk") == newest["risk"]


def test_every_setting_can_be_moved(context: Any, page_file: Path) -> None:
    """By keyboard; those marked live go on from the step that was reached, all others start anew."""
    with opened(context, page_file, f"{QUICK}&steps=10") as page:
        for setting in settings_of(page):
            name, standard = setting["name"], setting["standard"]
            control = page.locator(f"#setting-{name}")
            if page.evaluate("id => document.getElementById(id).tagName", f"setting-{name}") == "SELECT":
                control.select_option("all")
            elif name == "seed":
                control.fill("7")
                control.press("Enter")
            else:
                # Away from the end of its range.
                control.press("ArrowLeft" if standard == setting["most"] else "ArrowRight")
            # η may be changed on the way; then the link says when.
            part = "changes" if name == "eta" else name
            page.wait_for_function("name => new RegExp(`[#&]${name}=`).test(location.hash)", arg=part, timeout=WAIT)
            wait_rest(page, 0 if setting["restart"] else 10)
            is_marked = page.locator(f"[data-setting={name}] .live").count() == 1
            assert is_marked is not setting["restart"], name
            if setting["restart"]:
                page.click("#button-ten")
                wait_rest(page, 10)


def test_every_setting_is_explained(page: Any) -> None:
    for setting in settings_of(page):
        box = page.locator(f"[data-setting={setting['name']}]")
        assert not box.locator(".help").is_visible()
        box.locator(".help-button").click()
        assert len(box.locator(".help").inner_text()) > 20
        box.locator(".help-button").click()
        assert not box.locator(".help").is_visible()


def test_a_step_size_that_is_too_large_is_told_in_words(context: Any, page_file: Path) -> None:
    with opened(context, page_file, f"{QUICK}&eta=100&delta=0.5&beta=4") as page:
        page.click("#button-play")
        page.wait_for_selector("#status.alarm", timeout=WAIT)
        assert "blew up at step" in page.locator("#status").inner_text()
        assert "no number any more" in page.locator("#prompt-in .verdict-line").inner_text()


def test_several_seeds_are_drawn_with_their_mean(context: Any, page_file: Path) -> None:
    with opened(context, page_file, f"{QUICK}&seeds=3&steps=30") as page:
        assert page.locator("#chart-risk path.line").count() == 8  # three seeds and their mean, two domains
        before = page.locator("#panel-pruning rect.bar").first.get_attribute("height")
        page.select_option("#shown-seed", "2")
        page.wait_for_function(
            "before => document.querySelector('#panel-pruning rect.bar').getAttribute('height') !== before",
            arg=before,
            timeout=WAIT,
        )
        wait_address(page, "shown=2")


def test_pruning_follows_the_handle(context: Any, page_file: Path) -> None:
    with opened(context, page_file, "v=1&steps=120") as page:
        assert legend_values(page, "panel-pruning")[0] < 2
        page.locator("#pruned").press("End")
        page.wait_for_function("document.querySelectorAll('#panel-pruning rect.bar.gone').length === 64", timeout=WAIT)
        assert legend_values(page, "panel-pruning") == [50, 50]
        chart = page.locator("#panel-pruning svg.pruning")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        page.mouse.click(box["x"] + 40 + (box["width"] - 52) / 2, box["y"] + 60)
        page.wait_for_function("document.querySelectorAll('#panel-pruning rect.bar.gone').length === 32", timeout=WAIT)
        wait_address(page, "pruned=32")
        assert step_of(page) == 120


@pytest.mark.parametrize(("kind", "cells"), [("alpha-length", 132), ("S1-alpha", 150)])
def test_a_map_fills_in(context: Any, page_file: Path, kind: str, cells: int) -> None:
    with opened(context, page_file, f"{QUICK}&steps=20&map={kind}") as page:
        page.click("#button-map")
        page.wait_for_function("document.querySelectorAll('rect[data-cell]').length > 0", timeout=WAIT)
        page.wait_for_function(
            "count => document.querySelectorAll('rect[data-cell]').length === count", arg=cells, timeout=WAIT
        )
        assert f"{cells} cells, measured at step 20" in page.locator(".map-status").inner_text()
        assert len(page.locator("#panel-map path.theory-line").get_attribute("d")) > 10
        page.locator("rect[data-cell]").first.hover()
        assert "wrong, risk" in page.locator("#panel-map .finding").inner_text()


def test_scenes_are_states_with_a_line_on_what_to_see(page: Any) -> None:
    scenes = page.locator("[data-scene]")
    assert scenes.count() == 6
    seen = set()
    for index in range(6):
        scenes.nth(index).click()
        page.wait_for_function(
            "index => document.querySelectorAll('[data-scene]')[index].getAttribute('aria-pressed') === 'true'",
            arg=index,
            timeout=WAIT,
        )
        seen.add(page.locator(".scene-text").inner_text())
    assert len(seen) == 6


def test_the_theory_says_what_is_met(context: Any, page_file: Path) -> None:
    with opened(context, page_file, f"{QUICK}&tasks=broken&S1=0.5") as page:
        conditions = page.locator("#panel-theory .condition")
        assert conditions.count() == 11 + 15
        found = {node.get_attribute("data-id"): node.get_attribute("data-met") for node in conditions.all()}
        assert found["tasks"] == found["S1"] == found["steps"] == "unmet"
        assert found["eta"] == found["beta"] == "met"
        assert "silent at these settings" in page.locator("[data-id='thm3.3-generalization']").inner_text()
