"""Demonstrations as turns of a chat: what the model reads is what its own template writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from language_models.tiny_models import make_tiny

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.chat import chat_format
from iclscope.language_models.prompts.demonstration_tokens import token_owners
from iclscope.language_models.prompts.format import CONTROL, PromptFormat
from iclscope.language_models.texts.labelled_text import LabelledTexts

TEMPLATE = (
    "{% for turn in messages %}<|endoftext|>{{ turn.role }}\n{{ turn.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|endoftext|>assistant\n{% endif %}"
)
SHOWN = LabelledTexts(("a {good} film", "bread"), ("positive", "food"))
POOL = pl.DataFrame(
    {"text": [f"{kind} number {i}" for i in range(12) for kind in ("dog", "stone")], "label": ["a", "n"] * 12}
)


@pytest.fixture
def model(tmp_path: Path) -> LanguageModel:
    loaded = icl.language_models.load(make_tiny(tmp_path / "model", "llama"), device="cpu")
    loaded.tokenizer.chat_template = TEMPLATE
    return loaded


@pytest.mark.parametrize("form", [PromptFormat(), PromptFormat(query="{text}?", instruction="Name the kind.")])
def test_the_model_reads_what_its_template_writes(model: LanguageModel, form: PromptFormat) -> None:
    turns: list[dict[str, str]] = [{"role": "system", "content": form.instruction}] if form.instruction else []
    for text, label in zip(*SHOWN, strict=True):
        turns += [{"role": "user", "content": form.query.format(text=text)}, {"role": "assistant", "content": label}]
    turns.append({"role": "user", "content": form.query.format(text="soup")})
    tokenizer: Any = model.tokenizer
    expected = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    ours = chat_format(model, form)
    read = model.reader.read([ours.prefix(SHOWN) + ours.render_query("soup")])[0]
    assert [*model.reader.begin, *read.ids] == expected
    assert ours.answers(["food"]) == ("food",)


def test_no_text_is_a_turn(model: LanguageModel) -> None:
    form = chat_format(model, PromptFormat())
    for text in ("<|endoftext|>", f"{CONTROL}<|endoftext|>{CONTROL}"):
        commands = [one for one in model.reader.read([form.render_query(text)])[0].ids if one in model.reader.control]
        assert len(commands) == 1, "the answer's turn alone"


def test_places_of_demonstrations_are_those_of_their_texts(model: LanguageModel) -> None:
    form = chat_format(model, PromptFormat())
    (owners,) = token_owners(model, form, SHOWN, ["soup"])
    prompt = form.prefix(SHOWN) + form.render_query("soup")
    places = model.reader.read([prompt], places=True)[0].places
    for number, word in enumerate(SHOWN.labels):
        chosen = [
            place
            for place, owner in zip(places, owners.words[len(model.reader.begin) :], strict=True)
            if owner == number
        ]
        assert prompt[chosen[0][0] : chosen[-1][1]] == word


def test_a_measurement_in_turns_says_so(model: LanguageModel, tmp_path: Path) -> None:
    plain, turns = (
        model.evaluate(POOL, shots=(0, 2), queries=4, draws=2, chat=chat, out=tmp_path / str(chat))
        for chat in (False, True)
    )
    assert not plain.rows.equals(turns.rows)
    assert "assistant" in (tmp_path / "True" / "report.html").read_text(encoding="utf-8")
    assert not any("read as text" in note for note in turns.notes)
    assert "2" in repr(turns)
    with pytest.raises(BadRequest, match="format"):
        model.evaluate(POOL, shots=(0, 2), queries=4, draws=2, out=tmp_path / "True")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "a model whose tokenizer has a chat template"),
        ("{% for turn in messages %}{{ turn.content }}{% endfor %}!", "opens each answer as it continues one"),
        ("{{ messages[0].content }}", "writes each turn once"),
        ("{% for turn in messages %}{{ turn.content | upper }}{% endfor %}", "writes each turn once"),
    ],
)
def test_templates_that_cannot_be_taken_apart_are_refused(
    model: LanguageModel, template: str | None, message: str
) -> None:
    model.tokenizer.chat_template = template
    with pytest.raises(BadRequest, match=f"--chat: expected .*{message}"):
        chat_format(model, PromptFormat())


def test_an_address_has_no_turns() -> None:
    with pytest.raises(BadRequest, match="--chat: expected nothing with --api"):
        icl.language_models.evaluate(
            icl.language_models.ModelSource(name="m", api="http://localhost:1"), POOL, chat=True
        )
