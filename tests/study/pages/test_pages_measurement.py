"""The page about a measurement: complete, escaped, self-contained."""

from __future__ import annotations

from html.parser import HTMLParser

from iclscope.study.pages.page import FigureSection, Report, TextTable, render_page


class Texts(HTMLParser):
    """Collects texts and tags, and refuses what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_all_parts_stand_on_the_page_and_texts_are_escaped() -> None:
    figure = FigureSection("accuracy", "Accuracy", "A caption.", "It rose.", {}, "<svg></svg>", [], 3.0, ["Careful."])
    table = TextTable("Numbers", "In per cent.", ("shots", "accuracy"), [("8", "<b>81</b>")])
    report = Report(
        over="iclscope llm evaluate",
        title="A model on <texts>",
        lead="What was found.",
        figures=[figure],
        tables=[table],
        notes=["A note."],
        environment={"seed": "0"},
    )
    page = Texts()
    page.feed(render_page(report))
    for text in ("A model on <texts>", "What was found.", "A caption.", "It rose.", "Careful.", "<b>81</b>", "A note."):
        assert any(text in found for found in page.texts), text
    assert "script" not in page.tags
    assert page.tags.count("svg") == 1
    assert page.tags.count("table") == 1
