"""What every measurement on a language model needs: the model, the texts, and how a prompt is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from iclscope.language_models.models.fingerprint import model_fingerprint
from iclscope.language_models.models.finite import check_gives_numbers
from iclscope.language_models.models.kept_state import check_reads_in_parts
from iclscope.language_models.models.loading import LanguageModel, load_language_model, model_name
from iclscope.language_models.models.remote import RemoteModel
from iclscope.language_models.prompts.chat import chat_format
from iclscope.language_models.prompts.draws import SampledTask, draw_queries
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.precision import Agreement, agreement
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.settings import AUTO, DTYPES, REFUSE, TextMeasurement
from iclscope.language_models.texts.labelled_text import TextTask, load_task

Noted = Callable[[str, str], Mapping[str, Any]]
"""Names of model and data → what was noted in the folder of results; nothing if there is none."""

_TRIED = 24
"""Tokens that are read before all else, to see whether a model can be measured."""


class Prepared(NamedTuple):
    """A loaded model, drawn queries, and how a prompt is written.

    Attributes:
        settings: what was asked for.
        language_model: the model.
        sampled: pool, queries and classes.
        agreement: of bfloat16 with float32 on a sample; None where the type was asked for, or float32 is the usual one.
    """

    settings: TextMeasurement
    language_model: LanguageModel
    sampled: SampledTask
    agreement: Agreement | None = None

    @property
    def format(self) -> PromptFormat:
        """How an example is written."""
        return self.settings.format

    @property
    def title(self) -> str:
        """Model and data, for headings and folders."""
        return f"{self.language_model.name} on {self.sampled.name}"

    def at(self, queries: Sequence[int]) -> Prepared:
        """The same with some of the queries."""
        return self._replace(sampled=self.sampled._replace(queries=self.sampled.queries.at(queries)))

    def noted(self) -> dict[str, Any]:
        """All that decides the rows, ready for JSON: settings, and fingerprints of model and texts.

        Where things lie is left out: a copy of the same model gives the same rows. What is done with prompts that are
        too long stands there only if it is not the default, as in folders that were made before one could ask for it.
        """
        way = self.settings.too_long
        return {
            **self.settings.model_dump(mode="json", include={"format", "queries", "draws", "seed"}),
            **self._of_model(),
            "data": {"name": self.sampled.name, "texts": _hash_of(self.sampled), **self._left_out()},
            **({} if way == REFUSE else {"too_long": way}),
        }

    def _of_model(self) -> dict[str, Any]:
        if isinstance(self.language_model, RemoteModel):  # what it is there, nobody can tell
            return {"model": {"name": self.language_model.name, "api": self.language_model.address}, "dtype": "remote"}
        return {
            "model": {"name": self.language_model.name, **model_fingerprint(self.language_model)},
            "dtype": str(self.language_model.model.dtype).removeprefix("torch."),
        }

    def _left_out(self) -> dict[str, Any]:
        counts = self.sampled.left_out.counted()
        return {"left out": counts} if counts else {}


def text_task(settings: TextMeasurement) -> TextTask:
    """Read the texts."""
    columns = {"text": settings.text, "label": settings.label}
    return load_task(settings.data, test=settings.test, **columns, words=settings.words, encoding=settings.encoding)


def prepare(
    settings: TextMeasurement, language_model: LanguageModel | None = None, *, noted: Noted | None = None
) -> Prepared:
    """Read the texts, then load the model, and try whether it can be measured.

    Where no type was asked for and bfloat16 is the usual one, a sample of prompts is read in float32 too: where more
    than 1 % of its answers differ, the model is in float32. A folder of results keeps the type that it began with.

    Args:
        settings: which model, which texts.
        language_model: the model, where it is loaded already, in the type that it has; None: that of the settings is
            loaded.
        noted: names of model and data → what was noted in the folder of results, if it is there already.

    Raises:
        BadRequest: if that cannot be done, the model keeps another state than keys and values, or what it gives are no
            numbers.
    """
    sampled = draw_queries(text_task(settings), settings.queries, settings.seed)
    if language_model is not None:
        return Prepared(_in_turns(settings, language_model), _checked(language_model, settings, sampled), sampled)
    source = settings.model
    if source.api is not None:
        remote = RemoteModel(source)
        some = PromptGroup("", (settings.format.render_query(sampled.queries.texts[0]),))
        label_scores(remote, [some], settings.format.answers(sampled.classes))  # what is refused is refused now
        return Prepared(settings, remote, sampled)
    earlier: Mapping[str, Any] = {}
    if noted is not None and source.dtype == AUTO:
        earlier = noted(model_name(source), sampled.name)
        settled = earlier.get("settings")
        kept = settled.get("dtype") if isinstance(settled, dict) else None
        source = source.model_copy(update={"dtype": kept}) if kept in DTYPES else source
    loaded = _checked(load_language_model(source), settings, sampled)
    settings = _in_turns(settings, loaded)
    if source.dtype != AUTO or loaded.model.dtype == torch.float32:
        return Prepared(settings, loaded, sampled, Agreement.noted(earlier.get("precision")))
    exact = _checked(load_language_model(source.model_copy(update={"dtype": "float32"})), settings, sampled)
    found = agreement(loaded, exact, sampled, settings.format, settings.seed)
    return Prepared(settings, loaded if found.is_enough else exact, sampled, found)


def _in_turns(settings: TextMeasurement, language_model: LanguageModel) -> TextMeasurement:
    """The settings, with the format of the model's chat if that was asked for."""
    if not settings.chat:
        return settings
    return settings.model_copy(update={"format": chat_format(language_model, settings.format)})


def _checked(language_model: LanguageModel, settings: TextMeasurement, sampled: SampledTask) -> LanguageModel:
    """The model, which can be measured."""
    tokens = _some_tokens(language_model, settings.format.render_query(sampled.queries.texts[0]))
    check_reads_in_parts(language_model, tokens)
    check_gives_numbers(language_model, tokens)
    return language_model


def _some_tokens(language_model: LanguageModel, text: str) -> list[int]:
    """The first tokens of a text that the model has, at least two; what is read does not matter much here."""
    most = min(_TRIED, language_model.context_length or _TRIED)
    model: Any = language_model.model
    embedded = int(model.get_input_embeddings().weight.shape[0])
    found = [number for number in language_model.tokenizer(text)["input_ids"] if number < embedded]
    return [*found, 0, 0][: max(2, min(most, len(found)))]


def _hash_of(sampled: SampledTask) -> str:
    """A hash of all texts and labels, in which it counts where each ends."""
    content = [[list(part) for part in texts] for texts in (sampled.pool, sampled.queries)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
