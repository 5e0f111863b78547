"""What the library finds at the page's settings, in double precision: numbers to hold the page's against."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import torch

from iclscope.evaluation.evaluate_model import evaluate
from iclscope.models import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternClassification, PatternSampler, PatternShift
from iclscope.training.loop import train_runs

STANDARD: Mapping[str, Any] = {
    "alpha": 0.8, "length": 20, "tasks": "cycle", "M1": 6, "M2": 24, "beta": 2.0, "q_norm": 0.5, "K": 0.5, "width": 64,
    "delta": 0.175, "eta": 1.0, "batch": 256, "seed": 0, "seeds": 1, "alpha_test": 0.8, "length_test": 20, "S1": 1.3,
}  # fmt: skip
"""The page's standard settings, written down again."""

PROMPTS = 1024
SEEDS = (0, 1, 2)
"""Of the standard scene; none of them comes nearer than 1e-9 to a kink within 400 steps."""


def training_task(settings: Mapping[str, Any]) -> PatternClassification:
    """The task that the page's settings mean."""
    M1, tasks = settings["M1"], settings["tasks"]
    broken = tasks == "broken"
    share = int(tasks.removeprefix("share-")) / (M1 - 1) if tasks.startswith("share-") else tasks
    return PatternClassification(
        M1=M1, M2=settings["M2"], d_X=M1 + settings["M2"], beta=settings["beta"], q_norm=settings["q_norm"],
        K=settings["K"], alpha=settings["alpha"], length=settings["length"],
        training_tasks=((0, 1), (1, 2), (2, 0)) if broken else share, check_condition=not broken,
    )  # fmt: skip


def test_task(settings: Mapping[str, Any], domain: str) -> PatternClassification:
    """The task that the page tests on, in or out of domain."""
    task = training_task(settings)
    changes = {"alpha": settings["alpha_test"], "length": settings["length_test"]}
    if domain == "out":
        return task.replace(**changes, shift=PatternShift(S1=settings["S1"]))
    return task.replace(**changes, tasks="all" if settings["tasks"] == "all" else "unseen")


test_task.__test__ = False  # type: ignore[attr-defined]


def initial_model(settings: Mapping[str, Any], seed: int) -> SoftmaxReLUTransformer:
    """The library's model before training."""
    task = training_task(settings)
    sizes = {"d_X": task.d_X, "d_Y": task.d_Y, "width": settings["width"], "delta": settings["delta"]}
    return SoftmaxReLUTransformer(**sizes, seeds=[seed], dtype=torch.float64)


class Trained(NamedTuple):
    """A training of the library: the model, and the loss of each step's batch before the step."""

    model: SoftmaxReLUTransformer
    losses: list[float]


def trained(settings: Mapping[str, Any], seed: int, steps: int) -> Trained:
    """Train as the page does."""
    losses: list[float] = []
    task = training_task(settings)
    state = train_runs(
        initial_model(settings, seed),
        sampler_of(task, seed),
        learning_rate=torch.tensor([settings["eta"]], dtype=torch.float64),
        steps=steps,
        batch_size=settings["batch"],
        on_loss=lambda _step, _live, found: losses.append(float(found[0])),
    )
    model = initial_model(settings, seed)
    model.load_state_dict(state.weights)
    return Trained(model, losses)


@cache
def standard(seed: int, steps: int) -> Trained:
    """A training of the standard scene; asked for by several tests."""
    return trained(STANDARD, seed, steps)


def sampler_of(task: PatternClassification, seed: int) -> PatternSampler:
    """Prompts of a task in double precision."""
    return PatternSampler([task], [seed], dtype=torch.float64)


def risks(settings: Mapping[str, Any], model: SoftmaxReLUTransformer, domain: str, **more: Any) -> tuple[float, float]:
    """Hinge risk and classification error on the page's test prompts."""
    found = evaluate(model, test_task(settings, domain), prompts=PROMPTS, **more)
    return found.hinge_risk.item(), found.classification_error.item()


class Coordinates(NamedTuple):
    """The page's coordinates of the patterns of a seed: unit vectors along all patterns, and along q."""

    patterns: torch.Tensor
    label: torch.Tensor

    @classmethod
    def of(cls, settings: Mapping[str, Any], seed: int) -> Coordinates:
        """Those of the page's settings."""
        basis = sampler_of(training_task(settings), seed).in_domain
        inputs = torch.cat([basis.relevant[0], basis.irrelevant[0]])
        return cls(torch.nn.functional.normalize(inputs), torch.nn.functional.normalize(basis.label[0], dim=0))

    def full(self, weights: Mapping[str, list[float]], delta: float) -> dict[str, torch.Tensor]:
        """The library's weights from the page's."""
        inputs, d_Y = len(self.patterns), len(self.label)
        rows = torch.zeros(inputs + 1, inputs + d_Y, dtype=torch.float64)
        rows[:inputs, :inputs], rows[inputs, inputs:] = self.patterns, self.label
        own = {name: torch.tensor(numbers, dtype=torch.float64) for name, numbers in weights.items()}
        below = torch.zeros(d_Y, inputs + d_Y, dtype=torch.float64)
        found = {
            name: torch.cat([self.patterns.T @ own[name].reshape(inputs, inputs + 1) @ rows, below])
            for name in ("W_Q", "W_K")
        }
        beside = torch.eye(inputs + d_Y, dtype=torch.float64) - rows.T @ rows
        found["W_V"] = own["W_V"].reshape(inputs + d_Y, inputs + 1) @ rows + delta * beside
        found["W_O"] = own["W_O"].reshape(-1, inputs + d_Y)
        return found
