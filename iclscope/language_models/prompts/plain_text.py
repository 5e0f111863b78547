"""Texts as tokens, whatever they say: no text is a command to the tokenizer."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from iclscope.core.errors import refused, require
from iclscope.language_models.prompts.format import CONTROL

_NO_TEXT = "\U0010ffff"
"""A noncharacter of Unicode: it stands in no text, so a token whose name begins with it is never found in one."""


class TokenizedText(NamedTuple):
    """A text as tokens.

    Attributes:
        ids: tokens, with no special ones around them.
        places: where each begins and ends in the text, in characters; empty unless asked for.
    """

    ids: tuple[int, ...]
    places: tuple[tuple[int, int], ...] = ()


class TextReader:
    """Turns texts into tokens as they stand there.

    Text that spells a control token, such as ``<|endoftext|>``, is read letter by letter like any other. Control tokens
    are those that the tokenizer calls special, and added tokens that the chat template is made of; ``<unk>``, for
    unknown text, is none. Tokens that a tokenizer puts around texts are left out; `begin` has those that belong in
    front. Of tokenizers in whose vocabulary ``<unk>`` stands like any word (Unigram, WordLevel), text that spells it
    is read by its letters as well.

    Attributes:
        begin: the tokens that the tokenizer puts in front of every text, such as ``<s>``; empty for many.
        control: control tokens by their numbers.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str, rows: int | None = None) -> None:
        """Read nothing yet.

        Args:
            tokenizer: of the model.
            name: of the model, for messages.
            rows: how many tokens the model has an embedding of; None: not known.
        """
        self._tokenizer, self._name, self._rows = tokenizer, name, rows
        self.control = _control_tokens(tokenizer)
        self.begin = _beginning(tokenizer)

    def check_vocabulary(self) -> None:
        """Refuse a tokenizer whose tokens the model does not know.

        What counts is the vocabulary that texts are made of, and `begin`. Added tokens may lie beyond the embedding:
        many tokenizers were given one for padding that their models never see. If a text should need such a token all
        the same, `read` refuses that text.

        Raises:
            BadRequest: naming the largest token and the number of rows.
        """
        added = set(self._tokenizer.added_tokens_decoder)
        used = (number for number in self._tokenizer.get_vocab().values() if number not in added)
        largest = max(chain(used, self.begin), default=0)
        if self._rows is not None:
            allowed = f"a model with an embedding for each token; its tokenizer has token {largest}, its embedding "
            require(largest < self._rows, "MODEL", self._name, f"{allowed}{self._rows} rows, counted from 0")

    def read(self, texts: Sequence[str], *, places: bool = False) -> list[TokenizedText]:
        """Texts as tokens.

        What a format of a chat marks as a control token (`CONTROL`) is read as one.

        Args:
            texts: what is read, each by itself.
            places: whether to tell where tokens stand; only fast tokenizers know.

        Raises:
            BadRequest: if a text can only be read as a control token, or needs a token that the model has no embedding
                of.
        """
        parts = [self._parts(text) for text in texts]
        plain = iter(self._read_plain([part for one in parts for part in one[::2]], places))
        return [self._with_control(one, plain, places) for one in parts]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in self.control.items()}

    def _parts(self, text: str) -> list[str]:
        """Text and names of control tokens in turn, as a chat's format has them; the text alone if it is otherwise."""
        parts = text.split(CONTROL)
        return parts if len(parts) % 2 and all(name in self._numbers for name in parts[1::2]) else [text]

    def _with_control(self, parts: Sequence[str], plain: Iterator[TokenizedText], places: bool) -> TokenizedText:
        ids: list[int] = []
        at: list[tuple[int, int]] = []
        start = 0
        for number, part in enumerate(parts):
            end = start + len(part) + 2 * (number % 2)
            if number % 2:
                ids.append(self._numbers[part])
                at.append((start, end))
            else:
                read = next(plain)
                ids += read.ids
                at += [(start + begin, start + stop) for begin, stop in read.places]
            start = end
        return TokenizedText(tuple(ids), tuple(at) if places else ())

    def _read_plain(self, texts: Sequence[str], places: bool) -> list[TokenizedText]:
        more = {"return_offsets_mapping": True} if places else {}
        try:
            # Whole tokens of the vocabulary still come through, of Unigram and WordLevel: they are caught below.
            found = self._tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, **more)
        except (TypeError, ValueError, NotImplementedError) as error:
            allowed = "a model whose tokenizer can read control tokens as text (split_special_tokens)"
            raise refused("MODEL", self._name, allowed) from error
        ids = map(tuple, found["input_ids"])
        at = (tuple(map(tuple, one)) for one in found["offset_mapping"]) if places else ((),) * len(texts)
        read = list(map(TokenizedText, ids, at))
        for number, (text, one) in enumerate(zip(texts, read, strict=True)):
            if not self.control.keys().isdisjoint(one.ids) or self._spells_unknown(text, one.ids):
                read[number] = self._letter_by_letter(text, one, places)
            self._check_embedded(read[number].ids, text)
        return read

    @cached_property
    def _without_control(self) -> Tokenizer | None:
        """The same tokenizer with control tokens under names that stand in no text; None if it cannot be made."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        names = {*self.control.values(), *([self.unknown] if self.unknown else [])}
        return _renamed(backend, names) if isinstance(backend, Tokenizer) else None

    @cached_property
    def unknown(self) -> str | None:
        """How the token for unknown text is spelled, if the tokenizer has one that is called so."""
        name, number = self._tokenizer.unk_token, self._tokenizer.unk_token_id
        return name if isinstance(name, str) and "unk" in name.lower() and number not in self.control else None

    def _spells_unknown(self, text: str, ids: Sequence[int]) -> bool:
        return self.unknown is not None and self.unknown in text and self._tokenizer.unk_token_id in ids

    def _letter_by_letter(self, text: str, read: TokenizedText, places: bool) -> TokenizedText:
        if self._without_control is not None:
            plain = self._without_control.encode(text, add_special_tokens=False)
            if self.control.keys().isdisjoint(plain.ids):
                return TokenizedText(tuple(plain.ids), tuple(plain.offsets) if places else ())
        if self.control.keys().isdisjoint(read.ids):
            return read  # it spells no more than <unk>, which remains what it is
        found = self._tokenizer(text, add_special_tokens=False)
        names = " and ".join(sorted({self.control[one] for one in found["input_ids"] if one in self.control}))
        allowed = f"a text that the tokenizer of {self._name} does not take for the command {names}"
        raise refused("text", _short(text), allowed)

    def _check_embedded(self, ids: Sequence[int], text: str) -> None:
        if self._rows is None or max(ids, default=0) < self._rows:
            return
        token = self._tokenizer.convert_ids_to_tokens(max(ids))
        allowed = f"a text without the added token {token!r}, of which {self._name} has no embedding"
        raise refused("text", _short(text), allowed)


def spelled_out(reader: TextReader, texts: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    """How many texts spell control tokens, and which."""
    names = {name for name in (*reader.control.values(), reader.unknown or "") if name.strip()}
    inside = [{name for name in names if name in text} for text in texts]
    return sum(map(bool, inside)), tuple(sorted(set().union(*inside)))


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    template = str(getattr(tokenizer, "chat_template", None) or "")

    def commands(name: str, special: bool) -> bool:
        # A single sign that somebody made the padding, such as "!", remains the sign; so does white space.
        return len(name) > 1 and not name.isspace() and (special or name in template)

    added = tokenizer.added_tokens_decoder
    return {
        number: token.content
        for number, token in added.items()
        # Some tokenizers of bytes, to which nothing is unknown, call <|endoftext|> their unknown token.
        if commands(token.content, token.special)
        and not (number == tokenizer.unk_token_id and "unk" in token.content.lower())
    }


def _beginning(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """What stands in front of a text and is not the text: found by reading one with and without it."""
    for probe in chain(("a", "0", "."), tokenizer.get_vocab()):
        bare = tokenizer(probe, add_special_tokens=False)["input_ids"]
        if bare:  # a vocabulary may lack the letter
            break
    else:
        return ()
    whole = tokenizer(probe)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return tuple(whole[:start])
    return tuple(whole[:1]) if whole[:1] == [tokenizer.bos_token_id] else ()


def _renamed(backend: Tokenizer, names: Collection[str]) -> Tokenizer | None:
    def new(name: str) -> str:
        return _NO_TEXT + name if name in names else name

    parts: dict[str, Any] = json.loads(backend.to_str())
    for token in parts["added_tokens"]:
        token["content"] = new(token["content"])
    model = parts["model"]
    if model.get("unk_token") is not None:
        model["unk_token"] = new(model["unk_token"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {new(name): number for name, number in model["vocab"].items()}
    else:
        model["vocab"] = [[new(name), score] for name, score in model["vocab"]]
    try:
        made = Tokenizer.from_str(json.dumps(parts))
    except Exception:  # noqa: BLE001 (the library raises nothing more special)
        return None
    made.no_truncation()
    made.no_padding()
    return made


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= 60 else joined[:57] + "…"
