"""Prompts and answers as tokens: where an answer begins, and what prompts have in common."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import combinations, takewhile
from typing import NamedTuple

from iclscope.core.errors import BadRequest, Verbatim, refused, require
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.format import PromptGroup

Tokens = tuple[int, ...]

# Tokens that may come to the bytes of a text: what the tokenizer puts in front of it, and a sign for its beginning.
_MARGIN = 16


class EncodedGroup(NamedTuple):
    """A group of prompts as tokens.

    Attributes:
        prompts: what is read of each prompt before its answers: the longest beginning that it shares with itself
            followed by each answer.
        answers: for each prompt the tokens of each answer, all that stands behind what is read.
        shared: how many tokens all prompts of the group begin with; at least one of each is left.
    """

    prompts: tuple[Tokens, ...]
    answers: tuple[tuple[Tokens, ...], ...]
    shared: int

    @property
    def longest(self) -> int:
        """Tokens that are read of the longest prompt with its longest answer: all but the last."""
        return max(self.lengths)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The same of each prompt."""
        return tuple(
            len(prompt) + max(map(len, answers)) - 1 for prompt, answers in zip(self.prompts, self.answers, strict=True)
        )


def encode_group(
    language_model: LanguageModel, group: PromptGroup, answers: Sequence[str], *, any_length: bool = False
) -> EncodedGroup:
    """Turn a group of prompts into tokens.

    Each prompt is encoded by itself and followed by each answer, always as one text and without special tokens but
    those that the tokenizer begins texts with. What all of these encodings begin with is the prompt; all behind it is
    the answer's. So words join as they would in running text, and where a token spans the join, it is the answer's.

    Args:
        language_model: whose tokens.
        group: the prompts.
        answers: what may follow.
        any_length: accept prompts of any length.

    Raises:
        BadRequest: if an answer has no tokens or those of another, or a prompt with its answer is longer than the model
            reads.
    """
    texts = [group.prefix + query for query in group.queries]
    alone = _begun(language_model, texts)
    whole = _begun(language_model, [text + answer for text in texts for answer in answers])
    prompts, behind = [], []
    for number, text in enumerate(texts):
        followed = whole[number * len(answers) : (number + 1) * len(answers)]
        _check_distinct(text, answers, followed)
        read = _common_beginning([alone[number], *followed])
        ends = tuple(one[len(read) :] for one in followed)
        for end, answer in zip(ends, answers, strict=True):
            require(len(end) > 0, "label", answer.strip(), "a label that the tokenizer makes at least one token of")
        prompts.append(read or _something(language_model))
        behind.append(ends)
    found = EncodedGroup(tuple(prompts), tuple(behind), _shared(prompts))
    if not any_length:
        for text, length in zip(texts, found.lengths, strict=True):
            check_length(language_model, text, length)
    return found


def encode_texts(language_model: LanguageModel, texts: Sequence[str]) -> list[Tokens]:
    """The tokens of texts, begun as the tokenizer begins a text, and not ended; at least one each."""
    return [found or _something(language_model) for found in _begun(language_model, texts)]


def prompt_lengths(language_model: LanguageModel, group: PromptGroup, answers: Sequence[str]) -> list[int]:
    """How many tokens the model reads of each prompt with its longest answer.

    A prompt that surely fits, by its bytes, is not turned into tokens; its length is that bound.

    Raises:
        BadRequest: as `encode_group`, but for prompts that are too long.
    """
    longest = max(answers, key=_most_tokens)
    lengths = [_most_tokens(group.prefix + query + longest) for query in group.queries]
    allowed = language_model.context_length
    unsure = [place for place, length in enumerate(lengths) if allowed is not None and length > allowed]
    if unsure:
        part = group._replace(queries=tuple(group.queries[place] for place in unsure))
        counted = encode_group(language_model, part, answers, any_length=True).lengths
        for place, length in zip(unsure, counted, strict=True):
            lengths[place] = length
    return lengths


def check_length(language_model: LanguageModel, text: str, length: int) -> None:
    """Refuse a prompt of more tokens than the model reads.

    Raises:
        BadRequest: naming its end and its length.
    """
    allowed = language_model.context_length
    if allowed is not None and length > allowed:
        raise BadRequest(
            f"the prompt that ends in {end_of(text)!r} has {length} tokens; expected at most {allowed}, the "
            f"context length of {language_model.name}"
        )


def end_of(text: str) -> str:
    """The last words of a text, on one line."""
    return " ".join(text[-60:].split())


def _begun(language_model: LanguageModel, texts: Sequence[str]) -> list[Tokens]:
    """The tokens of texts behind the tokenizer's own beginning, which may be nothing."""
    begin = language_model.reader.begin
    return [(*begin, *found.ids) for found in language_model.reader.read(texts)]


def _something(language_model: LanguageModel) -> Tokens:
    """What is read where there is nothing to read, as in lm-evaluation-harness: the token that begins or ends texts."""
    tokenizer = language_model.tokenizer
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if begin is None:
        raise refused(
            "MODEL",
            language_model.name,
            ("a tokenizer that has a token to begin with, or prompts that have one of their own before the label"),
        )
    return (int(begin),)


def _check_distinct(text: str, answers: Sequence[str], followed: Sequence[Tokens]) -> None:
    if len(set(followed)) == len(followed):
        return
    one, other = next(pair for pair in combinations(range(len(answers)), 2) if len({followed[i] for i in pair}) == 1)
    pair = f"{answers[one].strip()!r} and {answers[other].strip()!r}"
    expected = f"labels that the tokenizer tells apart; after {end_of(text)!r} these have the same tokens"
    raise refused("labels", Verbatim(pair), expected)


def _most_tokens(text: str) -> int:
    """A number of tokens that no text exceeds: a byte each, of letters taken apart, and some to begin with."""
    return len(unicodedata.normalize("NFKD", text).encode()) + _MARGIN


def _shared(prompts: Sequence[Tokens]) -> int:
    """How many first tokens are the same in all prompts; nothing for a single one, which has nobody to share with."""
    if len(prompts) < 2:
        return 0
    return min(len(_common_beginning(prompts)), min(map(len, prompts)) - 1)


def _common_beginning(rows: Sequence[Tokens]) -> Tokens:
    first, last = min(rows), max(rows)  # in the order of a dictionary all others stand between these two
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return first[: sum(1 for _ in same)]
