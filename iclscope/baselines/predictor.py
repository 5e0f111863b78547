"""Baselines with the interface of a model, ``predict(prompts)``; nothing is trained or remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from iclscope.baselines.per_prompt import CLASSIFIERS, classifier_outputs
from iclscope.baselines.regression import REGRESSION_BASELINES
from iclscope.core.arguments import expect
from iclscope.core.errors import one_of_these, refused, require
from iclscope.tasks import ExamplePrompts, SignedPrompts


class BaselinePrediction(NamedTuple):
    """What a baseline predicts for a batch of prompts; it has neither attention nor neurons.

    Attributes:
        output: the answer at the query, or at every x, as the prompts ask for.
        attention: None.
        hidden: None.
    """

    output: Float[Tensor, "run batch *points"]
    attention: None = None
    hidden: None = None


@dataclass(frozen=True)
class Baseline:
    """A classical method that is fitted to one prompt's context and answers its query.

    Attributes:
        name: a key of `REGRESSION_BASELINES` (real answers) or `CLASSIFIERS` (patterns).
    """

    name: str

    def __post_init__(self) -> None:
        """Refuse a name that no baseline has.

        Raises:
            BadRequest: listing the names there are.
        """
        known = {*REGRESSION_BASELINES, *CLASSIFIERS}
        require(isinstance(self.name, str) and self.name in known, "name", self.name, one_of_these(baseline_names()))

    def predict(self, prompts: ExamplePrompts) -> BaselinePrediction:
        """Answer every prompt.

        Args:
            prompts: `SignedPrompts` for a classifier; prompts whose answers are single numbers for a regression.

        Raises:
            BadRequest: if the method does not answer prompts of this kind.
        """
        expect(isinstance(prompts, ExamplePrompts), "prompts", prompts, "prompts of a task")
        if isinstance(prompts, SignedPrompts):
            allowed = f"one of {', '.join(CLASSIFIERS)}, for patterns and other answers that are signs"
            require(self.name in CLASSIFIERS, "baseline", self.name, allowed)
            labels = classifier_outputs([self.name], prompts)[self.name]
            return BaselinePrediction(torch.from_numpy(labels).to(prompts.labels))
        answer = REGRESSION_BASELINES.get(self.name)
        if answer is None:
            raise refused("baseline", self.name, f"{one_of_these(REGRESSION_BASELINES)}, for real answers")
        return BaselinePrediction(_regression(answer, prompts))


def baseline_names() -> tuple[str, ...]:
    """All baselines, regressions first; 3-NN answers both kinds of prompts."""
    return tuple(dict.fromkeys((*REGRESSION_BASELINES, *CLASSIFIERS)))


def _regression(answer: Callable[..., Tensor], prompts: ExamplePrompts) -> Tensor:
    """Answers at the last x, or at every x after the examples before it."""
    examples: Any = prompts.examples()
    require(examples.answers.shape[3] == 1, "d_Y", examples.answers.shape[3], "1: regressions answer with one number")
    inputs, targets = examples.inputs, examples.answers[..., 0]
    points = inputs.shape[2]
    if examples.query_at is None:
        each = [answer(inputs[:, :, :k], targets[:, :, :k], inputs[:, :, k]) for k in range(points)]
        return torch.stack(each, dim=2)
    k = examples.one_length()
    return answer(inputs[:, :, :k], targets[:, :, :k], inputs[:, :, k])
