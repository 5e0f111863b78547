"""Links: today's open what they say, whatever else gives the standard and a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playground.pages import opened, step_of, wait_rest

pytestmark = pytest.mark.browser


def test_a_link_opens_its_state(context: Any, page_file: Path) -> None:
    link = "v=1&alpha=0.6&width=24&batch=64&S1=0.5&steps=35&pruned=3&map=S1-alpha&language=zh&scheme=dark"
    with opened(context, page_file, link) as page:
        assert step_of(page) == 35
        assert page.locator("[data-setting=alpha] output").inner_text() == "0.6"
        assert page.locator("#panel-pruning rect.bar").count() == 24
        assert page.locator("#panel-pruning rect.bar.gone").count() == 3
        assert page.evaluate("document.documentElement.lang") == "zh-Hans"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 24)"
        assert not page.locator("#notice").is_visible()


def test_the_link_that_is_copied_opens_the_same(context: Any, page_file: Path) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    with opened(context, page_file, "v=1&seed=3&batch=64&steps=30") as page:
        page.click("#button-share")
        link = page.locator(".share-text").input_value()
        page.click("#share-copy")
        page.wait_for_function("document.querySelector('#share-dialog [role=status]').textContent !== ''")
        risk = page.locator("#chart-risk .legend-value").all_inner_texts()
    with opened(context, page_file, link.split("#")[1]) as page:
        assert step_of(page) == 30
        assert page.locator("#chart-risk .legend-value").all_inner_texts() == risk


def test_code_and_rows_can_be_taken_away(context: Any, page_file: Path) -> None:
    with opened(context, page_file, "v=1&batch=64&steps=20") as page:
        page.click("#button-share")
        for name, part in (("Python", "import iclscope"), ("Sweep (YAML)", "paper:"), ("JSON", '"rows"')):
            page.get_by_role("button", name=name, exact=True).click()
            assert part in page.locator(".share-text").input_value()
        with page.expect_download() as download:
            page.click("#share-csv")
        rows = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
        assert rows[0].startswith("seed,step,")
        assert len(rows) == 1 + 3  # steps 0, 10 and 20
        page.keyboard.press("Escape")
        for kind, head in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            with page.expect_download() as download:
                page.locator("#chart-risk").get_by_text(kind, exact=True).click()
            picture = Path(download.value.path()).read_bytes()
            assert picture.startswith(head)
            if kind == "SVG":  # its title and the names of its lines are in it, and no rule of a style sheet is needed
                root = ElementTree.fromstring(picture)
                said = "".join(root.itertext())
                assert "Hinge risk" in said
                assert "shifted patterns" in said
                assert not [node for node in root.iter() if "class" in node.attrib]


def test_a_teachers_link_hides_parts(context: Any, page_file: Path) -> None:
    with opened(context, page_file, "v=1") as page:
        page.click("#button-share")
        page.locator(".teacher summary").click()
        for part in ("theory", "tour", "share"):
            page.check(f"#hide-{part}")
        link = page.locator(".share-text").input_value()
    with opened(context, page_file, link.split("#")[1] + ",beta") as page:
        for gone in ("#panel-theory", "#button-tour", "#button-share", "#setting-beta"):
            assert page.locator(gone).count() == 0
        assert page.locator("#panel-map").count() == 1
        assert page.locator("#setting-alpha").count() == 1


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("v=1&width=99999999999999999999", "width"),
        ("v=1&alpha=-3&beta=1e308&seed=0.5", "Further problems: 2"),
        ("v=1&alpha=NaN", "alpha"),
        ("v=2&alpha=0.5", "another version"),
        ("v=1&nobody=1", "nobody"),
        ("v=1&tasks=<img src=x onerror=window.harmed=1>", "tasks"),
        ("v=1&language=javascript:window.harmed=1", "language"),
        ("v=1&prompt-in=" + "9" * 19000, "prompt-in"),
        ("v=1&" + "a" * 30000, "too long"),
        ("%00%ff<script>window.harmed=1</script>", ""),
    ],
)
def test_a_hostile_address_gives_the_standard_and_a_line(
    context: Any, page_file: Path, address: str, said: str
) -> None:
    with opened(context, page_file, address) as page:
        assert page.locator("#notice").is_visible()
        assert said in page.locator("#notice").inner_text()
        assert page.evaluate("window.harmed") is None
        assert page.locator("#notice script, #notice img").count() == 0
        assert step_of(page) == 0
        assert page.locator("[data-setting=width] output").inner_text() == "64"
        page.locator("#notice button").click()
        page.wait_for_selector("#notice", state="hidden")


def test_an_address_that_changes_while_the_page_is_open(page: Any) -> None:
    wait_rest(page, 0)
    page.evaluate("location.hash = '#v=1&batch=64&steps=20'")
    wait_rest(page, 20)
    page.evaluate("location.hash = '#v=9'")
    page.wait_for_selector("#notice:not([hidden])")
