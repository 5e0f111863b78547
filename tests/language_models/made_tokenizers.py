"""Tokenizers of different make, trained on a few lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from language_models.tiny_models import SIZES, TEXT
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.settings import ModelSource

CONTROL = ["<unk>", "<s>", "</s>", "<|endoftext|>", "[MASK]"]
_LINES = [TEXT + "Value: +1 is good enough, -1 is not: 0.5 => x = 12; (a b) c/d [e] N/A\n"]


def _bpe(pre_tokenizer: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    in_bytes = isinstance(pre_tokenizer, pre_tokenizers.ByteLevel)
    tokenizer.decoder = decoders.ByteLevel() if in_bytes else decoders.Metaspace()
    alphabet = pre_tokenizers.ByteLevel.alphabet() if in_bytes else []
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_LINES, trainer)
    return tokenizer


def _byte_level(**options: Any) -> Callable[[], Tokenizer]:
    return lambda: _bpe(pre_tokenizers.ByteLevel(**{"add_prefix_space": False, **options}))


def _metaspace(scheme: Any) -> Callable[[], Tokenizer]:
    return lambda: _bpe(pre_tokenizers.Metaspace(prepend_scheme=scheme))


def _word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=CONTROL, show_progress=False)
    tokenizer.train_from_iterator(_LINES, trainer)
    return tokenizer


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer: Any = trainers.UnigramTrainer
    tokenizer.train_from_iterator(
        _LINES,
        trainer(vocab_size=120, special_tokens=CONTROL, unk_token="<unk>", show_progress=False),
    )
    return tokenizer


def _word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer: Any = trainers.WordLevelTrainer
    tokenizer.train_from_iterator(_LINES, trainer(special_tokens=CONTROL, show_progress=False))
    return tokenizer


def _joined_bytes() -> Tokenizer:
    """Merges run across words: the whole text is one to the trainer."""
    return _byte_level(use_regex=False)()


# How it is made, and what it puts around a text.
MAKES: dict[str, tuple[Callable[[], Tokenizer], str]] = {
    "byte-level": (_byte_level(), "$A"),
    "byte-level-begun": (_byte_level(), "<s> $A"),
    "byte-level-begun-and-ended": (_byte_level(), "<s> $A </s>"),
    "byte-level-ended": (_byte_level(), "$A </s>"),
    "byte-level-with-a-space": (_byte_level(add_prefix_space=True), "$A"),
    "byte-level-joined": (_joined_bytes, "$A"),
    "byte-level-joined-begun": (_joined_bytes, "<s> $A"),
    "metaspace-begun": (_metaspace("first"), "<s> $A"),
    "metaspace-ended": (_metaspace("always"), "$A </s>"),
    "metaspace-bare": (_metaspace("never"), "$A"),
    "word-piece": (_word_piece, "$A"),
    "word-piece-framed": (_word_piece, "<s> $A </s>"),
    "unigram": (_unigram, "$A"),
    "unigram-ended": (_unigram, "$A </s>"),
    "word-level-begun": (_word_level, "<s> $A"),
}


def made_tokenizer(make: str, **more: Any) -> PreTrainedTokenizerFast:
    """One of `MAKES`."""
    build, around = MAKES[make]
    tokenizer = build()
    ids = [(name, tokenizer.token_to_id(name)) for name in CONTROL]
    if around != "$A":
        tokenizer.post_processor = processors.TemplateProcessing(single=around, special_tokens=ids)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{**names, **more})


def model_for(
    tokenizer: PreTrainedTokenizerFast, kind: str = "llama", *, rows: int | None = None, **sizes: Any
) -> LanguageModel:
    """A tiny model with random weights that are large enough that answers differ clearly."""
    size = len(tokenizer) if rows is None else rows
    config = CONFIG_MAPPING[kind](
        **{**(sizes or SIZES[kind]), "vocab_size": size, "bos_token_id": 1, "eos_token_id": 2}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_config(config)
        for weights in model.parameters():
            if weights.dim() > 1:
                torch.nn.init.normal_(weights, std=0.25)
    return LanguageModel(model.eval(), tokenizer, ModelSource(name="made"), "made", 512)
