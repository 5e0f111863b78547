"""Negative log-likelihood of texts, whose exponential per token is the perplexity."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

from iclscope.claims.crossed import crossed_mean
from iclscope.claims.intervals import Interval
from iclscope.core.errors import require
from iclscope.language_models.models.finite import not_numbers
from iclscope.language_models.models.halving import in_halves
from iclscope.language_models.models.head import exact_head
from iclscope.language_models.models.kept_state import check_attention_only
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.logits import most_positions
from iclscope.language_models.models.padded import PaddedBatch, halves_of, padded_batches
from iclscope.language_models.prompts.scoring import OnProgress


@torch.inference_mode()
def nll(
    language_model: LanguageModel, tokens: Sequence[Sequence[int]], *, on_progress: OnProgress | None = None
) -> Float64[np.ndarray, " text"]:
    """−Σ log p(token | all before it) of each text, over all its tokens but the first.

    Texts are read in parts, each behind the keys and values of those before, so that the logits of all their tokens,
    which are large where the vocabulary is, are never held at once.

    Args:
        language_model: the model.
        tokens: of texts, at least two each.
        on_progress: called with the number of texts read.

    Returns:
        Natural logarithms.

    Raises:
        BadRequest: if a text has a single token, the model keeps another state than keys and values, or what it gives
            are no numbers.
    """
    require(all(len(row) > 1 for row in tokens), "DATA", "a text of one token", "texts of at least two tokens")
    check_attention_only(language_model)
    most = most_positions(language_model)
    found = np.zeros(len(tokens))

    def nlls(batch: PaddedBatch) -> Float64[Tensor, " text"]:
        return _nll_of_batch(language_model, batch, max(1, most // len(batch.rows)))

    batches = padded_batches(tokens, language_model.device, most=most)
    for batch, sums in (one for whole in batches for one in in_halves(language_model, whole, nlls, halves_of)):
        rows = list(batch.rows)
        found[rows] = sums.double().cpu().numpy()
        lost = [row for row in rows if not np.isfinite(found[row])]
        if lost:
            raise not_numbers(language_model, [tokens[row] for row in lost], what="probabilities of texts")
        if on_progress is not None:
            on_progress(len(rows))
    return found


def _nll_of_batch(language_model: LanguageModel, batch: PaddedBatch, width: int) -> Float64[Tensor, " text"]:
    """Of each text of a batch, reading so many tokens of each at a time."""
    model: Any = language_model.model
    length = batch.ids.shape[1] - 1  # behind the last token nothing is predicted
    positions = {"position_ids"} & set(inspect.signature(model.forward).parameters)
    cache = DynamicCache() if length > width else None
    found = torch.zeros(len(batch.rows), dtype=torch.float64, device=model.device)
    for start in range(0, length, width):
        end = min(start + width, length)
        places = torch.arange(start, end, device=model.device).expand(len(batch.rows), -1)
        with exact_head(model):
            logits = model(
                input_ids=batch.ids[:, start:end],
                attention_mask=batch.mask[:, :end].long(),
                **({} if cache is None else {"past_key_values": cache}),
                use_cache=cache is not None,
                **dict.fromkeys(positions, places),
            ).logits
        following = batch.ids[:, start + 1 : end + 1]
        losses = cross_entropy(logits.flatten(0, 1).float(), following.flatten(), reduction="none")
        found += losses.view_as(following).masked_fill(~batch.mask[:, start + 1 : end + 1], 0.0).double().sum(dim=1)
    return found


def per_token(nlls: Float64[np.ndarray, "draw text"], predicted: Float64[np.ndarray, " text"]) -> Interval:
    """NLL per token with a 95 % interval over draws and texts; its exponential is the perplexity.

    The mean over all tokens is a ratio of two sums over texts: the interval is that of the ratio's linearization.

    Args:
        nlls: sums over the tokens of each text; or differences of such sums, of two models.
        predicted: how many tokens of each text were predicted.
    """
    ratio = nlls.sum(axis=1) / predicted.sum()
    around = (nlls - ratio.mean() * predicted) / predicted.mean()
    return crossed_mean(ratio.mean() + around)
