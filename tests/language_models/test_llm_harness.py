"""Agreement with lm-evaluation-harness (EleutherAI) on one task: the words that come with iclscope."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iclscope.language_models.loading import LanguageModel
from iclscope.language_models.prepared import Prepared, TextMeasurement, prepare
from iclscope.language_models.prompts import PromptGroup
from iclscope.language_models.scoring import label_scores
from iclscope.language_models.selectors.at_random import balanced

# Importing it warns of what it brings along.
pytestmark = pytest.mark.filterwarnings("ignore")


def harness_scores(language_model: LanguageModel, prompts: list[str], answers: tuple[str, ...]) -> np.ndarray:
    """Log-likelihoods as the harness's own model class computes them."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    harness = HFLM(pretrained=language_model.model, tokenizer=language_model.tokenizer, batch_size=4, device="cpu")
    pairs: list[Any] = [
        Instance(request_type="loglikelihood", doc={}, arguments=(prompt, answer), idx=0)
        for prompt in prompts
        for answer in answers
    ]
    found = harness.loglikelihood(pairs, disable_tqdm=True)
    return np.array([score for score, _ in found]).reshape(len(prompts), len(answers))


def prepared_words(language_model: LanguageModel, queries: int) -> Prepared:
    asked = prepare(TextMeasurement(model=language_model.source, queries=queries))
    return asked._replace(language_model=language_model)


def check(prepared: Prepared, tolerance: float) -> float:
    """The same scores and the same answers; returns the accuracy."""
    asked, form = prepared.asked, prepared.format
    prefix = form.prefix(asked.pool.at(balanced(asked, 5, 0)))
    queries = tuple(form.asked(text) for text in asked.queries.texts)
    answers = form.answers(asked.classes)
    (ours,) = label_scores(prepared.language_model, [PromptGroup(prefix, queries)], answers)
    theirs = harness_scores(prepared.language_model, [prefix + query for query in queries], answers)
    np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=0)
    right = np.array([asked.classes.index(label) for label in asked.queries.labels])
    accuracy = float((ours.argmax(axis=1) == right).mean())
    assert accuracy == (theirs.argmax(axis=1) == right).mean()
    return accuracy


def test_scores_are_those_of_the_harness(tiny: LanguageModel) -> None:
    check(prepared_words(tiny, 12), 5e-4)


@pytest.mark.smollm2
@pytest.mark.slow
def test_smollm2_answers_as_in_the_harness(smollm2: LanguageModel) -> None:
    assert check(prepared_words(smollm2, 20), 5e-3) > 0.5
