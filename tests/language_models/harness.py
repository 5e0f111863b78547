"""What lm-evaluation-harness (EleutherAI) makes of the same prompts."""

from __future__ import annotations

from typing import Any

import numpy as np

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.format import PromptGroup
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.selectors.random_selectors import balanced


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


def compare_with_the_harness(prepared: Prepared, tolerance: float) -> float:
    """Both give the same scores and the same answers; returns the accuracy."""
    asked, form = prepared.sampled, prepared.format
    prefix = form.prefix(asked.pool.at(balanced(asked, 5, 0)))
    queries = tuple(form.render_query(text) for text in asked.queries.texts)
    answers = form.answers(asked.classes)
    (ours,) = label_scores(prepared.language_model, [PromptGroup(prefix, queries)], answers)
    theirs = harness_scores(prepared.language_model, [prefix + query for query in queries], answers)
    np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=0)
    right = np.array([asked.classes.index(label) for label in asked.queries.labels])
    accuracy = float((ours.argmax(axis=1) == right).mean())
    assert accuracy == (theirs.argmax(axis=1) == right).mean()
    return accuracy
