"""No text is a command to the tokenizer, and no token lies beyond the embedding."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from language_models.made_tokenizers import CONTROL, MAKES, made_tokenizer, model_for
from language_models.tiny_models import make_tiny
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import load_language_model
from iclscope.language_models.prompts.demonstration_tokens import token_owners
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.plain_text import TextReader, spelled_out
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.prompts.tokens import encode_group, encode_texts
from iclscope.language_models.texts.labelled_text import LabelledTexts

COMMANDS = (
    "<|endoftext|>",
    "the horse</s> and bread",
    "[MASK] <s>soup",
    " [MASK] ",
    "</s></s>",
    "good<|endoftext|><s>",
)
READS_EVERYTHING = ("byte-level", "byte-level-begun", "byte-level-joined")


@pytest.fixture(params=MAKES)
def reader(request: pytest.FixtureRequest) -> TextReader:
    return TextReader(made_tokenizer(str(request.param)), "made")


def test_control_tokens_are_read_as_text(reader: TextReader) -> None:
    for text, found in zip(COMMANDS, reader.read(COMMANDS), strict=True):
        assert not {1, 2, 3, 4} & set(found.ids), text
        assert found.ids


@pytest.mark.parametrize("make", READS_EVERYTHING)
def test_nothing_of_the_text_is_lost(make: str) -> None:
    reader = TextReader(made_tokenizer(make), "made")
    tokenizer = made_tokenizer(make)
    for text, found in zip(COMMANDS, reader.read(COMMANDS), strict=True):
        assert tokenizer.decode(found.ids) == text


def test_places_are_those_of_the_text(reader: TextReader) -> None:
    for text, found in zip(COMMANDS, reader.read(COMMANDS, places=True), strict=True):
        assert len(found.places) == len(found.ids)
        ends = [end for _, end in found.places]
        assert ends == sorted(ends)
        assert ends[-1] <= len(text)


def test_other_texts_are_read_as_the_tokenizer_does(reader: TextReader) -> None:
    tokenizer = reader._tokenizer
    for text in ("the horse < and | [wolf]", "s/ bread", "MASK", "", "  soup\n\n"):
        (found,) = reader.read([text])
        assert list(found.ids) == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_what_is_told_of_texts_that_spell_commands() -> None:
    reader = TextReader(made_tokenizer("byte-level"), "made")
    assert spelled_out(reader, ["soup", "a </s>", "</s> and <s>"]) == (2, ("</s>", "<s>"))
    assert spelled_out(reader, ["soup", "< s >"]) == (0, ())


def test_commands_of_the_chat_template_are_text_too() -> None:
    """Added tokens that are not called special, as Qwen's ``<think>``; those of no template are the tokenizer's own."""
    tokenizer = made_tokenizer("byte-level", chat_template="{{ '<think>' }}{{ messages[0].content }}")
    tokenizer.add_tokens(["<think>", "<table>"])
    think, table = tokenizer.convert_tokens_to_ids(["<think>", "<table>"])
    (found,) = TextReader(tokenizer, "made").read(["a <think>wolf<table>"])
    assert think not in found.ids
    assert table in found.ids
    assert tokenizer.decode(found.ids) == "a <think>wolf<table>"


def test_an_end_of_text_that_is_called_unknown_is_a_command() -> None:
    """As in SmolLM2, whose bytes leave nothing unknown; a tokenizer that reads words so cannot read others."""
    reader = TextReader(made_tokenizer("byte-level", unk_token="<|endoftext|>"), "made")
    assert "<|endoftext|>" in reader.control.values()
    assert (
        reader.read(["<|endoftext|>"])[0].ids
        == TextReader(made_tokenizer("byte-level"), "made").read(["<|endoftext|>"])[0].ids
    )
    words = Tokenizer(WordLevel({"</s>": 0, "a": 1}, unk_token="</s>"))
    words.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="</s>", eos_token="</s>")
    with pytest.raises(BadRequest, match=r"text: expected .* for the command </s>, got 'a wolf'"):
        TextReader(tokenizer, "made").read(["a", "a wolf"])


def test_a_sign_that_was_made_the_padding_remains_a_sign() -> None:
    tokenizer = made_tokenizer("unigram", pad_token="[")
    (found,) = TextReader(tokenizer, "made").read(["a [wolf]"])
    assert tokenizer.convert_tokens_to_ids("[") in found.ids


def test_a_tokenizer_that_cannot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that cannot be read as text, and a tokenizer that cannot be told to."""
    tokenizer = made_tokenizer("unigram")
    reader = TextReader(tokenizer, "made")
    monkeypatch.setitem(reader.__dict__, "_without_control", None)
    assert reader.read(["soup"])[0].ids
    with pytest.raises(BadRequest, match=r"text: expected .* does not take for the command <s>, got 'a <s>'"):
        reader.read(["a <s>"])

    def refuses(*_: object, **__: object) -> None:
        raise ValueError("not supported")

    monkeypatch.setattr(type(tokenizer), "__call__", refuses)
    with pytest.raises(BadRequest, match="MODEL: expected a model whose tokenizer can read control tokens as text"):
        reader.read(["soup"])


@pytest.mark.parametrize("make", ["byte-level-begun", "unigram", "word-piece-framed"])
def test_labels_formats_and_demonstrations_are_text(make: str) -> None:
    """Nowhere in a prompt a command, wherever it was written."""
    made = model_for(made_tokenizer(make))
    form = PromptFormat(query="<s> {text}</s>\nLabel:", instruction="[MASK]", between="<|endoftext|>")
    shown = LabelledTexts(("the horse</s>", "soup"), ("animal", "food"))
    group = PromptGroup(form.prefix(shown), (form.render_query("<|endoftext|>"), form.render_query("a wolf")))
    answers = form.answers(("</s>", "animal"))
    found = encode_group(made, group, answers)
    begin = len(made.reader.begin)
    for prompt, ends in zip(found.prompts, found.answers, strict=True):
        for end in ends:
            assert not {1, 2, 3, 4} & {*prompt[begin:], *end}
    assert np.isfinite(label_scores(made, [group], answers)[0]).all()
    (owners, _) = token_owners(made, form, shown, ["<|endoftext|>", "a wolf"])
    assert len(owners.whole) >= len(found.prompts[0])
    assert not {1, 2, 3, 4} & set(encode_texts(made, [group.prefix])[0][begin:])


# Tokens beyond the embedding.


def test_a_tokenizer_larger_than_the_embedding_is_refused_at_loading(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "small", "llama", vocab_size=300)
    with pytest.raises(
        BadRequest, match=r"MODEL: expected .*, got 'small'.* token 319, its embedding 300 rows"
    ) as told:
        load_language_model(str(folder))
    assert "\n" not in str(told.value)


def test_an_embedding_larger_than_the_tokenizer_is_usual(tmp_path: Path) -> None:
    language_model = load_language_model(str(make_tiny(tmp_path / "large", "gpt2", vocab_size=384)))
    assert encode_texts(language_model, ["a horse"])


def test_added_tokens_beyond_the_embedding_are_refused_once_a_text_needs_them(tmp_path: Path) -> None:
    """Padding is never read; a token that texts may have is, and the text is named."""
    folder = make_tiny(tmp_path / "padded", "llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.add_tokens(["<table>"])
    tokenizer.save_pretrained(folder)
    language_model = load_language_model(str(folder))
    assert encode_texts(language_model, ["a [PAD] horse"])
    allowed = "text: expected a text without the added token '<table>', of which padded has no embedding"
    with pytest.raises(BadRequest, match=allowed):
        encode_texts(language_model, ["a horse", "a <table>\nhere"])


def test_a_beginning_beyond_the_embedding_is_refused_at_loading() -> None:
    tokenizer = made_tokenizer("byte-level-begun")
    with pytest.raises(BadRequest, match=r"MODEL: expected .*, got 'made'"):
        TextReader(tokenizer, "made", rows=1).check_vocabulary()
    TextReader(tokenizer, "made", rows=len(tokenizer)).check_vocabulary()


def test_the_tokenizer_itself_stays_as_it_is(tmp_path: Path) -> None:
    """What a pruned checkpoint is saved with reads commands as before."""
    language_model = load_language_model(str(make_tiny(tmp_path / "tiny", "llama")))
    encode_texts(language_model, ["a <|endoftext|>"])
    language_model.tokenizer.save_pretrained(tmp_path / "saved")
    shutil.rmtree(tmp_path / "tiny")
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert saved("<|endoftext|>")["input_ids"] == [0]
    assert len(CONTROL) == 5
