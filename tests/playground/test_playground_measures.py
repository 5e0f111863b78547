"""What the page measures of a trained model is what the library measures of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from playground.library_numbers import PROMPTS, STANDARD, risks, sampler_of, test_task, trained, training_task
from playground.tools import in_node, largest_difference

from iclscope.evaluation.evaluate_model import evaluate
from iclscope.mechanism import attention_concentration, large_neurons, neuron_alignment
from iclscope.mechanism.pattern_projections import projections
from iclscope.pruning import kept_neurons, magnitude

pytestmark = pytest.mark.thorough

MEASURED = """(library, { settings, seed, steps }) => {
  const run = new library.Run(settings, seed);
  for (let step = 0; step < steps; step++) run.step(step, settings.eta);
  const { row, neurons, pruning } = run.record(steps, settings.eta, true);
  const prompts = ["in", "out"].map((domain) =>
    library.answeredPrompt(run.model, run.dictionaries[domain], run.tests[domain].prompt(3)));
  return { row, neurons, pruning, prompts };
}"""
CHANGED: list[tuple[dict[str, Any], int]] = [
    ({}, 0),
    ({}, 85),
    ({"M1": 8, "M2": 10, "tasks": "share-2", "width": 23, "S1": 0.4, "alpha_test": 0.3, "length_test": 24}, 70),
    ({"tasks": "broken", "width": 1, "beta": 3.0, "eta": 0.5, "length_test": 1}, 60),
]


@pytest.mark.parametrize(("changes", "steps"), CHANGED, ids=str)
def test_measures(changes: dict[str, Any], steps: int, tmp_path: Path) -> None:
    settings, seed = {**STANDARD, **changes}, 4
    found = in_node(tmp_path, MEASURED, {"settings": settings, "seed": seed, "steps": steps})
    model, _ = trained(settings, seed, steps)
    row, neurons = found["row"], found["neurons"]
    in_domain = sampler_of(test_task(settings, "in"), seed).prompts(PROMPTS, purpose="evaluation")
    for domain in ("in", "out"):
        prompts = sampler_of(test_task(settings, domain), seed).prompts(PROMPTS, purpose="evaluation")
        risk, error = risks(settings, model, domain)
        assert abs(row[f"risk_{domain}"] - risk) < 1e-9
        assert row[f"error_{domain}"] == error
        assert abs(row[f"attention_{domain}"] - attention_concentration(model, prompts).item()) < 1e-9
        answered = found["prompts"][domain == "out"]
        wanted = model.predict(prompts)
        assert abs(answered["output"] - wanted.output[0, 3].item()) < 1e-9
        assert largest_difference(answered["attention"], wanted.attention[0, 3].tolist()) < 1e-9
        assert answered["margin"] == answered["label"] * answered["output"]
    lengths = projections(model, in_domain)
    for name, value in zip(("query_norm", "query_relevant", "key_norm", "key_relevant"), lengths, strict=True):
        assert abs(row[name] - value.item()) < 1e-9
    aligned = neuron_alignment(model, sampler_of(training_task(settings), seed).in_domain)
    names = ("cosineFeature", "normFeature", "cosineLabel", "normLabel")
    for name, values in zip(names, aligned, strict=True):
        assert largest_difference(neurons[name], values[0].tolist()) < 1e-9
    assert largest_difference(neurons["norm"], magnitude(model)[0].tolist()) < 1e-9
    positive, large = (model.a[0] > 0).tolist(), large_neurons(magnitude(model))[0].tolist()
    assert neurons["kind"] == [(1 if plus else 2) if big else 0 for plus, big in zip(positive, large, strict=True)]


def test_pruning(tmp_path: Path) -> None:
    settings = {**STANDARD, "width": 20}
    found = in_node(tmp_path, MEASURED, {"settings": settings, "seed": 1, "steps": 100})["pruning"]
    model, _ = trained(settings, 1, 100)
    assert found["order"] == magnitude(model)[0].argsort().tolist()
    for removed in range(21):
        kept = kept_neurons(magnitude(model), removed / 20, "smallest")
        for domain in ("in", "out"):
            wanted = evaluate(model, test_task(settings, domain), prompts=PROMPTS, neurons=kept)
            assert abs(found["risk"][domain][removed] - wanted.hinge_risk.item()) < 1e-9
            assert found["error"][domain][removed] == wanted.classification_error.item()


def squares_within(norms: list[float], large: list[bool]) -> float:
    """What two means of the logarithms leave of the squares."""
    logs = torch.tensor(norms, dtype=torch.float64).log()
    chosen = torch.tensor(large)
    return sum(((part - part.mean()) ** 2).sum().item() for part in (logs[chosen], logs[~chosen]) if len(part))


def test_groups_of_neurons(tmp_path: Path) -> None:
    """As scikit-learn's two-means finds them; where that stops at a worse cut, the page's is the better one."""
    generator = torch.Generator().manual_seed(0)
    cases = [torch.rand(count, generator=generator).pow(6).tolist() for count in (2, 3, 5, 17, 64) for _ in range(20)]
    found = in_node(tmp_path, "(library, cases) => cases.map(library.largeNeurons)", cases)
    wanted = [large_neurons(torch.tensor([case], dtype=torch.float64))[0].tolist() for case in cases]
    differing = [i for i, case in enumerate(cases) if found[i] != wanted[i]]
    assert len(differing) <= 10
    for i in differing:
        assert squares_within(cases[i], found[i]) < squares_within(cases[i], wanted[i])


def test_groups_at_the_edges(tmp_path: Path) -> None:
    """One group, none, and norms that are zero or no numbers."""
    cases = [[1.0, 1.0, 1.0], [0.0, 0.0], [0.0, 2.0, 2.0], [0.0, 0.1, 5.0]]
    found = in_node(tmp_path, "(library, cases) => cases.map(library.largeNeurons)", cases)
    assert found == [large_neurons(torch.tensor([case], dtype=torch.float64))[0].tolist() for case in cases]
    nan = "(library) => library.largeNeurons(Float64Array.of(1, NaN, 3))"
    assert in_node(tmp_path, nan) == [False, False, False]


MAPPED = """(library, { settings, kind, steps }) => {
  const run = new library.Run(settings, 2);
  for (let step = 0; step < steps; step++) run.step(step, settings.eta);
  const map = new library.MapMeasurement(kind, run, steps);
  run.step(steps, 5); // what comes later is not of the map
  while (map.left.length) map.measureNext();
  return map.message();
}"""


@pytest.mark.parametrize("kind", ["alpha-length", "S1-alpha"])
def test_maps(kind: str, tmp_path: Path) -> None:
    found = in_node(tmp_path, MAPPED, {"settings": STANDARD, "kind": kind, "steps": 90})
    assert found["done"]
    assert len({(cell["i"], cell["j"]) for cell in found["cells"]}) == len(found["xs"]) * len(found["ys"])
    model, _ = trained(STANDARD, 2, 90)
    domain = "in" if kind == "alpha-length" else "out"
    for cell in found["cells"][::13]:
        changed = {found["xName"]: found["xs"][cell["i"]], found["yName"]: found["ys"][cell["j"]]}
        wanted = evaluate(model, test_task({**STANDARD, **changed}, domain), prompts=512)
        assert abs(cell["risk"] - wanted.hinge_risk.item()) < 1e-9
        assert cell["error"] == wanted.classification_error.item()
