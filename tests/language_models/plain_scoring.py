"""The plain way to score: one whole prompt with one answer at a time, without cache or batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64

from iclscope.language_models.models.loading import LanguageModel


def plain_scores(
    language_model: LanguageModel, prompts: Sequence[str], answers: Sequence[str]
) -> Float64[np.ndarray, "query label"]:
    """Log-likelihood of each answer behind each prompt."""
    found = np.zeros((len(prompts), len(answers)))
    tokenizer, model = language_model.tokenizer, language_model.model
    for i, prompt in enumerate(prompts):
        before = len(tokenizer(prompt)["input_ids"])
        for j, answer in enumerate(answers):
            ids = tokenizer(prompt + answer)["input_ids"]
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0].double()
            log_p = logits.log_softmax(dim=-1)
            found[i, j] = sum(float(log_p[at - 1, ids[at]]) for at in range(before, len(ids)))
    return found
