"""A model whose scores are no numbers is refused, with the part where that begins, and nothing is judged by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from language_models.tiny_models import make_tiny, tiny_tokenizer
from refusals import says
from safetensors.torch import load_file, save_file

import iclscope as icl
from iclscope.cli.main import main

NAN, INF = float("nan"), float("inf")
COMMANDS = {
    "evaluate": ["--shots", "0,1"],
    "select": ["--selector", "similarity,pattern", "--shots", "1", "--patterns", "2", "--candidates", "20"],
    "prune": ["--rates", "0.5", "--score", "activation", "--shots", "1"],
    "attention": ["--shots", "5"],
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models without a fault, by kind."""
    folder = tmp_path_factory.mktemp("sound")
    return {kind: make_tiny(folder / kind, kind) for kind in ("llama", "gpt2")}


def broken(sound: Path, folder: Path, name: str, index: tuple[Any, ...], value: float) -> Path:
    """A copy of a model with one weight set to a value."""
    folder.mkdir()
    for file in sound.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(folder / "model.safetensors")
    weights[name][index] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(icl.BadRequest) as refused:
        call()
    told = str(refused.value)
    assert "\n" not in told
    return told


def evaluated(model: Path, data: Any, out: Path, **settings: Any) -> pl.DataFrame:
    asked = {"shots": 0, "draws": 1, "queries": 4, **settings}
    return icl.language_models.evaluate(model, data, out=out, **asked).rows


def texts(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["text", "label"], orient="row")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_in_one_line_that_names_the_layer(
    command: str, sound: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = broken(sound["llama"], tmp_path / "m", "model.layers.1.mlp.up_proj.weight", (7, 5), NAN)
    asked = ["llm", command, str(model), "words", "--queries", "20", "--draws", "1", *COMMANDS[command]]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 2
    written = capsys.readouterr()
    (line,) = [line for line in written.err.splitlines() if "iclscope:" in line]
    assert "Traceback" not in written.err
    assert "layers.1.mlp" in line
    assert not (tmp_path / "out" / "claims.json").exists()
    assert not (tmp_path / "out" / "rows.parquet").exists()


BREAKS: dict[str, tuple[str, str, tuple[Any, ...], float, str]] = {
    "the first attention": ("llama", "model.layers.0.self_attn.k_proj.weight", (0, 0), NAN, "layers.0.self_attn"),
    "the second attention's way out": ("llama", "model.layers.1.self_attn.o_proj.weight", (-1, -1), NAN, "layers.1"),
    "an infinite weight": ("llama", "model.layers.0.mlp.down_proj.weight", (3, 3), INF, "layers.0.mlp"),
    "a norm in between": ("llama", "model.layers.1.post_attention_layernorm.weight", (4,), NAN, "layers.1.post"),
    "the last norm": ("llama", "model.norm.weight", (-1,), NAN, "model.norm"),
    "the head": ("llama", "lm_head.weight", (40, 3), NAN, "lm_head"),
    "a bias of GPT-2": ("gpt2", "transformer.h.1.mlp.c_fc.bias", (9,), NAN, "h.1.mlp.c_fc"),
    "an infinite bias of GPT-2": ("gpt2", "transformer.h.0.attn.c_proj.bias", (0,), -INF, "h.0.attn"),
    "the first place of GPT-2": ("gpt2", "transformer.wpe.weight", (0, 0), NAN, "wpe"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_the_part_where_it_begins_is_named(what: str, sound: dict[str, Path], tmp_path: Path) -> None:
    kind, name, index, value, part = BREAKS[what]
    model = broken(sound[kind], tmp_path / "m", name, index, value)
    assert says(refusal(lambda: evaluated(model, "words", tmp_path / "out")), part)


def test_a_broken_token_is_found_when_a_query_has_it(sound: dict[str, Path], tmp_path: Path) -> None:
    """What is tried before measuring does not have this token: only one of the queries does."""
    token = tiny_tokenizer().convert_tokens_to_ids("Z")
    model = broken(sound["llama"], tmp_path / "m", "model.embed_tokens.weight", (token, 0), NAN)
    pool = texts(("horse", "animal"), ("bread", "food"))
    plain = texts(*((word, "food") for word in ("soup", "film", "wolf")))
    assert evaluated(model, pool, tmp_path / "plain", test=plain).height == 3
    one = texts(*((word, "food") for word in ("soup", "film", "wolf Z", "and")))
    assert "embed_tokens" in refusal(lambda: evaluated(model, pool, tmp_path / "one", test=one))
    assert not (tmp_path / "one" / "claims.json").exists()


@pytest.mark.parametrize("where", ["a demonstration", "a label", "what calibration asks"])
def test_a_broken_token_is_found_wherever_it_is_read(where: str, sound: dict[str, Path], tmp_path: Path) -> None:
    letter = {"a demonstration": "Z", "a label": "Q", "what calibration asks": "K"}[where]
    token = tiny_tokenizer().convert_tokens_to_ids(letter)
    model = broken(sound["llama"], tmp_path / "m", "model.embed_tokens.weight", (token, 3), NAN)
    pool = texts(*((f"{word} Z", label) for word, label in (("horse", "aQx"), ("bread", "food"), ("soup", "food"))))
    asked = {"test": texts(("wolf", "aQx"), ("film", "food")), "shots": 2}
    told = refusal(lambda: evaluated(model, pool, tmp_path / "out", **asked))
    assert "embed_tokens" in told
    assert not (tmp_path / "out" / "claims.json").exists()


def test_a_token_that_nothing_reads_does_no_harm(sound: dict[str, Path], tmp_path: Path) -> None:
    token = tiny_tokenizer().convert_tokens_to_ids("Z")
    model = broken(sound["llama"], tmp_path / "m", "model.embed_tokens.weight", (token, 0), NAN)
    pool, test = texts(("horse", "animal"), ("bread", "food")), texts(("soup", "food"), ("wolf", "animal"))
    found = evaluated(model, pool, tmp_path / "one", test=test)
    expected = evaluated(sound["llama"], pool, tmp_path / "two", test=test)
    assert found["score_sum"].to_list() == expected["score_sum"].to_list()


def test_a_place_that_only_a_long_prompt_reaches_is_found(sound: dict[str, Path], tmp_path: Path) -> None:
    model = broken(sound["gpt2"], tmp_path / "m", "transformer.wpe.weight", (90, 0), NAN)
    pool = texts(("horse", "animal"), ("bread", "food"))
    short, long = texts(("soup", "food"), ("a", "food")), texts(("soup", "food"), ("the wolf " * 60, "animal"))
    assert evaluated(model, pool, tmp_path / "short", test=short).height == 2
    assert "wpe" in refusal(lambda: evaluated(model, pool, tmp_path / "long", test=long))


def test_numbers_that_float16_cannot_hold_are_refused_and_float32_can(sound: dict[str, Path], tmp_path: Path) -> None:
    name = "model.layers.1.mlp.down_proj.weight"
    model = broken(sound["llama"], tmp_path / "m", name, (slice(None), slice(None)), 60000.0)
    small = icl.language_models.ModelSource(name=str(model), dtype="float16", device="cpu")
    asked: dict[str, Any] = {"shots": 0, "draws": 1, "queries": 2}
    told = refusal(lambda: icl.language_models.evaluate(small, "words", out=tmp_path / "small", **asked))
    assert "layers.1" in told or "model.norm" in told
    scores = evaluated(model, "words", tmp_path / "large", queries=2)["score_sum"]
    assert scores.list.eval(pl.element().is_finite()).list.all().all()


def test_a_label_that_the_model_excludes_is_not_the_first_answer(sound: dict[str, Path], tmp_path: Path) -> None:
    """Log-probabilities of minus infinity are no numbers to average."""
    model = broken(sound["llama"], tmp_path / "m", "lm_head.weight", (60, slice(None)), INF)
    assert "lm_head" in refusal(lambda: evaluated(model, "words", tmp_path / "out"))


def test_after_a_refusal_the_same_folder_takes_the_mended_model(sound: dict[str, Path], tmp_path: Path) -> None:
    model = broken(sound["llama"], tmp_path / "m", "model.norm.weight", (0,), NAN)
    refusal(lambda: evaluated(model, "words", tmp_path / "out"))
    (model / "model.safetensors").write_bytes((sound["llama"] / "model.safetensors").read_bytes())
    found = evaluated(model, "words", tmp_path / "out")
    expected = evaluated(sound["llama"], "words", tmp_path / "other")
    assert found["score_sum"].to_list() == expected["score_sum"].to_list()


@pytest.mark.parametrize("index", [(0, 0), (slice(None), slice(None))])
@pytest.mark.parametrize("queries", [("",), ("", " the horse and the wolf", " x")])
def test_keys_that_are_no_numbers_are_found_though_attention_may_pass_over_them(
    index: tuple[Any, ...], queries: tuple[str, ...], sound: dict[str, Path], tmp_path: Path
) -> None:
    """Fused attention on a CPU makes finite numbers of keys that are none, so that scores alone look sound."""
    language_models = icl.language_models
    model = broken(sound["llama"], tmp_path / "m", "model.layers.0.self_attn.k_proj.weight", index, NAN)
    prompts = [language_models.PromptGroup("Text: soup\nLabel:", queries)]

    def scores() -> Any:
        loaded = language_models.load_language_model(str(model))
        return language_models.label_scores(loaded, prompts, (" food", " animal"))

    assert "layers.0.self_attn" in refusal(scores)


def test_scores_asked_from_python_are_refused_too(sound: dict[str, Path], tmp_path: Path) -> None:
    language_models = icl.language_models
    model = broken(sound["llama"], tmp_path / "m", "model.layers.1.mlp.gate_proj.weight", (0, 0), NAN)
    prompts = [language_models.PromptGroup("Text: soup\nLabel:", ("", " x"))]

    def scores() -> Any:
        loaded = language_models.load_language_model(str(model))
        return language_models.label_scores(loaded, prompts, (" food", " animal"))

    assert "layers.1.mlp" in refusal(scores)
