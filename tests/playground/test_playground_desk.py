"""What the page asks of its worker, and what it is told: without a browser, on a clock of the test's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from playground.library_numbers import STANDARD
from playground.tools import in_node

SMALL: dict[str, Any] = {**STANDARD, "width": 8, "batch": 16, "length": 6, "length_test": 6}

# A desk whose clock moves by a millisecond whenever it is read, and whose page draws at once.
TALK = """(library, script) => {
  let time = 0;
  const waiting = [];
  const told = [];
  const desk = new library.Desk((message) => told.push(message), (work) => waiting.push(work), () => time++);
  const settle = (most) => {
    for (let turn = 0; turn < most && (waiting.length || desk.awaited); turn++) {
      if (desk.awaited) desk.handle({ type: "drawn" });
      waiting.shift()?.();
    }
  };
  const answers = script.map((request) => {
    told.length = 0;
    if (request.type !== "wait") desk.handle(request);
    settle(request.turns ?? 100000);
    const rows = desk.training.rows.map(({ seed, step }) => [seed, step]);
    return { messages: [...told], rows, running: desk.running };
  });
  return answers;
}"""


def talk(tmp_path: Path, *script: dict[str, Any]) -> list[dict[str, Any]]:
    """What a desk tells after each of some requests, once there is nothing left to do."""
    answers: list[dict[str, Any]] = in_node(tmp_path, TALK, script)
    return answers


def frames(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [message for message in answer["messages"] if message["type"] == "frame"]


def test_a_start_tells_everything_at_once(tmp_path: Path) -> None:
    (answer,) = talk(tmp_path, {"type": "start", "settings": {**SMALL, "seed": 4, "seeds": 2}})
    (frame,) = frames(answer)
    assert (frame["step"], frame["running"], frame["ended"], frame["fresh"]) == (0, False, None, True)
    assert frame["seeds"] == [4, 5]
    assert [(row["seed"], row["step"]) for row in frame["rows"]] == [(4, 0), (5, 0)]
    assert len(frame["neurons"]["kind"]) == 8
    assert len(frame["pruning"]["risk"]["in"]) == 9
    assert [len(frame["prompts"][domain]["attention"]) for domain in ("in", "out")] == [6, 6]
    assert all(math.isnan(run["loss"]) for run in frame["runs"])


def test_steps_are_those_of_an_undivided_training(tmp_path: Path) -> None:
    """A target, a step and ten lead where one run to the same step leads, record for record."""
    start = {"type": "start", "settings": SMALL}
    counts = [{"type": "step", "count": count} for count in (1, 10, 15)]
    divided = talk(tmp_path, {**start, "steps": 14}, *counts)
    assert [frames(answer)[-1]["step"] for answer in divided] == [14, 15, 25, 40]
    assert all(frames(answer)[-1]["ended"]["reason"] == "target" for answer in divided)
    assert divided[-1]["rows"] == [[0, step] for step in (0, 10, 14, 15, 20, 25, 30, 40)]
    told = [row for answer in divided for frame in frames(answer) for row in frame["rows"]]
    assert [row["step"] for row in told] == [0, 10, 14, 15, 20, 25, 30, 40]
    (whole,) = talk(tmp_path, {**start, "steps": 40})
    assert frames(whole)[-1]["rows"][-1] == told[-1]
    assert frames(whole)[-1]["neurons"] == frames(divided[-1])[-1]["neurons"]


def test_play_pause_and_reset(tmp_path: Path) -> None:
    start = {"type": "start", "settings": SMALL}
    _, playing, paused, reset = talk(
        tmp_path, start, {"type": "play", "turns": 4}, {"type": "pause"}, {"type": "reset"}
    )
    assert playing["running"]
    assert not paused["running"]
    last = frames(paused)[-1]
    assert last["step"] > 0
    assert paused["rows"][-1] == [0, last["step"]]
    assert frames(reset)[-1]["step"] == 0
    assert reset["rows"] == [[0, 0]]


PACED = """(library, { settings, pace }) => {
  let time = 0;
  const waiting = [];
  const frames = [];
  const later = (work, wait) => waiting.push(() => {
    time += wait;
    work();
  });
  const soon = (work) => later(work, 0);
  const desk = new library.Desk((message) => frames.push(message.step), soon, () => (time += 0.01), later);
  desk.handle({ type: "start", settings });
  desk.handle({ type: "pace", stepsPerSecond: pace });
  desk.handle({ type: "play" });
  while (time < 1000 && waiting.length) {
    if (desk.awaited) desk.handle({ type: "drawn" });
    waiting.shift()();
  }
  const played = desk.training.step;
  desk.handle({ type: "step", count: 30 });
  const begun = time;
  while (desk.running) waiting.shift()();
  return { played, frames, stepped: time - begun };
}"""


def test_a_pace_is_kept_while_playing_alone(tmp_path: Path) -> None:
    """Twenty steps a second, a frame for each but the first, which comes too soon; steps asked for come at once."""
    found = in_node(tmp_path, PACED, {"settings": SMALL, "pace": 20})
    assert 18 <= found["played"] <= 21
    assert set(range(2, 18)) <= set(found["frames"])
    assert found["stepped"] < 100
    assert in_node(tmp_path, PACED, {"settings": SMALL, "pace": None})["played"] > 1000


def test_changes_that_need_no_restart(tmp_path: Path) -> None:
    started, tested, slowed, trained, reset = talk(
        tmp_path,
        {"type": "start", "settings": SMALL, "steps": 20},
        {"type": "change", "changed": {"S1": -0.5, "length_test": 30}},
        {"type": "change", "changed": {"eta": 0.25}},
        {"type": "step", "count": 10},
        {"type": "reset"},
    )
    before, after = frames(started)[-1]["rows"][-1], frames(tested)[-1]["rows"][-1]
    assert frames(tested)[-1]["fresh"]
    assert (after["step"], after["S1"], after["length_test"]) == (20, -0.5, 30)
    assert after["query_norm"] == pytest.approx(before["query_norm"], abs=0.05)
    assert after["risk_out"] != before["risk_out"]
    assert [row["S1"] for row in frames(tested)[-1]["rows"]] == [1.3, 1.3, -0.5]
    assert frames(slowed)[-1]["changes"] == [[20, 0.25]]
    (replayed,) = talk(
        tmp_path,
        {"type": "start", "settings": {**SMALL, "S1": -0.5, "length_test": 30}, "changes": [[20, 0.25]], "steps": 30},
    )
    assert frames(replayed)[-1]["rows"][-1] == frames(trained)[-1]["rows"][-1]
    assert frames(reset)[-1]["settings"]["eta"] == 0.25
    assert frames(reset)[-1]["changes"] == []


def test_prompts_are_drawn_edited_and_refused(tmp_path: Path) -> None:
    _, drawn, edited, foreign = talk(
        tmp_path,
        {"type": "start", "settings": SMALL, "steps": 10},
        {"type": "prompt", "domain": "in", "prompt": 12},
        {"type": "prompt", "domain": "out", "prompt": PROMPT},
        {"type": "prompt", "domain": "out", "prompt": {**PROMPT, "task": [0, 3]}},
    )
    assert frames(drawn)[-1]["prompts"]["in"]["number"] == 12
    answered = frames(edited)[-1]["prompts"]["out"]
    assert answered["number"] is None
    assert answered["columns"] == [{**column, "kappa": 0.333} for column in PROMPT["columns"]]
    assert sum(answered["attention"]) == pytest.approx(1)
    assert answered["onPattern"] == pytest.approx(answered["attention"][0])
    assert frames(foreign)[-1]["prompts"]["out"]["number"] == 0


COLUMN = {"pattern": 0, "irrelevant": 3, "kappa": 0.3333333, "label": 1}
PROMPT: dict[str, Any] = {
    "columns": [COLUMN, {**COLUMN, "pattern": 2, "label": -1}],
    "query": {"pattern": 0, "irrelevant": 1, "kappa": 0.0},
    "label": 1,
    "task": [0, 2],
}


def test_another_seed_is_shown(tmp_path: Path) -> None:
    started, shown, beyond = talk(
        tmp_path,
        {"type": "start", "settings": {**SMALL, "seeds": 3}, "steps": 10},
        {"type": "show", "index": 1},
        {"type": "show", "index": 99},
    )
    assert [frames(answer)[-1]["shown"] for answer in (started, shown, beyond)] == [0, 1, 2]
    assert frames(started)[-1]["neurons"] != frames(shown)[-1]["neurons"]
    assert shown["rows"] == started["rows"]


def test_a_map_is_measured_beside_a_training(tmp_path: Path) -> None:
    _, answer = talk(tmp_path, {"type": "start", "settings": SMALL, "steps": 10}, {"type": "map", "kind": "S1-alpha"})
    maps = [message for message in answer["messages"] if message["type"] == "map"]
    assert [message["done"] for message in maps] == [False] * (len(maps) - 1) + [True]
    assert sum(len(message["cells"]) for message in maps) == len(maps[0]["xs"]) * len(maps[0]["ys"])
    assert len(maps) > 1


def test_a_training_that_diverges_says_so(tmp_path: Path) -> None:
    settings = {**STANDARD, "width": 16, "batch": 32, "eta": 100}
    _, answer = talk(tmp_path, {"type": "start", "settings": settings}, {"type": "play"})
    last = frames(answer)[-1]
    assert last["ended"]["reason"] == "diverged"
    assert last["runs"][0]["divergedAt"] == last["ended"]["step"] - 1
    assert answer["rows"][-1][1] < last["ended"]["step"]


def test_a_run_whose_loss_is_no_number_is_trained_no_further(tmp_path: Path) -> None:
    action = """(library, settings) => {
      const training = new library.Training(settings);
      training.runs[0].model.W_O.fill(Infinity);
      training.advance();
      const { divergedAt, loss } = training.runs[0];
      return { divergedAt, loss, end: training.end, rows: training.rows.length };
    }"""
    found = in_node(tmp_path, action, SMALL)
    assert not math.isfinite(found["loss"])
    assert {**found, "loss": None} == {"divergedAt": 0, "loss": None, "end": "diverged", "rows": 1}


def test_a_training_at_rest_stops_and_can_go_on(tmp_path: Path) -> None:
    """With δ = 0 nothing ever moves; it is waited for as long as the theory says, 2,069 steps."""
    settings = {**SMALL, "delta": 0}
    _, rested, again = talk(tmp_path, {"type": "start", "settings": settings}, {"type": "play"}, {"type": "play"})
    assert frames(rested)[-1]["ended"] == {"reason": "still", "step": 2070}
    assert frames(again)[-1]["ended"] == {"reason": "still", "step": 2370}


def test_a_training_that_has_not_begun_to_learn_is_not_at_rest(tmp_path: Path) -> None:
    """For its first 300 steps nothing that is drawn moves by a hundredth."""
    action = """(library, settings) => {
      const training = new library.Training(settings);
      const ends = [];
      while (training.step < 300) {
        training.advance();
        ends.push(training.end);
      }
      return { ends, rows: training.rows };
    }"""
    found = in_node(tmp_path, action, {**STANDARD, "eta": 0.03})
    for name in ("risk_in", "error_in", "risk_out", "error_out", "attention_in", "attention_out", "query_norm"):
        values = [row[name] for row in found["rows"]]
        assert max(values) - min(values) < 0.01, name
    assert set(found["ends"]) == {None}


def test_a_request_that_fails_is_told(tmp_path: Path) -> None:
    _, answer = talk(tmp_path, {"type": "start", "settings": SMALL}, {"type": "map", "kind": "nothing"})
    assert answer["messages"][0]["type"] == "failed"
