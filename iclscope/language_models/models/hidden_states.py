"""What a model makes of a text: hidden states of a middle layer."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from iclscope.language_models.models.finite import not_numbers
from iclscope.language_models.models.halving import in_halves
from iclscope.language_models.models.kept_state import check_attention_only
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.padded import PaddedBatch, halves_of, padded_batches
from iclscope.language_models.prompts.tokens import encode_texts


class TextStates(NamedTuple):
    """Hidden states of texts.

    Attributes:
        mean: over a text's tokens; what the text is about.
        last: of its last token; what the model has ready where it would go on.
    """

    mean: Float32[np.ndarray, "text channel"]
    last: Float32[np.ndarray, "text channel"]

    def at(self, places: Sequence[int]) -> TextStates:
        """Those at some places."""
        rows = np.asarray(places, dtype=np.int64)
        return TextStates(self.mean[rows], self.last[rows])


def middle_layer(language_model: LanguageModel) -> int:
    """The layer whose output is taken: half of all, counted from 1.

    The first layers stand for words and the last for the next word; what a text is about is easiest to read between
    (Skean et al., "Layer by layer: uncovering hidden representations in language models", 2025).
    """
    config: Any = language_model.model.config.get_text_config()
    return max(1, int(config.num_hidden_layers) // 2)


@torch.inference_mode()
def text_states(language_model: LanguageModel, texts: Sequence[str], *, layer: int | None = None) -> TextStates:
    """Read texts in batches of like lengths, each by itself.

    The first token is left out of the mean if there are others: many models park attention on it, with a state that is
    far larger than all others and says nothing of the text (Sun et al., "Massive activations in large language models",
    2024). A text that is longer than the model reads loses its beginning.

    Args:
        language_model: whose hidden states.
        texts: as the model is to read them.
        layer: behind which layer, counted from 1; 0 is the embedding; None: `middle_layer`.

    Raises:
        BadRequest: if the model has recurrent layers, or its states are no numbers.
    """
    check_attention_only(language_model)
    at = middle_layer(language_model) if layer is None else layer
    tokens = [ids[-(language_model.context_length or len(ids)) :] for ids in encode_texts(language_model, texts)]
    base = language_model.model.base_model  # without the head over the vocabulary, which nobody asks for here
    takes = inspect.signature(base.forward).parameters
    channels = language_model.model.config.get_text_config().hidden_size
    mean, last = (np.zeros((len(texts), channels), dtype=np.float32) for _ in range(2))
    arguments = {"use_cache": False} if "use_cache" in takes else {}

    def states_of(batch: PaddedBatch) -> Tensor:
        read = base(input_ids=batch.ids, attention_mask=batch.mask.long(), output_hidden_states=True, **arguments)
        states: Tensor = read.hidden_states[at].float()
        return states

    batches = padded_batches(tokens, language_model.device)
    for batch, states in (one for whole in batches for one in in_halves(language_model, whole, states_of, halves_of)):
        counted = batch.mask.clone()
        lengths = batch.mask.sum(dim=1)
        counted[lengths > 1, 0] = False
        weights = (counted / counted.sum(dim=1, keepdim=True)).to(states.dtype)
        rows = list(batch.rows)
        mean[rows] = torch.einsum("rp,rpc->rc", weights, states).cpu().numpy()
        last[rows] = states[torch.arange(len(rows), device=states.device), lengths - 1].cpu().numpy()
        lost = [row for row in rows if not (np.isfinite(mean[row]).all() and np.isfinite(last[row]).all())]
        if lost:
            raise not_numbers(language_model, [tokens[row] for row in lost], what="hidden states")
    return TextStates(mean, last)
