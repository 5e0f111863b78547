"""What the page says: complete in both languages, and nothing that is never said."""

from __future__ import annotations

import json
import re

from iclscope.playground.build import LANGUAGES, PAGE

TEXTS = {name: json.loads((PAGE / "texts" / f"{name}.json").read_text(encoding="utf-8")) for name in LANGUAGES}
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PAGE / "interface").glob("*.js")))
# A key, or the beginning of one that is put together: words.text(`setting.${name}.help`).
LITERALS = set(re.findall(r'"([a-z][\w-]*(?:\.[\w-]+)+)"', SOURCES))
TEMPLATES = [
    re.compile(re.sub(r"\\\$\\\{[^}]*\\\}", r"[\\w.-]+", re.escape(found)))
    for found in re.findall(r"`((?:[\w.-]|\$\{[^}]*\})+)`", SOURCES)
    if re.search(r"[a-z]\.|\.[a-z]", re.sub(r"\$\{[^}]*\}", "", found)) or found.startswith("${")
]


def test_the_languages_say_the_same_things() -> None:
    assert list(TEXTS["en"]) == list(TEXTS["zh"])


def test_texts_are_whole_in_both_languages() -> None:
    for key, english in TEXTS["en"].items():
        chinese = TEXTS["zh"][key]
        assert english.strip() == english != "", key
        assert chinese.strip() == chinese != "", key
        assert sorted(set(re.findall(r"\{\w+\}", english))) == sorted(set(re.findall(r"\{\w+\}", chinese))), key
        assert english.count("\n") == chinese.count("\n"), key  # as many paragraphs or items


def test_every_word_has_a_meaning() -> None:
    for texts in TEXTS.values():
        for line in texts["theory.words.text"].split("\n"):
            word, meaning = line.split(" | ")
            assert word
            assert meaning


def test_chinese_is_chinese() -> None:
    """A text that was left in English has no Chinese character; symbols and names of formats have none either."""
    left = [
        key
        for key, text in TEXTS["zh"].items()
        if not re.search(r"[\u4e00-\u9fff]", text) and text != "β = 3" and re.search(r"[A-Za-z]{4}", text)
    ]
    assert left == ["theory.source", "share.python", "share.sweep", "share.json"]


def test_every_text_that_is_asked_for_is_there() -> None:
    asked = {key for key in LITERALS if key.split(".")[0] in {known.split(".")[0] for known in TEXTS["en"]}}
    assert asked - set(TEXTS["en"]) == set()


def test_every_text_is_asked_for() -> None:
    unused = [
        key
        for key in TEXTS["en"]
        if key not in LITERALS
        and not any(template.fullmatch(key) for template in TEMPLATES)
        and not key.startswith("tour.")
    ]
    assert unused == []
