"""The page on a phone, in the dark, in Chinese, by keyboard alone, for a screen reader, without motion."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playground.pages import WAIT, opened, wait_rest
from playground.tools import missing

pytestmark = pytest.mark.browser

QUICK = "v=1&batch=64&steps=20"
AXE = "axe-core@4.10.3"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The rules of axe-core, from npm; nothing of it stands in the repository."""
    npm = shutil.which("npm") or missing("npm")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, check=False)
    if packed.returncode != 0:
        missing(f"{AXE} from npm")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8")


def serious_problems(page: Any, axe: str) -> list[str]:
    """What axe-core finds that is serious or critical, a line each."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{problem['id']}: {node['html'][:120]}"
        for problem in found
        if problem["impact"] in ("serious", "critical")
        for node in problem["nodes"]
    ]


@pytest.fixture
def narrow(browser: Any) -> Iterator[Any]:
    """A phone of 360 pixels."""
    made = browser.new_context(offline=True, viewport={"width": 360, "height": 740}, has_touch=True)
    yield made
    made.close()


@pytest.mark.parametrize("address", [QUICK, *(f"{QUICK}&language=zh&tour={step}" for step in range(1, 7))])
def test_a_phone_never_scrolls_sideways(narrow: Any, page_file: Path, address: str) -> None:
    with opened(narrow, page_file, address) as page:
        if "tour" not in address:
            page.locator("#panel-settings summary").tap()
            page.click("#button-share")
            page.keyboard.press("Escape")
            page.locator("#prompt-in .column .pattern").first.tap()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        wide = page.evaluate(
            """[...document.querySelectorAll("#playground *")].filter((node) => {
              const { right, width } = node.getBoundingClientRect();
              return width > 0 && right > 361 && !node.closest(".scenes .choices") && !node.closest(".hidden, svg");
            }).map((node) => node.outerHTML.slice(0, 100))"""
        )
        assert wide == []


def test_what_a_finger_touches_is_large_enough(narrow: Any, page_file: Path) -> None:
    """24 pixels, as WCAG 2.2 asks for."""
    with opened(narrow, page_file, QUICK) as page:
        page.locator("#panel-settings summary").tap()
        small = page.evaluate(
            """[...document.querySelectorAll("button, select, input")].filter((node) => {
              const { width, height } = node.getBoundingClientRect();
              return width > 0 && (width < 22 || height < 22);
            }).map((node) => node.outerHTML.slice(0, 100))"""
        )
        assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_readers_scheme_is_followed_and_can_be_changed(browser: Any, page_file: Path, scheme: str) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme)
    ground = "getComputedStyle(document.querySelector('.panel')).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(27, 30, 36)"}
    other = {"light": "dark", "dark": "light"}[scheme]
    with opened(context, page_file) as page:
        assert page.evaluate(ground) == colours[scheme]
        page.select_option("#scheme", other)
        page.wait_for_function(f"{ground} === '{colours[other]}'", timeout=WAIT)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("part", ["", "&tour=3", "&language=zh&seeds=2&alpha=0.05"])
def test_axe_finds_nothing_serious(context: Any, page_file: Path, axe: str, scheme: str, part: str) -> None:
    with opened(context, page_file, f"{QUICK}&scheme={scheme}{part}") as page:
        if part == "":
            page.locator("#prompt-in .column .pattern").first.click()
            page.click("#button-map")
            page.wait_for_function("document.querySelectorAll('rect[data-cell]').length === 132", timeout=WAIT)
        if "tour" in part:
            page.locator(".choice").first.click()
        assert serious_problems(page, axe) == []
        if part == "":
            page.click("#button-share")
            assert serious_problems(page, axe) == []


@pytest.mark.parametrize("address", [QUICK, *(f"v=1&batch=64&tour={step}" for step in range(1, 7))])
def test_chinese_throughout(context: Any, page_file: Path, address: str) -> None:
    """No English sentence is left when the language is switched; names and symbols may be."""
    with opened(context, page_file, address) as page:
        page.click("#language-zh")
        page.wait_for_function("document.documentElement.lang === 'zh-Hans'", timeout=WAIT)
        wait_rest(page)
        assert page.evaluate("document.activeElement.id") == "language-zh"
        left = page.evaluate(
            """[...document.querySelectorAll("#playground *")].flatMap((node) => [
              ...[...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data),
              node.getAttribute("aria-label"), node.getAttribute("title")
            ]).filter((text) => text && !/[\\u4e00-\\u9fff]/.test(text) && /[a-z]{3,} [a-z]{2,}/i.test(text))"""
        )
        assert left == []
        page.click("#language-en")
        page.wait_for_function("document.documentElement.lang === 'en'", timeout=WAIT)


def test_keyboard_alone(context: Any, page_file: Path) -> None:
    """Everything that can be done is reached by Tab, is seen to be reached, and works by Enter."""
    with opened(context, page_file, QUICK) as page:
        reached = []
        for _ in range(120):
            page.keyboard.press("Tab")
            here = page.evaluate(
                """(() => {
                  const node = document.activeElement;
                  const { outlineStyle, outlineWidth } = getComputedStyle(node);
                  return [node.id || node.className || node.tagName, outlineStyle !== "none" && outlineWidth !== "0px"];
                })()"""
            )
            if here[0] in ("BODY", "HTML"):
                break
            reached.append(here)
        names = {name for name, _ in reached}
        assert all(is_seen for _, is_seen in reached), [name for name, is_seen in reached if not is_seen]
        for wanted in (
            "button-tour",
            "button-play",
            "button-share",
            "setting-alpha",
            "query-in",
            "pruned",
            "button-map",
        ):
            assert wanted in names
        # Twenty examples are one stop; inside, arrows move.
        assert sum(name == "label plus" or name == "label minus" or name == "pattern" for name, _ in reached) == 2
        page.locator("#button-tour").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#tour")
        page.locator(".choice").first.focus()
        page.keyboard.press("Enter")
        assert page.locator(".tour-answer").inner_text() != ""


def test_a_screen_reader_is_told(context: Any, page_file: Path) -> None:
    with opened(context, page_file, QUICK) as page:
        said = page.locator("#status[role=status]")
        assert "Paused at step 20. Wrong on" in (said.text_content() or "")
        label = page.locator("#chart-attention svg").get_attribute("aria-label") or ""
        assert label.startswith("Attention on the pattern up to step 20: unseen tasks 4")
        assert "Example 1: pattern" in (page.locator("#prompt-in .pattern").first.get_attribute("aria-label") or "")
        assert page.locator("#setting-eta").get_attribute("aria-valuetext") == "1"


def test_reduced_motion_draws_seldom_and_trains_the_same(browser: Any, page_file: Path) -> None:
    context = browser.new_context(offline=True, reduced_motion="reduce")
    with opened(context, page_file, "v=1&batch=32&width=8") as page:
        page.evaluate(
            """window.changes = 0;
            new MutationObserver(() => { window.changes += 1; })
              .observe(document.getElementById("step-number"), { childList: true, subtree: true });"""
        )
        page.click("#button-play")
        page.wait_for_timeout(2000)
        assert 1 <= page.evaluate("window.changes") <= 5
        page.click("#button-play")
        wait_rest(page)
    context.close()


def test_there_is_no_motion_that_nobody_asked_for(page: Any) -> None:
    wait_rest(page, 0)
    assert page.evaluate("document.getAnimations().length") == 0


def test_nothing_is_fetched_and_nothing_kept(context: Any, page_file: Path) -> None:
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    with opened(context, page_file, QUICK) as page:
        page.click("#button-ten")
        wait_rest(page, 30)
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert [url.split("#")[0] for url in asked if not url.startswith(("blob:", "data:"))] == [page_file.as_uri()]


def test_the_file_is_small(page_file: Path) -> None:
    assert page_file.stat().st_size < 600_000
