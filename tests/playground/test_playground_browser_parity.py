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


SPEED = """async ({ seconds }) => {
  const step = () => Number(document.getElementById("step-number").textContent);
  const begun = performance.now();
  const from = step();
  let drawn = 0;
  while (performance.now() - begun < 1000 * seconds) {
    await new Promise(requestAnimationFrame);
    drawn++;
  }
  const elapsed = (performance.now() - begun) / 1000;
  return { speed: (step() - from) / elapsed, frames: drawn / elapsed };
}"""


def test_training_is_quick_while_the_page_draws(page: Any) -> None:
    """The best of four stretches of a second, since other programs may use the processor meanwhile."""
    page.click("#button-play")
    found = [page.evaluate(SPEED, {"seconds": 1}) for _ in range(4)]
    assert max(one["speed"] for one in found) >= LEAST_SPEED, found
    assert max(one["frames"] for one in found) >= 50, found
