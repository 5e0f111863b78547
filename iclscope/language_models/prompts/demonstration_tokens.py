"""Which tokens of a prompt belong to which demonstration, and which of them write its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from iclscope.core.errors import require
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.texts.labelled_text import LabelledTexts

NOBODY = -1
"""Owner of a token that belongs to no demonstration: the instruction, the query, what begins a text."""


class Owners(NamedTuple):
    """The demonstration that each token of one prompt belongs to, counted from 0, or `NOBODY`.

    Attributes:
        whole: all tokens of a demonstration: its text, its label, what stands between, and what parts it from the next.
        words: only those that write its label.
    """

    whole: Int64[np.ndarray, " token"]
    words: Int64[np.ndarray, " token"]


def token_owners(
    language_model: LanguageModel, form: PromptFormat, shown: LabelledTexts, queries: Sequence[str]
) -> list[Owners]:
    """Attribute the tokens of prompts that show the same demonstrations.

    A token belongs to the demonstration in which its first character stands; it writes a label if it has a character of
    the label's word. The first token of all is nobody's: models park attention on it that says nothing of the text
    (Sun et al., "Massive activations in large language models", 2024), and without an instruction and a token that
    begins texts it would count as attention to the first demonstration.

    Args:
        language_model: whose tokens.
        form: how an example is written.
        shown: the demonstrations, in the order of the prompt.
        queries: texts that are asked behind them.

    Raises:
        BadRequest: if the tokenizer does not say where its tokens stand.
    """
    tokenizer = language_model.tokenizer
    allowed = "a model with a fast tokenizer, which says where its tokens stand in the text"
    require(tokenizer.is_fast, "MODEL", language_model.name, allowed)
    starts, words = _places(form, shown)
    prompts = [form.prefix(shown) + form.render_query(query) for query in queries]
    begin = [(0, 0)] * len(language_model.reader.begin)  # what the tokenizer adds stands nowhere
    found = []
    for read in language_model.reader.read(prompts, places=True):
        at = np.asarray([*begin, *read.places], dtype=np.int64).reshape(-1, 2)
        written = at[:, 1] > at[:, 0]
        whole = np.searchsorted(starts, at[:, 0], side="right") - 1
        whole[~written | (whole == len(shown.texts))] = NOBODY
        meets = (at[:, :1] < words[None, :, 1]) & (at[:, 1:] > words[None, :, 0]) & written[:, None]
        of_words = np.where(meets.any(axis=1), meets.argmax(axis=1), NOBODY)
        whole[:1] = of_words[:1] = NOBODY
        found.append(Owners(whole, of_words))
    return found


def _places(
    form: PromptFormat, shown: LabelledTexts
) -> tuple[Int64[np.ndarray, " start"], Int64[np.ndarray, "demonstration 2"]]:
    """Where each demonstration begins, and, last, where the query does; where each label's word begins and ends."""
    before_word = form.label.format(label="\0").index("\0")
    at = len(form.prefix(LabelledTexts((), ())))
    starts, words = [at], []
    for text, kind in zip(*shown, strict=True):
        word = at + len(form.render_query(text)) + before_word
        words.append((word, word + len(kind)))
        at += len(form.prefix(LabelledTexts((text,), (kind,)))) - starts[0]
        starts.append(at)
    return np.asarray(starts), np.asarray(words).reshape(-1, 2)
