"""In a real browser: the numbers are the library's, and training is quick while the page draws."""

from __future__ import annotations

from typing import Any

import pytest
from playground.library_numbers import SEEDS
from playground.parity import check_parity

pytestmark = pytest.mark.browser

LEAST_SPEED = 150
"""Steps per second at the standard settings, B = 256, m = 64, l = 20."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_training_is_the_library_s(seed: int, page: Any) -> None:
    check_parity(
        seed, lambda action, request: page.evaluate(f"(request) => ({action})(PlaygroundLibrary, request)", request)
    )


SPEED = """async ({ steps }) => {
  const { TrainingClient, STANDARD } = PlaygroundLibrary;
  return await new Promise((resolve, reject) => {
    let drawn = 0;
    let begun = 0;
    let working = true;
    const count = () => {
      drawn++;
      if (working) requestAnimationFrame(count);
    };
    const client = new TrainingClient((message) => {
      if (message.type === "failed") reject(new Error(message.message));
      if (message.step === 0 && !message.running) {
        begun = performance.now();
        requestAnimationFrame(count);
        client.step(steps);
      } else if (message.step === steps) {
        const seconds = (performance.now() - begun) / 1000;
        working = false;
        client.close();
        resolve({ speed: steps / seconds, frames: drawn / seconds });
      }
    });
    client.start(STANDARD);
  });
}"""


def test_training_is_quick_while_the_page_draws(page: Any) -> None:
    """The best of three, since other programs may use the processor meanwhile."""
    found = [page.evaluate(SPEED, {"steps": 300}) for _ in range(3)]
    assert max(one["speed"] for one in found) >= LEAST_SPEED, found
    assert max(one["frames"] for one in found) >= 50, found
