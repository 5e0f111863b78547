"""The page is one file that fetches nothing, and modules that cannot be bundled are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iclscope.playground.build import PAGE, is_ours, page_html
from iclscope.playground.bundle import BadModule, joined, modules_from

LONGEST_FILE = 320
LARGEST_PAGE = 600_000


@pytest.fixture(scope="module")
def html() -> str:
    return page_html()


def test_the_page_is_small(html: str) -> None:
    assert len(html.encode()) < LARGEST_PAGE


def test_the_page_fetches_nothing(html: str) -> None:
    without_names = html.replace("http://www.w3.org/2000/svg", "")  # a namespace, which nobody fetches
    assert re.findall(r"(?:src|href)=[\"'](?!#|data:)[^\"']*", without_names) == []
    assert re.findall(r"url\((?!data:|#)[^)]*\)|@import|\bfetch\(|XMLHttpRequest|WebSocket|importScripts", html) == []


def test_equal_sources_give_equal_pages(html: str) -> None:
    assert page_html() == html


def test_a_page_is_known_as_ours_until_it_is_changed(html: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    assert is_ours(path)
    path.write_text(html.replace("</body>", "<p>mine</p></body>"), encoding="utf-8")
    assert not is_ours(path)
    path.write_bytes(b"\xff\xfe")
    assert not is_ours(path)


def test_sources_are_short() -> None:
    texts = [path for path in PAGE.rglob("*") if path.suffix in (".js", ".css", ".html")]
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in texts}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def written(folder: Path, **modules: str) -> list[Path]:
    paths = []
    for name, text in modules.items():
        paths.append(folder / f"{name}.js")
        paths[-1].write_text(text, encoding="utf-8")
    return paths


def test_modules_stand_behind_what_they_import(tmp_path: Path) -> None:
    first, *_ = written(
        tmp_path,
        a='import { b,\n  c } from "./b.js";\nexport const a = b + c;\n',
        b='import { d } from "./d.js";\nexport const b = d;\nexport function c() {}\n',
        d="export const d = 1;\n",
    )
    modules = modules_from([first], within=tmp_path)
    assert [module.path.stem for module in modules] == ["d", "b", "a"]
    assert joined(modules) == "const d = 1;\n\nconst b = d;\nfunction c() {}\n\nconst a = b + c;\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('import b from "./b.js";\n', "cannot be bundled"),
        ('import * as b from "./b.js";\n', "cannot be bundled"),
        ('import "./b.js";\n', "cannot be bundled"),
        ('import { b as c } from "./b.js";\n', "expected a plain name"),
        ('import { c } from "./b.js";\n', "does not export"),
        ('import { b } from "./nowhere.js";\n', "is not there"),
        ('import { b } from "./c.js";\n', "imports itself"),
        ("export default 1;\n", "cannot be bundled"),
        ("export { b };\n", "cannot be bundled"),
        ("const { b } = window;\n", "cannot be bundled"),
        ('import { d } from "./b.js";\nconst b = 1;\n', "is declared in b.js as well"),
        ('const text = "</script>";\n', "would end the script"),
    ],
)
def test_what_cannot_be_bundled_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    first, *_ = written(
        tmp_path,
        a=text,
        b="export const b = 1;\nexport const d = 2;\n",
        c='import { a } from "./a.js";\nexport const b = a;\n',
    )
    first.write_text(text + ("export const a = 1;\n" if "c.js" in text else ""), encoding="utf-8")
    with pytest.raises(BadModule, match=reason):
        modules_from([first], within=tmp_path)
