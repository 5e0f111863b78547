"""What may be asked of `iclscope llm dose`. Nothing here imports PyTorch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from iclscope.core.errors import one_of_these, require
from iclscope.language_models.one_or_more import OneOrMore
from iclscope.language_models.settings import Shots

IrrelevantLabels = Literal["random", "flipped", "fixed"]
IRRELEVANT_LABELS: tuple[IrrelevantLabels, ...] = get_args(IrrelevantLabels)
"""Labels of the irrelevant demonstrations: coin flips, wrong ones on the task's own texts, or always the same."""

RANDOM, FLIPPED, FIXED = IRRELEVANT_LABELS


class DoseSettings(Shots):
    """What is measured: accuracy over the share of relevant demonstrations and their number.

    Attributes:
        shots: numbers of demonstrations, l in the paper.
        alphas: shares of them that are about the task, α' in the paper.
        irrelevant: where the others come from, as `load_task` takes it; None: ``words``, the task that comes with
            iclscope.
        labels: what labels the others have; with ``flipped`` they are the task's own texts, wrongly labelled.
    """

    least_shots: ClassVar[int] = 1

    shots: OneOrMore[int] = Field((4, 8, 16, 32), min_length=1)
    alphas: OneOrMore[float] = Field((0.0, 0.25, 0.5, 0.75, 1.0), min_length=2)
    irrelevant: Any = None
    labels: IrrelevantLabels = RANDOM

    @field_validator("labels", mode="before")
    @classmethod
    def _known_labels(cls, value: object) -> object:
        require(value in IRRELEVANT_LABELS, "--labels", value, one_of_these(IRRELEVANT_LABELS))
        return value

    @field_validator("alphas")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        require(all(0 <= alpha <= 1 for alpha in value), "--alphas", list(value), "shares from 0 to 1")
        require(len(set(value)) > 1, "--alphas", list(value), "at least two shares, to be compared")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _whole_demonstrations(self) -> DoseSettings:
        for shots in self.shots:
            for alpha in self.alphas:
                relevant = alpha * shots
                whole = abs(relevant - round(relevant)) < 1e-6
                allowed = (
                    f"shares of which a whole number of demonstrations is relevant; of {shots} that is {relevant:g}"
                )
                require(whole, "--alphas", alpha, allowed)
        given = self.irrelevant is not None and self.labels == FLIPPED
        require(not given, "--irrelevant", self.irrelevant, f"nothing with --labels {FLIPPED}: those are DATA's texts")
        return self

    def relevant(self, shots: int, alpha: float) -> int:
        """How many of the demonstrations are about the task."""
        return round(alpha * shots)
