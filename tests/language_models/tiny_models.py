"""Checkpoints of a few thousand random weights, with a tokenizer of bytes and a few merged pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

VOCABULARY = 320
TEXT = (
    "Text: the horse and the wolf\nLabel: animal\n\nText: bread and soup\nLabel: food\n\nReview: a good film\n"
    "Sentiment: positive\n\nReview: a bad film\nSentiment: negative\n\n"
) * 3

SIZES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512},
    "llama": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    },
}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on a few lines: common words are one token, others several."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )


def make_tiny(folder: Path, kind: str, *, seed: int = 0, **sizes: Any) -> Path:
    """Write a checkpoint that transformers loads.

    Args:
        folder: where to.
        kind: model type of transformers; of those that `SIZES` knows, or with all sizes given.
        seed: of the weights.
        sizes: settings of the config over those of `SIZES`.
    """
    settings = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = CONFIG_MAPPING[kind](**{**settings, **SIZES.get(kind, {}), **sizes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        for weights in model.parameters():  # large enough that answers differ clearly
            if weights.dim() > 1:
                torch.nn.init.normal_(weights, std=0.25)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
