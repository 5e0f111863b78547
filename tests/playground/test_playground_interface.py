"""What the interface computes before it draws, in Node: numbers as text, ticks, sliders, labels, whose turn it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playground.tools import missing

from iclscope.playground.build import PAGE


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's modules, where Node takes them for modules."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(PAGE, folder / "page")
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def evaluated(modules: Path, files: list[str], expression: str) -> Any:
    """An expression in which all that these files of the page export can be named."""
    node = shutil.which("node") or missing("Node")
    imports = "\n".join(f'import * as m{index} from "./page/{file}";' for index, file in enumerate(files))
    names = ", ".join(f"...m{index}" for index in range(len(files)))
    script = modules / "script.js"
    script.write_text(f"{imports}\nconst page = {{ {names} }};\nconsole.log(JSON.stringify({expression}));\n")
    done = subprocess.run([node, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_numbers_as_a_reader_writes_them(modules: Path) -> None:
    numbers = "[0, 0.175, -1.4, 12.3456, 2069.3, 123456, 0.00084, -2e-7, NaN, Infinity, -Infinity, null]"
    assert evaluated(modules, ["interface/words.js"], f"{numbers}.map(page.numberText)") == [
        "0", "0.175", "−1.4", "12.3", "2\u202f069", "123\u202f456", "8.4·10⁻⁴", "−2.0·10⁻⁷", "–", "∞", "−∞", "–",
    ]  # fmt: skip
    shares = "[0, 1, 0.5, 0.0029, 0.014, 0.00098, 0.0003, NaN].map(page.shareText)"
    assert evaluated(modules, ["interface/words.js"], shares) == [
        "0 %", "100 %", "50 %", "0.3 %", "1.4 %", "0.1 %", "0.03 %", "–",
    ]  # fmt: skip
    assert evaluated(
        modules, ["interface/words.js"], "[page.fixedText(-0.5, 2), page.fixedText(1, 3), page.fixedText(2e15, 2)]"
    ) == [
        "−0.50",
        "1.000",
        "2.0·10¹⁵",
    ]


def test_a_text_or_a_value_that_is_missing_is_an_error(modules: Path) -> None:
    found = evaluated(
        modules,
        ["interface/words.js"],
        """(() => {
          const { text } = page.makeWords({ en: { a: "{n} of {m}" } }, "en");
          const said = (ask) => { try { return ask(); } catch (error) { return error.message; } };
          return [text("a", { n: 1, m: 2 }), said(() => text("b")), said(() => text("a", { n: 1 }))];
        })()""",
    )
    assert found == ["1 of 2", 'no text "b" in en', 'text "a" has no value for m']


def test_the_language_is_the_links_or_the_browsers(modules: Path) -> None:
    asked = '[["zh", ["en"]], [null, ["fr", "zh-TW", "en"]], [null, ["de"]], ["xx", []]]'
    chosen = evaluated(modules, ["interface/words.js"], f"{asked}.map((one) => page.chosenLanguage(...one))")
    assert chosen == ["zh", "zh", "en", "en"]


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [(0, 1, [0, 0.5, 1]), (0, 400, [0, 100, 200, 300, 400]), (-0.3, 0.3, [-0.2, 0, 0.2]), (1, 1, [1])],
)
def test_ticks_are_round(modules: Path, least: float, most: float, ticks: list[float]) -> None:
    assert evaluated(modules, ["interface/plot.js"], f"page.roundTicks({least}, {most}, 4.5)") == ticks


def test_lines_break_where_there_is_no_number(modules: Path) -> None:
    path = "page.linePath([[0, 1], [10, NaN], [20, 2], [30, 3]], { x: (x) => x, y: (y) => y })"
    assert evaluated(modules, ["interface/plot.js"], path) == "M0.0 1.0M20.0 2.0L30.0 3.0"


def test_every_place_of_a_slider_is_a_value_of_its_own(modules: Path) -> None:
    """Else a key would be pressed in vain; and the standard is a place, so that one can come back to it."""
    found = evaluated(
        modules,
        ["interface/controls.js", "engine/settings.js"],
        """page.SETTINGS.filter(({ kind, name }) => kind !== "choice" && name !== "seed").map((setting) => {
          const { count, value, place } = page.sliderPlaces(setting);
          const values = Array.from({ length: count + 1 }, (_, index) => value(index));
          return { ...setting, values, places: values.map((own) => Math.round(place(own))) };
        })""",
    )
    assert len(found) == 15
    for setting in found:
        values = setting["values"]
        assert values == sorted(set(values)), setting["name"]
        assert (values[0], values[-1]) == (setting["least"], setting["most"]), setting["name"]
        assert setting["standard"] in values, setting["name"]
        assert setting["places"] == list(range(len(values))), setting["name"]
        if setting["kind"] == "whole":
            assert all(value == int(value) for value in values), setting["name"]


def test_what_a_context_says_of_its_query(modules: Path) -> None:
    columns = "[[[0, 1], [0, 1], [0, -1], [1, -1]], [[1, 1]], [[0, 1], [0, -1]], [[0, -1]]]"
    prompts = f"""{columns}.map((given) => page.contextLabel({{
      columns: given.map(([pattern, label]) => ({{ pattern, label }})), query: {{ pattern: 0 }} }}))"""
    assert evaluated(modules, ["interface/prompt_marks.js"], prompts) == [1, 0, 0, -1]


def test_places_on_a_map(modules: Path) -> None:
    places = "[1, 2, 3.5, 6, 0, 7].map((value) => String(page.placeAmong([1, 2, 5, 6], value)))"
    assert evaluated(modules, ["interface/map_panel.js"], places) == ["0", "1", "1.5", "3", "-Infinity", "Infinity"]
    colours = "[0, 1, 2, NaN].map(page.mapColour)"
    assert evaluated(modules, ["interface/map_panel.js"], colours) == ["#ffffd9", "#0c2c84", "#0c2c84", "#888888"]


def test_means_stand_where_all_seeds_were_measured(modules: Path) -> None:
    found = evaluated(
        modules,
        ["interface/series.js"],
        """(() => {
          const series = page.makeSeries();
          const row = (seed, step, risk_in) => ({ seed, step, risk_in });
          const rows = [row(0, 0, 1), row(1, 0, 3), row(0, 10, 5)];
          series.take(rows, [0, 1], 1);
          const first = [...series.mean("risk_in")];
          rows.push(row(1, 10, 7));
          series.take(rows, [0, 1], 1);
          const second = [...series.mean("risk_in")];
          series.take([row(4, 0, 9)], [4], 2);
          return [first, second, series.of(4, "risk_in"), series.of(0, "risk_in")];
        })()""",
    )
    assert found == [[[0, 2]], [[0, 2], [10, 6]], [[0, 9]], []]


def test_panels_take_turns_and_none_is_drawn_twice(modules: Path) -> None:
    found = evaluated(
        modules,
        ["interface/frames.js"],
        """(() => {
          let time = 0;
          const frames = [];
          const drawn = [];
          const drawing = page.makeDrawing(() => time, (frame) => frames.push(frame));
          const panel = (name, cost) => drawing.soon(name, () => { drawn.push(name); time += cost; });
          panel("slow", 50); panel("slow", 50); panel("next", 1); panel("last", 1);
          frames.shift()();
          const first = [...drawn];
          frames.shift()();
          const second = [...drawn];
          panel("slow", 50);
          drawing.stop();
          frames.shift()();
          return [first, second, drawn, frames.length];
        })()""",
    )
    assert found == [["slow"], ["slow", "next", "last"], ["slow", "next", "last"], 0]
