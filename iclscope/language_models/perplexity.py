"""How surprised a model is by texts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch.nn.functional import cross_entropy

from iclscope.errors import require
from iclscope.evaluation.crossed import crossed_mean
from iclscope.evaluation.intervals import Interval
from iclscope.language_models.loading import LanguageModel
from iclscope.language_models.padded import padded_batches
from iclscope.language_models.scoring import Told


@torch.inference_mode()
def text_surprise(
    language_model: LanguageModel, tokens: Sequence[Sequence[int]], *, told: Told | None = None
) -> Float64[np.ndarray, " text"]:
    """−Σ log p(token | all before it) of each text, over all its tokens but the first.

    Args:
        language_model: the model.
        tokens: of texts, at least two each.
        told: is told how many texts have been read.

    Returns:
        Natural logarithms.
    """
    require(all(len(row) > 1 for row in tokens), "DATA", "a text of one token", "texts of at least two tokens")
    model: Any = language_model.model
    found = np.zeros(len(tokens))
    cached = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
    for batch in padded_batches(tokens, model.device):
        logits = model(input_ids=batch.ids, attention_mask=batch.mask.long(), **cached).logits[:, :-1]
        losses = cross_entropy(logits.float().flatten(0, 1), batch.ids[:, 1:].flatten(), reduction="none")
        kept = losses.view(len(batch.rows), -1).masked_fill(~batch.mask[:, 1:], 0.0)
        found[list(batch.rows)] = kept.double().sum(dim=1).cpu().numpy()
        if told is not None:
            told(len(batch.rows))
    return found


def per_token(surprise: Float64[np.ndarray, "draw text"], predicted: Float64[np.ndarray, " text"]) -> Interval:
    """Surprise per token with a 95 % interval over draws and texts; its exponential is the perplexity.

    The mean over all tokens is a ratio of two sums over texts: the interval is that of the ratio's linearization.

    Args:
        surprise: sums over the tokens of each text; or differences of such sums, of two models.
        predicted: how many tokens of each text were predicted.
    """
    ratio = surprise.sum(axis=1) / predicted.sum()
    around = (surprise - ratio.mean() * predicted) / predicted.mean()
    return crossed_mean(ratio.mean() + around)
