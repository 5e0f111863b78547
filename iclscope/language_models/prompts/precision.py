"""Does bfloat16 answer as float32 does? A sample of prompts is read in both before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.calibration import calibrated
from iclscope.language_models.prompts.draws import SampledTask, generator
from iclscope.language_models.prompts.format import CONTENT_FREE, PromptFormat, PromptGroup
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.prompts.tokens import prompt_lengths
from iclscope.language_models.selectors.random_selectors import balanced

PROMPTS, SHOTS = 100, 8
MOST_CHANGED = 0.01
"""Share of changed answers above which a run goes on in float32."""


class Agreement(NamedTuple):
    """How a sample of prompts was answered in bfloat16, against float32.

    Attributes:
        prompts: how many were read.
        changed: how many likeliest labels differ.
        changed_calibrated: how many differ after calibration, by which claims go.
        largest: the largest difference of a label's log-probability among all labels.
        median: the median one.
    """

    prompts: int
    changed: int
    changed_calibrated: int
    largest: float
    median: float

    @property
    def is_enough(self) -> bool:
        """Whether bfloat16 may stand for float32."""
        return max(self.changed, self.changed_calibrated) <= MOST_CHANGED * self.prompts

    @property
    def note(self) -> str:
        """The same in words."""
        taken = "so the run is in bfloat16" if self.is_enough else "more than 1 %, so the run is in float32"
        return (
            f"Of {self.prompts} prompts read in bfloat16 and in float32, {self.changed} answers differ, "
            f"{self.changed_calibrated} after calibration: {taken}. Log-probabilities of labels differ by "
            f"{self.median:.3f} in the median, {self.largest:.3f} at most."
        )

    @classmethod
    def noted(cls, found: Any) -> Agreement | None:
        """What `_asdict` gave, as it was read from a file; None if it is anything else."""
        try:
            return cls(**found) if isinstance(found, Mapping) else None
        except TypeError:
            return None


def sample(language_model: LanguageModel, sampled: SampledTask, form: PromptFormat, seed: int) -> PromptGroup:
    """Texts of the pool behind eight balanced demonstrations, then the content-free queries.

    Where such prompts are longer than the model reads there are fewer demonstrations, and no texts that are too long.
    """
    answers, most = form.answers(sampled.classes), language_model.context_length
    shots = SHOTS
    while True:
        shown = balanced(sampled, min(shots, len(sampled.pool.texts) // 2), seed)
        taken = set(shown)
        order = generator(seed, "precision").permutation(len(sampled.pool.texts))
        texts = [sampled.pool.texts[int(i)] for i in order if int(i) not in taken][:PROMPTS]
        group = PromptGroup(form.prefix(sampled.pool.at(shown)), tuple(map(form.render_query, (*texts, *CONTENT_FREE))))
        fits = [most is None or length <= most for length in prompt_lengths(language_model, group, answers)]
        if all(fits) or shots == 0:
            free = group.queries[-len(CONTENT_FREE) :]
            kept = [query for query, fit in zip(group.queries[: -len(CONTENT_FREE)], fits, strict=False) if fit]
            return group._replace(queries=(*kept, *free))
        shots //= 2


def agreement(
    language_model: LanguageModel, exact: LanguageModel, sampled: SampledTask, form: PromptFormat, seed: int
) -> Agreement:
    """Read the sample with a model in bfloat16 and with the same one in float32."""
    group = sample(language_model, sampled, form, seed)
    answers, free = form.answers(sampled.classes), len(CONTENT_FREE)
    low, high = (label_scores(one, [group], answers)[0] for one in (language_model, exact))
    fair = [calibrated(scores[:-free], scores[-free:]) for scores in (low, high)]
    apart = np.abs(log_softmax(low[:-free], axis=1) - log_softmax(high[:-free], axis=1))
    apart = apart[np.isfinite(apart)]
    return Agreement(
        prompts=len(low) - free,
        changed=int((low[:-free].argmax(axis=1) != high[:-free].argmax(axis=1)).sum()),
        changed_calibrated=int((fair[0].argmax(axis=1) != fair[1].argmax(axis=1)).sum()),
        largest=round(float(apart.max(initial=0)), 6),
        median=round(float(np.median(apart)) if apart.size else 0.0, 6),
    )
