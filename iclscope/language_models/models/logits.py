"""How many logits are held at a time: with a large vocabulary they are larger than all else."""

from __future__ import annotations

from typing import Any

from iclscope.language_models.models.loading import LanguageModel

# Bytes of the logits of one call, in float32; a few tensors of that size are held while probabilities are made of them.
_BYTES_ON_CPU, _BYTES_ON_GPU = 1 << 27, 1 << 30


def most_positions(language_model: LanguageModel) -> int:
    """At how many positions logits may be asked for in one call; at least one.

    With a vocabulary of 50,000 these are 670 on a CPU, with one of 256,000 they are 130.
    """
    most = _BYTES_ON_CPU if language_model.device.type == "cpu" else _BYTES_ON_GPU
    return max(1, most // (4 * vocabulary(language_model)))


def vocabulary(language_model: LanguageModel) -> int:
    """For how many tokens there is a logit; 1 if the model does not say."""
    model: Any = language_model.model
    weight = getattr(model.get_output_embeddings(), "weight", None)
    if weight is not None:
        return int(weight.shape[0])
    return int(getattr(language_model.model.config.get_text_config(), "vocab_size", 1))
