"""Checkpoints of a few thousand random weights, with a tokenizer of bytes and a few merged pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
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


def make_tiny_gguf(file: Path, *, seed: int = 0, chat_template: str = "{{ messages }}") -> Path:
    """Write a GGUF file of a Llama of one layer, with the tokenizer of `tiny_tokenizer`."""
    from gguf import GGUFWriter

    numbers = np.random.default_rng(seed)
    dim, hidden = 32, 48
    writer = GGUFWriter(str(file), "llama")
    for add, value in (
        (writer.add_context_length, 512),
        (writer.add_embedding_length, dim),
        (writer.add_block_count, 1),
        (writer.add_feed_forward_length, hidden),
        (writer.add_head_count, 4),
        (writer.add_head_count_kv, 4),
        (writer.add_vocab_size, VOCABULARY),
        (writer.add_rope_dimension_count, dim // 4),
        (writer.add_bos_token_id, 0),
        (writer.add_eos_token_id, 0),
    ):
        add(value)
    writer.add_layer_norm_rms_eps(1e-6)
    model = json.loads(tiny_tokenizer().backend_tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    tokens += [f"<unused{number}>" for number in range(VOCABULARY - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token == "<|endoftext|>" else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]])
    writer.add_chat_template(chat_template)
    shapes = {
        "token_embd": (VOCABULARY, dim),
        "output": (VOCABULARY, dim),
        **{f"blk.0.attn_{name}": (dim, dim) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}": (hidden, dim) for name in ("gate", "up")},
        "blk.0.ffn_down": (dim, hidden),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", numbers.normal(0, 0.25, shape).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(dim, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
