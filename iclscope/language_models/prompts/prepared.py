"""What every measurement on a language model needs: the model, the texts, and how a prompt is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from iclscope.language_models.models.fingerprint import model_fingerprint
from iclscope.language_models.models.finite import check_gives_numbers
from iclscope.language_models.models.kept_state import check_reads_in_parts
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.draws import Asked, draw_queries
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.settings import REFUSE, TextMeasurement
from iclscope.language_models.texts.labelled_text import TextTask, load_task

_TRIED = 24
"""Tokens that are read before all else, to see whether a model can be measured."""


class Prepared(NamedTuple):
    """A loaded model, drawn queries, and how a prompt is written.

    Attributes:
        settings: what was asked for.
        language_model: the model.
        asked: pool, queries and classes.
    """

    settings: TextMeasurement
    language_model: LanguageModel
    asked: Asked

    @property
    def format(self) -> PromptFormat:
        """How an example is written."""
        return self.settings.format

    @property
    def title(self) -> str:
        """Model and data, for headings and folders."""
        return f"{self.language_model.name} on {self.asked.name}"

    def at(self, queries: Sequence[int]) -> Prepared:
        """The same with some of the queries."""
        return self._replace(asked=self.asked._replace(queries=self.asked.queries.at(queries)))

    def noted(self) -> dict[str, Any]:
        """All that decides the rows, ready for JSON: settings, and fingerprints of model and texts.

        Where things lie is left out: a copy of the same model gives the same rows. What is done with prompts that are
        too long stands there only if it is not the default, as in folders that were made before one could ask for it.
        """
        way = self.settings.too_long
        return {
            **self.settings.model_dump(mode="json", include={"format", "queries", "draws", "seed"}),
            "model": {"name": self.language_model.name, **model_fingerprint(self.language_model)},
            "dtype": str(self.language_model.model.dtype).removeprefix("torch."),
            "data": {"name": self.asked.name, "texts": _hash_of(self.asked), **self._left_out()},
            **({} if way == REFUSE else {"too_long": way}),
        }

    def _left_out(self) -> dict[str, Any]:
        counts = self.asked.left_out.counted()
        return {"left out": counts} if counts else {}


def text_task(settings: TextMeasurement) -> TextTask:
    """Read the texts."""
    columns = {"text": settings.text, "label": settings.label}
    return load_task(settings.data, test=settings.test, **columns, words=settings.words, encoding=settings.encoding)


def prepare(settings: TextMeasurement) -> Prepared:
    """Read the texts, then load the model, and try whether it can be measured.

    Raises:
        BadRequest: if that cannot be done, the model keeps another state than keys and values, or what it gives are no
            numbers.
    """
    asked = draw_queries(text_task(settings), settings.queries, settings.seed)
    language_model = load_language_model(settings.model)
    tokens = _some_tokens(language_model, settings.format.asked(asked.queries.texts[0]))
    check_reads_in_parts(language_model, tokens)
    check_gives_numbers(language_model, tokens)
    return Prepared(settings, language_model, asked)


def _some_tokens(language_model: LanguageModel, text: str) -> list[int]:
    """The first tokens of a text that the model has, at least two; what is read does not matter much here."""
    most = min(_TRIED, language_model.context_length or _TRIED)
    model: Any = language_model.model
    embedded = int(model.get_input_embeddings().weight.shape[0])
    found = [number for number in language_model.tokenizer(text)["input_ids"] if number < embedded]
    return [*found, 0, 0][: max(2, min(most, len(found)))]


def _hash_of(asked: Asked) -> str:
    """A hash of all texts and labels, in which it counts where each ends."""
    content = [[list(part) for part in texts] for texts in (asked.pool, asked.queries)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
