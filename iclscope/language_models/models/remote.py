"""A language model behind an OpenAI-compatible address that answers log-probabilities of what it is given."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from jaxtyping import Float64, Int64

from iclscope.core.addresses import shown_address, without_secrets
from iclscope.core.errors import BadRequest, refused
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.format import PromptGroup
from iclscope.language_models.settings import ModelSource

KEY = "OPENAI_API_KEY"
"""The environment variable with the key of the address; it is sent, and never written anywhere."""

_TEXTS, _SECONDS = 16, 600
"""Texts of one request, and how long an answer may take."""


class Echo(NamedTuple):
    """How a server reads a text.

    Attributes:
        tokens: the text of each token.
        starts: the character at which each begins.
        log_probabilities: of each token behind all before it; None of the first.
    """

    tokens: tuple[str, ...]
    starts: tuple[int, ...]
    log_probabilities: tuple[float | None, ...]


class RemoteModel(LanguageModel):
    """A model that is asked over HTTP. It has no weights here: whoever asks for them is told so in one line."""

    def __init__(self, source: ModelSource) -> None:
        """Nothing is asked yet."""
        for name, value in {"source": source, "name": source.name.replace("/", "-"), "context_length": None}.items():
            object.__setattr__(self, name, value)

    @property
    def model(self) -> NoReturn:
        """There is none."""
        raise self._refusal("what needs no weights: evaluate with --selector random, balanced or bm25, and dose")

    @property
    def tokenizer(self) -> NoReturn:
        """There is none."""
        raise self._refusal("what needs no tokenizer")

    @property
    def address(self) -> str:
        """Where it is, without secrets."""
        return shown_address(self.source.api or "")

    @property
    def device(self) -> torch.device:
        """Of what is computed here."""
        return torch.device("cpu")

    @property
    def kind(self) -> str:
        """Where it is asked."""
        return f"at {self.address}"

    def scored(
        self, group: PromptGroup, answers: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> tuple[Float64[np.ndarray, "query label"], Int64[np.ndarray, "query label"]]:
        """Σ log p over the tokens of each answer behind each prompt, and how many these are.

        Raises:
            BadRequest: if the address does not answer, answers no log-probabilities, or joins labels with the prompt in
                different ways.
        """
        sums = np.zeros((len(group.queries), len(answers)))
        counts = np.zeros(sums.shape, dtype=np.int64)
        at_once = max(1, _TEXTS // len(answers))
        for start in range(0, len(group.queries), at_once):
            prompts = [group.prefix + query for query in group.queries[start : start + at_once]]
            echoes = self._echoes([prompt + answer for prompt in prompts for answer in answers])
            for row, prompt in enumerate(prompts):
                found = self._answered(prompt, answers, echoes[row * len(answers) : (row + 1) * len(answers)])
                sums[start + row] = [sum(part) for part in found]
                counts[start + row] = [len(part) for part in found]
            if on_progress is not None:
                on_progress(len(prompts))
        return sums, counts

    def _answered(self, prompt: str, answers: Sequence[str], echoes: Sequence[Echo]) -> list[list[float]]:
        """Log-probabilities of the tokens of each answer."""
        found, before = [], set()
        for answer, echo in zip(answers, echoes, strict=True):
            ends = [start + len(token) for start, token in zip(echo.starts, echo.tokens, strict=True)]
            first = next((at for at, end in enumerate(ends) if end > len(prompt)), len(ends))
            last = next((at for at, start in enumerate(echo.starts) if start >= len(prompt + answer)), len(ends))
            before.add(echo.tokens[:first])
            values = echo.log_probabilities[first:last]
            if not values or any(value is None for value in values):
                raise self._refusal(
                    f"an address that answers the log-probability of every token of a label; of {answer.strip()!r} it "
                    "answers none"
                )
            found.append([float(value) for value in values if value is not None])
        if len(before) > 1:
            end = " ".join(prompt[-40:].split())
            raise self._refusal(
                f"a server that reads a prompt alike whichever label follows; it reads the one that ends in {end!r} in "
                f"{len(before)} ways"
            )
        return found

    def _echoes(self, texts: Sequence[str]) -> list[Echo]:
        """How the server reads some texts."""
        asked = {"model": self.source.name, "prompt": list(texts), "max_tokens": 1, "temperature": 0}
        answered = self._post({**asked, "echo": True, "logprobs": 1})
        try:
            choices = sorted(answered["choices"], key=lambda choice: choice.get("index", 0))
            read = [choice["logprobs"] for choice in choices]
            found = [Echo(tuple(map(str, one["tokens"])), _starts(one), tuple(one["token_logprobs"])) for one in read]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._refusal("an address that answers log-probabilities of the prompt (echo, logprobs)") from error
        if len(found) != len(texts) or any(
            len(one.tokens) != len(one.log_probabilities) or "".join(one.tokens).find(text[-8:]) < 0
            for one, text in zip(found, texts, strict=False)
        ):
            raise self._refusal("an address that answers log-probabilities of the prompt (echo, logprobs)")
        return found

    def _post(self, content: dict[str, Any]) -> Any:
        place = (self.source.api or "").rstrip("/") + "/completions"
        headers = {"Content-Type": "application/json"}
        if os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {os.environ[KEY]}"
        request = urllib.request.Request(place, json.dumps(content).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            told = " ".join(error.read(2000).decode(errors="replace").split())[:160]
            raise self._refusal(f"an address that answers; it says {error.code}: {without_secrets(told)}") from error
        except (OSError, ValueError) as error:
            told = without_secrets(" ".join(str(error).split())[:160], self.source.api)
            raise self._refusal(f"an address that answers: {told}") from error

    def _refusal(self, allowed: str) -> BadRequest:
        return refused("--api", self.address, allowed)


def _starts(read: dict[str, Any]) -> tuple[int, ...]:
    """Where each token begins: as the server says, or by the lengths of their texts."""
    if read.get("text_offset"):
        first = int(read["text_offset"][0])
        return tuple(int(at) - first for at in read["text_offset"])
    at, found = 0, []
    for token in read["tokens"]:
        found.append(at)
        at += len(token)
    return tuple(found)
