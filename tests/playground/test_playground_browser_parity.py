"""In a real browser: the numbers are the library's, and training is quick while the page draws."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
from playground.library_numbers import SEEDS
from playground.parity import check_parity

pytestmark = pytest.mark.browser

LEAST_SPEED = 150
"""Steps per second at the standard settings, B = 256, m = 64, l = 20."""
LEAST_FRAMES = 50


@pytest.mark.parametrize("seed", SEEDS)
def test_a_training_is_the_library_s(seed: int, page: Any) -> None:
    check_parity(
        seed, lambda action, request: page.evaluate(f"(request) => ({action})(PlaygroundLibrary, request)", request)
    )


COUNT_FRAMES = """() => {
  window.drawn = 0;
  const count = () => {
    window.drawn++;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
}"""
SO_FAR = "() => [Number(document.getElementById('step-number').textContent), window.drawn]"


def processor_seconds() -> float:
    """What the browser's processes have used so far."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True) if "chrom" in child.name()]
    return sum(time.user + time.system for time in times)


def test_training_is_quick_while_the_page_draws(page: Any) -> None:
    """Per second of processor time of the whole browser, that is on one core, whatever else the machine does."""
    page.evaluate(COUNT_FRAMES)
    page.click("#button-play")
    page.wait_for_timeout(1000)
    (steps, frames), begun = page.evaluate(SO_FAR), processor_seconds()
    page.wait_for_timeout(2500)
    (more_steps, more_frames), used = page.evaluate(SO_FAR), processor_seconds() - begun
    assert (more_steps - steps) / used >= LEAST_SPEED
    assert (more_frames - frames) / used >= LEAST_FRAMES
