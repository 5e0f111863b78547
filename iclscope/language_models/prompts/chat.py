"""Prompts as a chat: demonstrations are turns, written by the model's own template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from iclscope.core.errors import require
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.format import CONTROL, ChatFormat, PromptFormat

# Texts that no template has, to see what it writes between them.
_TEXTS, _ANSWERS = ("first-3f1c", "second-8a7e", "third-b20d"), ("one-5d9b", "two-c64a")
_SAME = "a model whose template writes every turn alike and opens each answer as it continues one"


def chat_format(language_model: LanguageModel, form: PromptFormat) -> ChatFormat:
    """The format that writes demonstrations as turns of a user and the assistant, and the query as the last turn.

    A user's turn is what ``form`` writes before a label, the assistant's is the label alone; its instruction, if there
    is one, is the system's turn. The template writes a chat of texts that stand nowhere, taken apart around them.

    Args:
        language_model: whose template.
        form: how an example is written where there are no turns.

    Raises:
        BadRequest: if there is no template, it does not write turns alike, or the model would read them otherwise in
            parts.
    """
    name, tokenizer = language_model.name, language_model.tokenizer
    require(bool(tokenizer.chat_template), "--chat", name, "a model whose tokenizer has a chat template")
    turns = (*_TEXTS, *_ANSWERS)
    written = _rendered(language_model, form, _TEXTS, _ANSWERS)
    pieces = re.split("|".join(map(re.escape, turns)), written)
    require(len(pieces) == len(turns) + 1, "--chat", name, "a model whose template writes each turn once, and as it is")
    opening, answered, between, again, behind, last = pieces
    require((answered, between, answered) == (again, behind, last), "--chat", name, _SAME)
    found = ChatFormat(
        query=form.query + _marked(language_model, answered, braces=True),
        label="{label}",
        between=_marked(language_model, between),
        instruction=_marked(language_model, opening),
    )
    for texts, answers in ((_TEXTS, _ANSWERS), (_TEXTS[:1], ())):
        meant = _rendered(language_model, form, [form.render_query(text) for text in texts], answers)
        ours = found.prefix((texts[:-1], answers)) + found.render_query(texts[-1])
        require(ours.replace(CONTROL, "") == meant, "--chat", name, _SAME)
        read = (*language_model.reader.begin, *language_model.reader.read([ours])[0].ids)
        whole = tuple(tokenizer(_begin(language_model) + meant, add_special_tokens=False)["input_ids"])
        require(read == whole, "--chat", name, "a model that reads a chat in parts as it reads it whole")
    return found


def _rendered(language_model: LanguageModel, form: PromptFormat, texts: Sequence[str], answers: Sequence[str]) -> str:
    """A chat as the template writes it, with the beginning of the next answer, behind what begins every text."""
    turns = [{"role": "system", "content": form.instruction}] if form.instruction else []
    for text, answer in zip(texts, (*answers, None), strict=True):
        turns.append({"role": "user", "content": text})
        turns += [] if answer is None else [{"role": "assistant", "content": answer}]
    tokenizer: Any = language_model.tokenizer
    written: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return written.removeprefix(_begin(language_model))


def _begin(language_model: LanguageModel) -> str:
    """What the tokenizer puts in front of every text, as a template writes it."""
    tokenizer: Any = language_model.tokenizer
    return "".join(tokenizer.convert_ids_to_tokens(list(language_model.reader.begin)))


def _marked(language_model: LanguageModel, piece: str, *, braces: bool = False) -> str:
    """A piece of the template with its control tokens marked, and with braces doubled where it is a format."""
    names = sorted(language_model.reader.control.values(), key=len, reverse=True)
    marked = re.sub("|".join(map(re.escape, names)), rf"{CONTROL}\g<0>{CONTROL}", piece) if names else piece
    return marked.replace("{", "{{").replace("}", "}}") if braces else marked
