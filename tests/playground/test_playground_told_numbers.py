"""Numbers that the tour and the scenes tell are what the engine measures at the states they speak of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playground.tools import in_node

from iclscope.playground.build import PAGE

pytestmark = pytest.mark.browser

ENGLISH = json.loads((PAGE / "texts" / "en.json").read_text(encoding="utf-8"))
CHINESE = json.loads((PAGE / "texts" / "zh.json").read_text(encoding="utf-8"))

MEASURED = """(library, request) => {
  const trained = (changes, steps) => {
    const training = new library.Training({ ...library.STANDARD, ...changes });
    while (training.step < steps) training.advance();
    return training;
  };
  const firstBelow = (alpha) => {
    const training = trained({ alpha }, 0);
    while (training.rows.at(-1).risk_in >= 0.2 && training.step < 400) training.advance();
    return training.step;
  };
  const standard = trained({}, 400);
  const { risk } = standard.detail.pruning;
  const pruned = [0, 8, 32].map((count) => risk.out[count]);
  const outside = {};
  for (const S1 of [0.5, -0.5, -1.4, 1.4]) {
    standard.change({ S1 });
    outside[S1] = standard.rows.at(-1);
  }
  const scenes = {};
  for (const { id, settings, steps } of library.SCENES) {
    const training = trained(settings, steps);
    scenes[id] = training.rows.slice(-training.runs.length);
  }
  return { steps: [0.8, 0.4, 0.2].map(firstBelow), start: standard.rows[0], pruned, outside, scenes,
    strong: trained({ beta: 3 }, 40).rows.at(-1),
    common: trained({}, 40).rows.at(-1), doubled: trained({}, 80).rows.at(-1) };
}"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All that the tests below look at, from one process."""
    found: dict[str, Any] = in_node(tmp_path_factory.mktemp("told"), MEASURED)
    return found


def told(key: str, *numbers: str) -> None:
    """Both languages tell these numbers in this text."""
    for number in numbers:
        assert number in ENGLISH[key], (key, number)
        assert number in CHINESE[key], (key, number)


def test_attention_before_training(measured: dict[str, Any]) -> None:
    assert f"{100 * measured['start']['attention_in']:.0f}" == "42"
    told("tour.2.question", "42 %")


def test_steps_at_each_alpha(measured: dict[str, Any]) -> None:
    assert measured["steps"] == [80, 150, 300]
    told("tour.3.answer", "80", "150", "300", "2.5")
    assert round(4 ** (2 / 3), 1) == 2.5
    assert 3.5 < measured["steps"][2] / measured["steps"][0] < 4


def test_shifted_patterns(measured: dict[str, Any]) -> None:
    outside = measured["outside"]
    assert outside["0.5"]["error_out"] < 0.005
    assert outside["-0.5"]["risk_out"] > 0.3
    assert outside["-1.4"]["error_out"] > 0.45
    assert outside["0.5"]["risk_out"] < outside["1.4"]["risk_out"] < outside["-0.5"]["risk_out"]


def test_pruned_neurons(measured: dict[str, Any]) -> None:
    whole, small, half = measured["pruned"]
    assert small - whole < 0.005
    assert (f"{whole:.2f}", f"{half:.2f}") == ("0.07", "0.32")
    told("tour.6.answer", "0.07", "0.32")


def test_scenes(measured: dict[str, Any]) -> None:
    scenes = measured["scenes"]
    assert set(scenes) == {"stuck", "broken", "negative", "narrow", "strong"}
    stuck, broken, negative = (scenes[name][0] for name in ("stuck", "broken", "negative"))
    assert stuck["error_in"] > 1 / 3
    assert stuck["attention_in"] < 0.42
    assert 0.2 <= broken["error_in"] < 0.25  # a fifth
    assert negative["risk_in"] < 0.1 < 0.9 < negative["risk_out"]
    learned = [row["risk_in"] < 0.1 for row in scenes["narrow"]]
    assert sorted(learned) == [False, False, True, True]
    # By step 40 with β = 3; the standard is nowhere near then, and there at twice that.
    assert measured["strong"]["attention_in"] > 0.9
    assert measured["common"]["attention_in"] < 0.5
    assert measured["doubled"]["attention_in"] > 0.8
    told("scene.strong.text", "40")
