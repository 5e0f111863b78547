"""Where a label begins, on tokenizers of different make, against what is counted by hand and lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from language_models.harness import harness_scores
from language_models.made_tokenizers import MAKES, made_tokenizer, model_for
from language_models.tiny_models import SIZES

from iclscope.core.errors import BadRequest
from iclscope.language_models.heads.reading import demonstration_attention
from iclscope.language_models.models.hidden_states import text_states
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.demonstration_tokens import NOBODY, token_owners
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.prompts.tokens import encode_group, encode_texts, prompt_lengths
from iclscope.language_models.texts.labelled_text import LabelledTexts

TOLERANCE = 3e-4
SHOWN = LabelledTexts(("the horse", "bread and soup", "the wolf"), ("animal", "food", "animal"))
QUERIES = ("a good horse", "soup", "bread and", "a film, and the wolf", "")
FORMS = {
    "default": PromptFormat(),
    "ends in a space": PromptFormat(query="{text} => ", label="{label}"),
    "two spaces": PromptFormat(query="{text} => "),
    "joined": PromptFormat(query="Review: {text}\nValue: ", label="{label}", between="\n"),
    "bare": PromptFormat(query="{text}"),
}


@pytest.fixture(scope="module", params=MAKES)
def make(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(make: str) -> LanguageModel:
    """A tiny model with a tokenizer of each make in turn."""
    return model_for(made_tokenizer(make))


def begin(make: str) -> list[int]:
    """What the tokenizer was told to begin texts with: ``<s>`` is token 1."""
    return [1] if MAKES[make][1].startswith("<s>") else []


def groups(form: PromptFormat) -> list[PromptGroup]:
    asked = tuple(map(form.render_query, QUERIES))
    return [PromptGroup(form.prefix(SHOWN), asked), PromptGroup("", asked), PromptGroup(form.prefix(SHOWN), asked[:1])]


def by_hand(
    made: LanguageModel, first: list[int], prompts: Sequence[str], answers: Sequence[str]
) -> tuple[np.ndarray, list[list[int]]]:
    """Scores of one prompt and answer at a time, and what was read of each prompt; a token at a time is compared."""

    def ids(text: str) -> list[int]:
        found = made.tokenizer(text, add_special_tokens=False)["input_ids"]
        return first + list(found)

    scores, read = np.zeros((len(prompts), len(answers))), []
    for i, prompt in enumerate(prompts):
        alone, whole = ids(prompt), [ids(prompt + answer) for answer in answers]
        start = 0
        while start < len(alone) and all(start < len(one) and one[start] == alone[start] for one in whole):
            start += 1
        lead = [] if start else [1]  # with nothing before it, an answer follows the beginning of a text
        for j, one in enumerate(whole):
            with torch.inference_mode():
                logits = made.model(input_ids=torch.tensor([lead + one])).logits[0].double()
            log_p = logits.log_softmax(dim=-1)
            at = range(start, len(one))
            scores[i, j] = sum(float(log_p[len(lead) + place - 1, one[place]]) for place in at)
        read.append(lead + alone[:start])
    return scores, read


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_scores_are_those_counted_by_hand(make: str, made: LanguageModel, form: PromptFormat) -> None:
    answers = form.answers(("animal", "food", "good and bad", "+1", "-1"))
    asked = groups(form)
    for group, found in zip(asked, label_scores(made, asked, answers), strict=True):
        prompts = [group.prefix + query for query in group.queries]
        expected, read = by_hand(made, begin(make), prompts, answers)
        assert list(map(list, encode_group(made, group, answers).prompts)) == read
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)
        assert np.ptp(expected) > 1


@pytest.mark.filterwarnings("ignore")  # importing the harness warns of what it brings along
def test_scores_are_those_of_the_harness(make: str, made: LanguageModel) -> None:
    """Where the prompt's own tokens are what all texts of the query share, and no token is put at the end."""
    if MAKES[make][1].endswith("</s>"):
        pytest.skip("the harness scores the token at the end")
    answers = PromptFormat().answers(("animal", "food", "good and bad"))
    compared = 0
    for group in groups(PromptFormat())[:2]:
        prompts = [group.prefix + query for query in group.queries]
        (found,) = label_scores(made, [group], answers)
        read = encode_group(made, group, answers).prompts
        same = [i for i, prompt in enumerate(prompts) if list(read[i]) == made.tokenizer(prompt)["input_ids"]]
        if same:
            theirs = harness_scores(made, [prompts[i] for i in same], answers)
            np.testing.assert_allclose(found[same], theirs, atol=TOLERANCE, rtol=0)
        compared += len(same)
    assert compared == (0 if "joined" in make else 2 * len(QUERIES))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", ["byte-level", "byte-level-begun", "metaspace-bare"])
def test_an_empty_prompt_is_scored_as_in_the_harness(make: str) -> None:
    made = model_for(made_tokenizer(make))
    (found,) = label_scores(made, [PromptGroup("", ("",))], (" animal", " food"))
    np.testing.assert_allclose(found, harness_scores(made, [""], (" animal", " food")), atol=TOLERANCE, rtol=0)


def test_a_token_at_the_end_is_never_scored() -> None:
    """The same tokenizer with and without it gives the same."""
    plain, ended = (model_for(made_tokenizer(make)) for make in ("byte-level", "byte-level-ended"))
    for form in FORMS.values():
        asked, answers = groups(form), form.answers(("animal", "food"))
        for one, other in zip(label_scores(plain, asked, answers), label_scores(ended, asked, answers), strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_empty_text_changes_no_other() -> None:
    """It alone is read as the token that begins texts."""
    made = model_for(made_tokenizer("byte-level"))
    assert encode_texts(made, ["", "soup"]) == [(1,), *encode_texts(made, ["soup"])]
    together, alone = text_states(made, ["", "soup"]), text_states(made, ["soup"])
    np.testing.assert_allclose(together.last[1:], alone.last, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "answers", "named"),
    [
        ("byte-level", (" animal", " food", " animal"), "'animal' and 'animal'"),
        ("word-level-begun", (" unseen", " food", " unheard"), "'unseen' and 'unheard'"),
        ("word-piece", (" Animal", " animal"), "'Animal' and 'animal'"),
        ("unigram", (" ２", " 2"), "'２' and '2'"),
    ],
)
def test_labels_of_the_same_tokens_are_named(make: str, answers: tuple[str, ...], named: str) -> None:
    made = model_for(made_tokenizer(make))
    with pytest.raises(BadRequest, match=rf"labels: .* tokenizer tells apart, got {named}; after"):
        label_scores(made, [PromptGroup("", ("Text: soup\nLabel:",))], answers)


def test_labels_that_differ_by_a_sign_are_told_apart() -> None:
    """Counted by tokens, both were ``1`` where the sign is joined with what stands before."""
    made = model_for(made_tokenizer("byte-level-joined"))
    form = PromptFormat(query="Value: {text} is ", label="{label}")
    (found,) = label_scores(made, [PromptGroup("", (form.render_query("good"),))], form.answers(("+1", "-1")))
    assert abs(found[0, 0] - found[0, 1]) > 0.01


def test_no_token_to_begin_with_is_refused() -> None:
    made = model_for(made_tokenizer("byte-level", bos_token=None, eos_token=None))
    with pytest.raises(BadRequest, match="MODEL: expected a tokenizer that has a token to begin with"):
        label_scores(made, [PromptGroup("", ("",))], (" animal", " food"))


def test_a_label_of_no_tokens_is_refused() -> None:
    made = model_for(made_tokenizer("metaspace-bare"))  # knows no such letter, and no token for what it does not know
    with pytest.raises(BadRequest, match="label: expected a label that the tokenizer makes"):
        label_scores(made, [PromptGroup("", ("Text: soup\nLabel:",))], (" animal", "狗"))


def test_lengths_are_what_is_read(made: LanguageModel) -> None:
    form = FORMS["two spaces"]
    answers = form.answers(("animal", "good and bad"))
    (group, *_) = groups(form)
    encoded = encode_group(made, group, answers)
    pairs = zip(encoded.prompts, encoded.answers, strict=True)
    whole = [max(len(one) + len(end) - 1 for end in ends) for one, ends in pairs]
    assert encoded.longest == max(whole)
    short = LanguageModel(made.model, made.tokenizer, made.source, made.name, min(whole))
    assert prompt_lengths(short, group, answers) == whole
    assert all(found >= least for found, least in zip(prompt_lengths(made, group, answers), whole, strict=True))


def test_padding_does_not_count_in_a_window_that_only_the_answer_reaches() -> None:
    """All prompts lie within the window; with the longest answer they do not."""
    sizes = {**SIZES["llama"], "head_dim": 8, "sliding_window": 12}
    made = model_for(made_tokenizer("byte-level"), "mistral", **sizes)
    prompts = ("Text: a good horse and the wolf", "Text: soup", "Text: a")
    answers = (" animal and the horse and the horse and the wolf", " food and the wolf and the wolf and soup")
    encoded = encode_group(made, PromptGroup("", prompts), answers)
    ends = [max(map(len, each)) for each in encoded.answers]
    assert max(map(len, encoded.prompts)) <= 12 < min(map(len, encoded.prompts)) + max(ends) + 1
    (found,) = label_scores(made, [PromptGroup("", prompts)], answers)
    np.testing.assert_allclose(found, by_hand(made, [], prompts, answers)[0], atol=TOLERANCE, rtol=0)


def test_every_token_of_a_prompt_has_an_owner(make: str, made: LanguageModel) -> None:
    """As many as are read, also where the tokenizer begins or ends texts; each in the text of its demonstration."""
    form = PromptFormat()
    owners = token_owners(made, form, SHOWN, QUERIES)
    prompts = [form.prefix(SHOWN) + form.render_query(query) for query in QUERIES]
    for one, prompt in zip(owners, prompts, strict=True):
        bare = made.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        assert len(one.whole) == len(one.words) == len(begin(make)) + len(bare)
        assert one.whole[0] == one.words[0] == NOBODY
        assert ((one.words == NOBODY) | (one.words == one.whole)).all() or "joined" in make
        assert set(one.whole[one.whole != NOBODY]) == {0, 1, 2}
    attention = demonstration_attention(made, form, SHOWN, QUERIES, ("animal", "food"))
    assert np.isfinite(attention).all()
    assert (attention[0].sum(axis=-1) > 0).all()
    assert (attention[0].sum(axis=-1) < 1).all()
