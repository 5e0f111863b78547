"""The score of a label is that of what stands behind the tokens that all texts of a query share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
import torch
from language_models.made_tokenizers import MAKES, made_tokenizer, model_for
from polars.testing import assert_frame_equal
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import iclscope as icl
from iclscope.language_models import LanguageModel, PromptGroup, label_scores

BEGIN, END = 1, 2  # <s> and </s> of all tokenizers here
SMALL: dict[str, Any] = {
    "max_position_embeddings": 256,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
ROWS = [("bread", "+1"), ("soup", "+1"), ("wolf", "-1"), ("horse", "-1"), ("film", "+1"), ("and", "-1"), ("the", "+1")]


def ids_of(language_model: LanguageModel, text: str) -> list[int]:
    """As the model reads a text: with what stands in front, without what stands behind."""
    ids = list(language_model.tokenizer(text, split_special_tokens=True)["input_ids"])
    return ids[:-1] if ids[-1:] == [END] else ids


def log_p(language_model: LanguageModel, ids: list[int], start: int) -> float:
    with torch.inference_mode():
        logits = language_model.model(input_ids=torch.tensor([ids])).logits[0].double()
    told = logits.log_softmax(dim=-1)
    return sum(float(told[at - 1, ids[at]]) for at in range(start, len(ids)))


def by_hand(language_model: LanguageModel, prompt: str, answers: Sequence[str]) -> list[float]:
    texts = [ids_of(language_model, prompt), *(ids_of(language_model, prompt + answer) for answer in answers)]
    start = 0
    while all(len(ids) > start for ids in texts) and len({ids[start] for ids in texts}) == 1:
        start += 1
    if start == 0:  # nothing to read
        texts, start = [[BEGIN, *ids] for ids in texts], 1
    return [log_p(language_model, ids, start) for ids in texts[1:]]


PROMPTS = [
    "Value:",
    "Value: ",
    "0.5 => ",
    "Text: the horse\nLabel:",
    "+",
    "(",
    " ",
    "x = 1",
    "Text: bread\nLabel:\n",
    "",
]
ANSWERS = [
    (" +1", " -1"),
    ("+1", "-1"),
    (" good", " good enough", " bad"),
    (" 1", " 12", " 0"),
    ("\n a", " b"),
    (" x", "=x", "x"),
]


@pytest.fixture(scope="module", params=MAKES)
def made(request: pytest.FixtureRequest) -> LanguageModel:
    return model_for(made_tokenizer(request.param), **SMALL)


def can_be_told_apart(language_model: LanguageModel, prompt: str, answers: Sequence[str]) -> bool:
    texts = {tuple(ids_of(language_model, prompt + answer)) for answer in answers}
    return len(texts) == len(answers)


def assert_scores_by_hand(language_model: LanguageModel, prompts: Sequence[str], answers: tuple[str, ...]) -> None:
    (found,) = label_scores(language_model, [PromptGroup("", tuple(prompts))], answers)
    expected = [by_hand(language_model, prompt, answers) for prompt in prompts]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_scores_are_those_computed_by_hand(made: LanguageModel) -> None:
    compared = 0
    for answers in ANSWERS:
        prompts = [prompt for prompt in PROMPTS if can_be_told_apart(made, prompt, answers)]
        if prompts:
            assert_scores_by_hand(made, prompts, answers)
        compared += len(prompts)
    assert compared >= 35


def like_llama_2() -> PreTrainedTokenizerFast:
    """A space is put before every text by the normalizer, unknown letters are bytes, merges know no words."""
    letters = sorted(set("▁good▁film▁bad▁Value:▁+1"))
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{number:02X}>" for number in range(256)), *letters]
    merges = [("▁", "g"), ("o", "o"), ("▁g", "oo"), ("▁goo", "d"), ("▁", "+"), ("▁+", "1"), (":", "▁")]
    vocabulary += ["".join(pair) for pair in merges]
    tokenizer = Tokenizer(
        models.BPE(
            {token: place for place, token in enumerate(vocabulary)}, merges, unk_token="<unk>", byte_fallback=True
        )
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BEGIN)])
    return named(tokenizer)


def like_roberta() -> PreTrainedTokenizerFast:
    backend = made_tokenizer("byte-level").backend_tokenizer
    backend.post_processor = processors.RobertaProcessing(("</s>", END), ("<s>", BEGIN))
    return named(backend)


def like_llama_3() -> PreTrainedTokenizerFast:
    """Digits by threes, and words with the sign before them, as the pattern of Llama 3 splits them."""
    backend = made_tokenizer("byte-level-joined").backend_tokenizer
    split = pre_tokenizers.Split(Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+"), "isolated")
    parts = [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    backend.pre_tokenizer = pre_tokenizers.Sequence(parts)
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BEGIN)])
    return named(backend)


def begun_twice() -> PreTrainedTokenizerFast:
    backend = made_tokenizer("unigram").backend_tokenizer
    backend.post_processor = processors.TemplateProcessing(
        single="<s> <s> $A </s>", special_tokens=[("<s>", BEGIN), ("</s>", END)]
    )
    return named(backend)


def composing() -> PreTrainedTokenizerFast:
    """The normalizer joins a letter with an accent behind it, also across the join."""
    backend = made_tokenizer("byte-level").backend_tokenizer
    backend.normalizer = normalizers.NFC()
    return named(backend)


def named(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    fast: Any = PreTrainedTokenizerFast
    return cast("PreTrainedTokenizerFast", fast(tokenizer_object=tokenizer, **names))


@pytest.mark.parametrize("make", [like_llama_2, like_roberta, like_llama_3, begun_twice, composing])
def test_scores_are_those_computed_by_hand_with_tokenizers_of_well_known_kinds(make: Callable[[], Any]) -> None:
    language_model = model_for(make(), **SMALL)
    prompts, compared = [*PROMPTS, "caf", "cafe", "Wert: 12"], 0
    for answers in ((" +1", " -1"), ("+1", "-1"), (" good", " good film", " 好"), ("\u0301", "s"), ("3", "34", "345")):
        some = [prompt for prompt in prompts if can_be_told_apart(language_model, prompt, answers)]
        if some:
            assert_scores_by_hand(language_model, some, answers)
        compared += len(some)
    assert compared >= 35


def test_a_query_behind_demonstrations_is_scored_as_its_whole_prompt(made: LanguageModel) -> None:
    """What is read once for all queries ends before the join, wherever a tokenizer merges across it."""
    prefix, answers = "Text: soup\nLabel: food\n\n", (" good", " good enough", " bad")
    for queries in (("Value:", "0.5 => ", "\nx"), ("",), (" ", "the horse and the wolf\nLabel:")):
        (found,) = label_scores(made, [PromptGroup(prefix, queries)], answers)
        expected = [by_hand(made, prefix + query, answers) for query in queries]
        np.testing.assert_allclose(found, expected, atol=2e-4)


def saved(make: str, folder: Path) -> Path:
    made = model_for(made_tokenizer(make))
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "texts.csv"
    pl.DataFrame(ROWS, schema=["text", "label"], orient="row").write_csv(file)
    return file


@pytest.mark.parametrize("make", ["byte-level-begun", "byte-level-ended", "byte-level-begun-and-ended"])
def test_a_bare_format_is_scored_and_calibrated_as_by_hand(make: str, texts: Path, tmp_path: Path) -> None:
    """``{text}`` makes a prompt of nothing of the empty text that calibration asks."""
    model = saved(make, tmp_path / make)
    asked: dict[str, Any] = {"shots": 0, "draws": 1, "queries": 7, "format": "{text}", "test": texts}
    pool = pl.DataFrame({"text": ["x", "y"], "label": ["+1", "-1"]})
    rows = icl.language_models.evaluate(model, pool, out=tmp_path / "out", **asked).rows
    language_model = icl.language_models.load_language_model(str(model))
    classes = json.loads((tmp_path / "out" / "run.json").read_text())["labels"]
    answers = [f" {name}" for name in classes]
    free = np.array([by_hand(language_model, text, answers) for text in ("N/A", "", "[MASK]")])
    log_free = np.log((np.exp(free) / np.exp(free).sum(axis=1, keepdims=True)).mean(axis=0))
    for row in rows.iter_rows(named=True):
        text = ROWS[row["query"]][0]
        assert row["label"] == ROWS[row["query"]][1]
        expected = np.array(by_hand(language_model, text, answers))
        np.testing.assert_allclose(row["score_sum"], expected, atol=2e-4)
        assert row["answer"] == classes[int(expected.argmax())]
        assert row["calibrated_answer"] == classes[int((expected - log_free).argmax())]


def test_an_end_that_the_tokenizer_adds_changes_nothing(texts: Path, tmp_path: Path) -> None:
    """Nor does it in hidden states, perplexity and attention, which look at the last token of a prompt."""
    asked: dict[str, Any] = {"queries": 3, "draws": 1}
    some = icl.language_models.PruneSettings(
        rates=(0.5,), scores=("activation",), shots=1, prompts=2, texts=2, timings=1
    )
    few = icl.language_models.SelectorOptions(patterns=2, candidates=4)
    found = []
    for make in ("byte-level-begun", "byte-level-begun-and-ended"):
        model = saved(make, tmp_path / make)
        heads = icl.language_models.attention(
            model, "words", shots=5, out=tmp_path / f"a-{make}", queries=20, draws=1
        ).heads
        taken = icl.language_models.compare_selectors(
            model, texts, selectors=("similarity", "pattern"), options=few, shots=1, out=tmp_path / f"s-{make}", **asked
        ).rows
        pruned = icl.language_models.measure_pruning(
            model, texts, settings=some, out=tmp_path / f"p-{make}", **asked
        ).rows
        found.append((heads, taken, pruned.answers, pruned.texts))
    for before, after in zip(*found, strict=True):
        assert_frame_equal(before.drop(cs.contains("seconds")), after.drop(cs.contains("seconds")))


@pytest.mark.parametrize(
    ("make", "labels"),
    [
        ("word-piece", ("Yes", "yes")),
        ("word-piece", ("café", "cafe")),
        ("unigram", ("1", "①")),
        ("word-level-begun", ("stone", "cloud")),
    ],
)
def test_labels_of_the_same_tokens_are_refused_by_name(make: str, labels: tuple[str, str], tmp_path: Path) -> None:
    model = saved(make, tmp_path / make)
    data = pl.DataFrame({"text": ["a", "b", "c", "d"], "label": [*labels, *labels]})
    with pytest.raises(icl.BadRequest) as refused:
        icl.language_models.evaluate(model, data, shots=0, queries=2, draws=1, out=tmp_path / "out")
    told = str(refused.value)
    assert "\n" not in told
    assert all(label in told for label in labels)
    assert not (tmp_path / "out").exists()
