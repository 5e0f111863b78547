"""The page's engine, in Node: streams, patterns, prompts and whole trainings are the library's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from playground.library_numbers import SEEDS, STANDARD, Coordinates, initial_model, sampler_of, test_task, training_task
from playground.parity import check_parity
from playground.tools import in_node, largest_difference

from iclscope.core.random_streams import RandomStream

pytestmark = pytest.mark.thorough

PURPOSES = ("patterns", "initial weights", "training prompts", "ä" * 40)


@pytest.mark.parametrize("seed", [0, 7, 999_999])
def test_streams(seed: int, tmp_path: Path) -> None:
    found = in_node(
        tmp_path,
        """(library, { seed, purposes }) => purposes.map((purpose) => {
          const stream = library.RandomStream.of(seed, purpose).at(3);
          return [stream.uniform(5000), stream.normal(5000)];
        })""",
        {"seed": seed, "purposes": PURPOSES},
    )
    for purpose, (uniform, normal) in zip(PURPOSES, found, strict=True):
        stream = RandomStream.from_seeds([seed], purpose).at(3)
        assert uniform == stream.uniform(5000)[0].tolist()
        assert largest_difference(normal, stream.normal(5000)[0].tolist()) < 4e-15


def test_normal_numbers_far_out(tmp_path: Path) -> None:
    probabilities = [2.0**-k for k in range(1, 55)] + [1 - 2.0**-k for k in range(2, 54)]
    found = in_node(tmp_path, "(library, numbers) => numbers.map(library.inverseNormal)", probabilities)
    wanted = torch.special.ndtri(torch.tensor(probabilities, dtype=torch.float64)).tolist()
    assert largest_difference(found, wanted) < 2e-14


@pytest.mark.parametrize("seed", SEEDS)
def test_a_training_is_the_library_s(seed: int, tmp_path: Path) -> None:
    check_parity(seed, lambda action, request: in_node(tmp_path, action, request))


CHANGED: list[dict[str, Any]] = [
    {},
    {"M1": 9, "M2": 5, "tasks": "share-3", "alpha": 0.35, "length": 7, "length_test": 130, "S1": -0.7, "K": 1.5},
    {"M1": 7, "tasks": "all", "alpha": 1.0, "alpha_test": 0.0, "length_test": 3, "S1": 1.4},
    {"tasks": "broken", "M2": 1, "length": 1, "beta": 0.5, "q_norm": 1.25, "width": 3},
]
DRAWN = """(library, { settings, seed, batch, step }) => {
  const run = new library.Run(settings, seed);
  run.trainer.prompts.draw(run.trainer.source, run.trainer.stream.at(step));
  const told = (batch) => ({ ...batch, numbers: null });
  return {
    patterns: run.patterns, W_O: run.model.W_O, a: run.model.a, training: told(run.trainer.prompts),
    in: run.tests.in.batches.map(told), out: run.tests.out.batches.map(told),
    dictionary: run.dictionaries.out.rows,
  };
}"""


def same_prompts(found: Any, wanted: Any, M1: int) -> None:
    """Prompts of the page against prompts of the library, number by number."""
    assert found["relevant"] == wanted.relevant[0].flatten().tolist()
    assert found["irrelevant"] == (wanted.irrelevant[0] - M1).flatten().tolist()
    assert found["kappa"] == wanted.kappa[0].flatten().tolist()
    assert found["sign"] == wanted.signs[0].flatten().tolist()
    assert found["queryRelevant"] == wanted.query_relevant[0].tolist()
    assert found["queryIrrelevant"] == (wanted.query_irrelevant[0] - M1).tolist()
    assert found["queryKappa"] == wanted.query_kappa[0].tolist()
    assert found["label"] == wanted.labels[0].tolist()


@pytest.mark.parametrize("changes", CHANGED, ids=str)
def test_patterns_initial_values_and_prompts(changes: dict[str, Any], tmp_path: Path) -> None:
    settings, seed = {**STANDARD, **changes}, 5
    found = in_node(tmp_path, DRAWN, {"settings": settings, "seed": seed, "step": 17})
    own = Coordinates.of(settings, seed)
    units = torch.tensor(found["patterns"]["units"], dtype=torch.float64).reshape(own.patterns.shape)
    assert (units - own.patterns).abs().max() < 1e-11
    assert largest_difference(found["patterns"]["label"], own.label.tolist()) < 1e-12
    model = initial_model(settings, seed)
    assert largest_difference(found["W_O"], model.W_O.flatten().tolist()) < 1e-15
    assert found["a"] == model.a.flatten().tolist()
    prompts = sampler_of(training_task(settings), seed).prompts(256, purpose="training", step=17)
    same_prompts(found["training"], prompts, settings["M1"])
    for domain, M1 in (("in", settings["M1"]), ("out", settings["M1"] // 2)):
        sampler = sampler_of(test_task(settings, domain), seed)
        done = 0
        for batch in found[domain]:
            same_prompts(batch, sampler.prompts(batch["count"], purpose="evaluation", step=done), M1)
            done += batch["count"]
        assert done == 1024
    shifted = sampler_of(test_task(settings, "out"), seed).basis.dictionary()[0]
    rows = torch.tensor(found["dictionary"], dtype=torch.float64).reshape(len(shifted), -1)
    d_X = len(units)
    back = torch.cat([rows[:, :d_X] @ own.patterns, rows[:, d_X:] * own.label], dim=1)
    assert (back - shifted).abs().max() < 1e-11
