"""Prompts and answers as tokens, and which of them prompts have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from iclscope.errors import BadRequest, require
from iclscope.language_models.loading import LanguageModel
from iclscope.language_models.prompts import PromptGroup


class EncodedGroup(NamedTuple):
    """A group of prompts as tokens.

    Attributes:
        prompts: the tokens of each whole prompt.
        answers: for each prompt the tokens of each answer.
        shared: how many tokens all prompts of the group begin with; at least one of each is left.
    """

    prompts: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[tuple[int, ...], ...], ...]
    shared: int

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt."""
        return max(len(prompt) for prompt in self.prompts)


def encode_group(language_model: LanguageModel, group: PromptGroup, answers: Sequence[str]) -> EncodedGroup:
    """Turn a group of prompts into tokens.

    A prompt and an answer are also encoded as one text, and the answer's tokens are those behind as many as the prompt
    has: so words join as they would in running text.

    Raises:
        BadRequest: if an answer has no tokens, or a prompt with its answer is longer than the model reads.
    """
    texts = [group.prefix + query for query in group.queries]
    prompts = encode_texts(language_model, texts)
    whole = encode_texts(language_model, [text + answer for text in texts for answer in answers])
    behind = []
    for number, prompt in enumerate(prompts):
        ends = [one[len(prompt) :] for one in whole[number * len(answers) : (number + 1) * len(answers)]]
        for end, answer in zip(ends, answers, strict=True):
            require(len(end) > 0, "label", answer.strip(), "a label that the tokenizer makes at least one token of")
        check_length(language_model, texts[number], len(prompt) + max(len(end) for end in ends) - 1)
        behind.append(tuple(ends))
    return EncodedGroup(tuple(prompts), tuple(behind), _shared(prompts))


def encode_texts(language_model: LanguageModel, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The tokens of texts; begun as the tokenizer begins a text, and not ended."""
    tokenizer = language_model.tokenizer
    found = [tuple(ids) for ids in tokenizer(list(texts))["input_ids"]]
    ends = tokenizer.eos_token_id
    nothing = tuple(tokenizer("")["input_ids"])
    if ends is not None and nothing[-1:] == (ends,) and len(nothing) > 1:
        found = [ids[:-1] for ids in found]
    if not all(found):  # an empty prompt of a tokenizer that begins with nothing
        begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else ends
        require(begin is not None, "MODEL", language_model.name, "a tokenizer that has a token to begin with")
        found = [(begin, *ids) for ids in found]
    return found


def check_length(language_model: LanguageModel, text: str, length: int) -> None:
    """Refuse a prompt of more tokens than the model reads.

    Raises:
        BadRequest: naming its end and its length.
    """
    allowed = language_model.context_length
    if allowed is not None and length > allowed:
        end = " ".join(text[-60:].split())
        raise BadRequest(
            f"the prompt that ends in {end!r} has {length} tokens, which is not allowed; allowed: at most {allowed}, "
            f"the context length of {language_model.name}; ask for fewer --shots"
        )


def _shared(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many first tokens are the same in all prompts; nothing for a single one, which has nobody to share with."""
    if len(prompts) < 2:
        return 0
    same = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False)))
    return min(same, min(len(prompt) for prompt in prompts) - 1)
