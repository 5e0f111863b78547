"""The page's numbers against the library's, wherever the page's script is run: in Node, and in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playground.library_numbers import PROMPTS, STANDARD, Coordinates, risks, standard
from playground.tools import largest_difference

EARLY, LATE = 100, 400

TRAINED = """(library, { seed, early, late }) => {
  const run = new library.Run({ ...library.STANDARD, seed }, seed);
  const losses = [];
  let weights = null;
  for (let step = 0; step < late; step++) {
    if (step === early) {
      weights = Object.fromEntries(["W_Q", "W_K", "W_V", "W_O"].map((name) => [name, Array.from(run.model[name])]));
    }
    losses.push(run.trainer.step(step, run.settings.eta, true));
  }
  const { row } = run.record(late, run.settings.eta, false);
  return { weights, losses, row, nearestKink: run.trainer.nearestKink };
}"""


def check_parity(seed: int, answer: Callable[[str, object], Any]) -> None:
    """Hold one seed of the standard scene against the library.

    Args:
        seed: which one.
        answer: runs a function of the page's library on a request.
    """
    found = answer(TRAINED, {"seed": seed, "early": EARLY, "late": LATE})
    assert found["nearestKink"] > 1e-9, "a seed nearer to a kink may part ways with the library by rounding"
    weights = Coordinates.of(STANDARD, seed).full(found["weights"], STANDARD["delta"])
    for name, wanted in standard(seed, EARLY).model.state_dict().items():
        if name in weights:
            assert (weights[name] - wanted[0]).abs().max() < 1e-8, name
    late = standard(seed, LATE)
    assert largest_difference(found["losses"], late.losses) < 1e-6
    for domain in ("in", "out"):
        risk, error = risks(STANDARD, late.model, domain)
        assert abs(found["row"][f"risk_{domain}"] - risk) < 1e-6
        assert round(found["row"][f"error_{domain}"] * PROMPTS * 2) == round(error * PROMPTS * 2)
