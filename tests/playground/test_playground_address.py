"""The state of the page in an address: it comes back, is short, and whatever cannot be read gives the standard."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from playground.library_numbers import STANDARD
from playground.tools import in_node

from iclscope.papers.li2024.scenes import SCENES
from iclscope.study.experiment import figure_names

BACK = """(library, states) => states.map((state) => {
  const address = library.addressOf(state);
  return { address, ...library.stateOf("#" + address) };
})"""
READ = "(library, addresses) => addresses.map((address) => library.stateOf(address))"
STATE: dict[str, Any] = {
    "settings": STANDARD, "steps": 0, "changes": [], "shown": 0, "pruned": 0, "domain": "in", "map": "alpha-length",
    "prompts": {"in": None, "out": None}, "language": None, "scheme": "auto", "tour": 0, "hidden": [],
}  # fmt: skip
COLUMN = {"pattern": 2, "irrelevant": 11, "kappa": -0.125, "label": -1}
PROMPT = {
    "columns": [COLUMN, {**COLUMN, "pattern": 0, "kappa": 0.5, "label": 1}],
    "query": {"pattern": 1, "irrelevant": 0, "kappa": 0.333},
    "label": 1,
    "task": [1, 2],
}


def drawn_states(count: int) -> list[dict[str, Any]]:
    dice = random.Random(3)
    states = []
    for _ in range(count):
        M1 = dice.randint(6, 12)
        settings = {
            **STANDARD, "M1": M1, "alpha": dice.random(), "length": dice.randint(1, 200),
            "seed": dice.randint(0, 999_999), "eta": dice.choice([0.01, 1.0, 0.3, 100]),
            "tasks": dice.choice(["cycle", "all", "broken", f"share-{M1 - 2}"]),
            "S1": round(dice.uniform(-1.4, 1.4), 3), "width": dice.randint(8, 256), "seeds": 3,
        }  # fmt: skip
        states.append(
            {
                "settings": settings,
                "steps": dice.randint(0, 20_000),
                "changes": [[5, 0.5], [100, 2.25]],
                "shown": dice.randint(0, 2),
                "pruned": dice.randint(0, 8),
                "domain": dice.choice(["in", "out"]),
                "map": dice.choice(["alpha-length", "S1-alpha"]),
                "prompts": {"in": PROMPT, "out": dice.choice([None, 77])},
                "language": dice.choice([None, "en", "zh"]),
                "scheme": dice.choice(["auto", "light", "dark"]),
                "tour": dice.randint(0, 6),
                "hidden": dice.choice([[], ["tour", "alpha_test"]]),
            }
        )
    return states


def test_a_state_comes_back(tmp_path: Path) -> None:
    states = drawn_states(200)
    for state, found in zip(states, in_node(tmp_path, BACK, states), strict=True):
        assert found["problems"] == []
        assert found["state"] == state
        assert len(found["address"]) < 500


def test_the_standard_needs_no_address(tmp_path: Path) -> None:
    (found,) = in_node(tmp_path, BACK, [STATE])
    assert found == {"address": "", "state": STATE, "problems": []}


def test_links_of_version_1_open(tmp_path: Path) -> None:
    """Links that were given away: they may never come to mean something else."""
    links = [
        "v=1&alpha=0.05&steps=800",
        "v=1&width=2&seed=3&seeds=4&S1=-1.4&changes=100:0.5&prompt-in=0,1,1,0,3,0.25;2,3,-0.2,-1",
    ]
    first, second = in_node(tmp_path, READ, links)
    assert first == {"state": {**STATE, "settings": {**STANDARD, "alpha": 0.05}, "steps": 800}, "problems": []}
    assert second["problems"] == []
    assert second["state"]["changes"] == [[100, 0.5]]
    assert second["state"]["prompts"]["in"]["columns"] == [{"pattern": 2, "irrelevant": 3, "kappa": -0.2, "label": -1}]


@pytest.mark.parametrize(
    ("address", "code", "name"),
    [
        ("v=2&alpha=0.1", "version", "v"),
        ("alpha=0.1", "version", "v"),
        ("%%%", "version", "v"),
        ("v=1&" + "a=1&" * 10_000, "long", "#"),
        ("v=1&alpha=1e300", "value", "alpha"),
        ("v=1&alpha=NaN", "value", "alpha"),
        ("v=1&batch=99999999999999999999", "value", "batch"),
        ("v=1&width=1e8", "value", "width"),
        ("v=1&M1=6.5", "value", "M1"),
        ("v=1&tasks=share-5", "value", "tasks"),
        ("v=1&tasks=constructor", "value", "tasks"),
        ("v=1&steps=-1", "value", "steps"),
        ("v=1&steps=99999999", "value", "steps"),
        ("v=1&changes=5:1,4:1", "value", "changes"),
        ("v=1&changes=5:1:2", "value", "changes"),
        ("v=1&hidden=<script>alert(1)</script>", "value", "hidden"),
        ("v=1&language=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "value", "language"),
        ("v=1&prompt-in=0,1,1,0,3,0.25", "value", "prompt-in"),
        ("v=1&prompt-in=0,0,1,0,3,0.25;0,0,0,1", "value", "prompt-in"),
        ("v=1&prompt-in=0,1,1,0,3,0.25;6,0,0,1", "value", "prompt-in"),
        ("v=1&prompt-out=0,1,1,0,3,0.25;3,0,0,1", "value", "prompt-out"),
        ("v=1&__proto__=1", "name", "__proto__"),
        ("v=1&constructor=1", "name", "constructor"),
        ("v=1&<script>=1", "name", "<script>"),
    ],
)
def test_a_hostile_address_gives_the_standard(address: str, code: str, name: str, tmp_path: Path) -> None:
    (found,) = in_node(tmp_path, READ, [address])
    assert found["state"] == STATE
    assert {(problem["code"], problem["name"]) for problem in found["problems"]} == {(code, name)}
    assert all(len(problem["value"]) <= 41 for problem in found["problems"])


def test_what_can_be_read_is_kept(tmp_path: Path) -> None:
    (found,) = in_node(tmp_path, READ, ["v=1&alpha=0.3&beta=huge&steps=20&shown=5&pruned=200"])
    settings = {**STANDARD, "alpha": 0.3}
    assert found["state"] == {**STATE, "settings": settings, "steps": 20, "pruned": 64}
    assert [problem["name"] for problem in found["problems"]] == ["beta"]


def test_scenes_are_states(tmp_path: Path) -> None:
    """And none of them asks for what is standard."""
    scenes = in_node(tmp_path, "(library) => library.SCENES")
    assert [scene["id"] for scene in scenes] == ["stuck", "broken", "negative", "narrow", "strong"]
    states = [{**STATE, "settings": {**STANDARD, **scene["settings"]}, "steps": scene["steps"]} for scene in scenes]
    for state, found in zip(states, in_node(tmp_path, BACK, states), strict=True):
        assert found["state"] == state
        assert found["problems"] == []


def test_figures_have_scenes_that_open(tmp_path: Path) -> None:
    """Every figure of the one-layer model, and no other."""
    figures = [name for name in figure_names("li2024") if not name.startswith(("gpt2", "multilayer"))]
    assert sorted(SCENES) == sorted(figures)
    for name, found in zip(SCENES, in_node(tmp_path, READ, list(SCENES.values())), strict=True):
        assert found["problems"] == [], name
        assert found["state"]["steps"] > 0
